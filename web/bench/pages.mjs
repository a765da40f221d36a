// What bench.mjs measures inside a page. Each function is sent there as text, so it uses nothing but its argument and the
// page. Times are in milliseconds.

/** The network alone, by benchmark(): { median, min, max, perOp, first, simd, threads, size }. */
export async function network({ model, simd, threads, runs }) {
  const { createClassifier } = await import('/dist/resnet.js');
  const c = await createClassifier({ model, simd, threads });
  const r = await c.benchmark({ runs: 3 }); // warm
  const { median, min, max, perOp } = await c.benchmark({ runs });
  const info = { simd: c.info.simd, threads: c.info.threads, first: r.max, size: c.info.inputSize };
  c.close();
  return { median, min, max, perOp, ...info };
}

/** The network in onnxruntime-web: the times of its runs. */
export async function onnxruntime({ model, size, threads, runs }) {
  const ort = await import('/ort/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = '/ort/';
  const session = await ort.InferenceSession.create(new Uint8Array(await (await fetch(model)).arrayBuffer()), { executionProviders: ['wasm'] });
  const input = new ort.Tensor('float32', new Float32Array(3 * size * size).fill(0.5), [1, 3, size, size]);
  const times = [];
  for (let i = 0; i < runs + 3; i++) {
    const t = performance.now();
    await session.run({ input });
    if (i >= 3) times.push(performance.now() - t);
  }
  await session.release();
  return times;
}

/** GMAC/s of the register tile alone. */
export async function limit(simd) {
  const bytes = async (name) => new Uint8Array(await (await fetch(`/models/${name}`)).arrayBuffer());
  const content = await bytes(`limit-${simd}.bin`);
  const memory = new WebAssembly.Memory({ initial: content.length >> 16 });
  new Uint8Array(memory.buffer).set(content);
  const { instance } = await WebAssembly.instantiate(await bytes(`limit-${simd}.wasm`), { env: { memory } });
  const macs = (await (await fetch('/models/limit.json')).json())[simd];
  let best = 0;
  for (let i = 0; i < 60; i++) {
    const t = performance.now();
    instance.exports.limit(4000);
    best = Math.max(best, (4000 * macs) / (performance.now() - t) / 1e6);
  }
  return best;
}

/** Whole calls one after another, from the first after the classifier is ready: the timings of each. */
export async function calls({ model, threads, picture, runs }) {
  const { createClassifier } = await import('/dist/resnet.js');
  const blob = await (await fetch(picture)).blob();
  const c = await createClassifier({ model, threads });
  const list = [];
  for (let i = 0; i < runs; i++) list.push((await c.classify(blob)).timings);
  c.close();
  return list;
}

/** Whole calls in turn with createImageBitmap alone, with the options that the classifier gives it for a plain JPEG. */
export async function decoding({ model, threads, picture, runs }) {
  const { createClassifier } = await import('/dist/resnet.js');
  const blob = await (await fetch(picture)).blob();
  const c = await createClassifier({ model, threads });
  const calls = [], bitmaps = [];
  for (let i = 0; i < runs; i++) {
    calls.push((await c.classify(blob)).timings);
    const t = performance.now();
    const bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image' });
    bitmaps.push(performance.now() - t);
    bitmap.close();
  }
  c.close();
  return { calls, bitmaps };
}

/** Images a second of many calls, in turn each after the answer to the one before, by classifyAll, and all at once. */
export async function queue({ model, threads, picture, count, rounds }) {
  const { createClassifier } = await import('/dist/resnet.js');
  const blob = await (await fetch(picture)).blob();
  const c = await createClassifier({ model, threads });
  for (let i = 0; i < 10; i++) await c.classify(blob); // warm
  const ways = {
    single: async (blobs) => { for (const b of blobs) await c.classify(b); },
    all: async (blobs) => { for await (const { error } of c.classifyAll(blobs)) if (error) throw error; },
    queue: (blobs) => Promise.all(blobs.map((b) => c.classify(b))),
  };
  const rates = { single: [], all: [], queue: [] };
  for (let i = 0; i < rounds; i++) {
    for (const [way, go] of Object.entries(ways)) {
      const t = performance.now();
      await go(Array(count).fill(blob));
      rates[way].push((1000 * count) / (performance.now() - t));
    }
  }
  c.close();
  return rates;
}
