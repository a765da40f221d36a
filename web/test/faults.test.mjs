// What goes wrong: files that are no pictures, hosts that serve something else, workers that crash or hang, policies and
// browsers that forbid things. Each gets its code and a message that helps, and the next call works.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { csp, inBrowsers, inPage } from './harness.mjs';

inBrowsers('faults', (w) => {
  const run = inPage(w, async () => {
    const { Worker } = globalThis;
    globalThis.workers = [];
    globalThis.Worker = class extends Worker {
      constructor(...args) {
        super(...args);
        workers.push(this);
      }
    };
    await begin();
  });

  test('files that are no pictures', async () => {
    const r = await run(async () => {
      const png = new Uint8Array(await scene.arrayBuffer());
      const jpg = new Uint8Array(await (await picture('baseline.jpg')).arrayBuffer());
      const text = (s, type) => new Blob([s], { type });
      const flipped = png.slice();
      flipped[60] ^= 0xff;
      const sources = {
        empty: new Blob([]), text: text('hello'), html: text('<!doctype html><title>x</title>', 'text/html'), svg: text('<svg xmlns="http://www.w3.org/2000/svg"/>'),
        heic: new Blob([new Uint8Array([0, 0, 0, 24]), 'ftypheic', new Uint8Array(50)]), byte: new Blob([new Uint8Array(1)]), signature: new Blob([png.slice(0, 8)]),
        header: new Blob([png.slice(0, 33)]), soi: new Blob([jpg.slice(0, 2)]), 'jpg header': new Blob([jpg.slice(0, 30)]), 'jpg without scan': new Blob([jpg.slice(0, 200)]),
        page: new URL('/blank/', location).href,
      };
      const out = {};
      for (const [name, source] of Object.entries(sources)) {
        out[name] = await failure(c.classify(source));
        if ((await c.classify(scene)).predictions.length !== 5) out[name] = { code: 'the next failed' };
      }
      return out;
    });
    for (const [name, e] of Object.entries(r)) assert.equal(e.code, 'image-decode', `${name}: ${e.message}`);
    assert.match(r.empty.message, /empty/);
    assert.match(r.heic.message, /HEIC.*JPEG/);
    assert.match(r.html.message, /web page/);
    assert.match(r.svg.message, /SVG/);
  });

  test('a file that has gone since it was chosen', async () => {
    await run(() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'file' })));
    const dir = mkdtempSync(path.join(tmpdir(), 'resnet-gone-'));
    try {
      const file = path.join(dir, 'gone.png');
      writeFileSync(file, Buffer.alloc(500_000));
      await (await run.page.$('#file')).uploadFile(file);
      assert.equal(await run(() => document.getElementById('file').files[0].size), 500_000);
      rmSync(file);
      const r = await run(async () => ({ e: await failure(c.classify(document.getElementById('file').files[0])), next: (await c.classify(scene)).predictions.length, started: workers.length }));
      assert.equal(r.e.code, 'image-decode', r.e.message);
      assert.match(r.e.message, /cannot be read|want a picture/);
      assert.deepEqual([r.next, r.started], [5, 1], 'the worker is still the first');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('headers that claim too much are refused before decoding', async () => {
    const r = await run(async () => {
      const bytes = (...parts) => new Blob(parts.map((p) => (typeof p === 'string' ? p : new Uint8Array(p))));
      const u32 = (x) => [x >> 24 & 255, x >> 16 & 255, x >> 8 & 255, x & 255];
      const size = 20000;
      const [hi, lo] = [size >> 8, size & 255];
      const sources = {
        png: bytes([0x89], 'PNG\r\n\x1a\n', u32(13), 'IHDR', u32(size), u32(size), [8, 2, 0, 0, 0, 0, 0, 0, 0]),
        gif: bytes('GIF89a', [lo, hi, lo, hi, 0, 0, 0]),
        bmp: bytes('BM', new Array(12).fill(0), [40, 0, 0, 0, lo, hi, 0, 0, lo, hi, 0, 0], new Array(30).fill(0)),
        'bmp upside down': bytes('BM', new Array(12).fill(0), [40, 0, 0, 0, lo, hi, 0, 0], [256 - lo, 255 - hi, 255, 255], new Array(30).fill(0)),
        webp: bytes('RIFF', [50, 0, 0, 0], 'WEBPVP8X', [10, 0, 0, 0, 0, 0, 0, 0, lo, hi, 0, lo, hi, 0], new Array(30).fill(0)),
        // 200 kB of profile and a fill byte before the frame header.
        jpeg: bytes([0xff, 0xd8], ...Array.from({ length: 4 }, () => [0xff, 0xe2, 0xc3, 0x50, ...new Array(0xc34e).fill(0)]), [0xff, 0xff, 0xc2, 0, 17, 8, hi, lo, hi, lo, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0], [0, 0, 0, 0]),
        'jpeg whose Exif points out of the file': bytes([0xff, 0xd8, 0xff, 0xe1, 0, 16], 'Exif', [0, 0], 'MM', [0, 42, 0x7f, 0, 0, 0], [0xff, 0xc2, 0, 17, 8, hi, lo, hi, lo, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]),
      };
      const out = {};
      for (const [name, source] of Object.entries(sources)) out[name] = await failure(c.classify(source));
      out.next = (await c.classify(scene)).predictions.length;
      return out;
    });
    assert.equal(r.next, 5);
    delete r.next;
    for (const [name, e] of Object.entries(r)) {
      assert.equal(e.code, 'image-too-large', `${name}: ${e.message}`);
      assert.match(e.message, /20000×20000|20001×20001/);
    }
  });

  test('sources whose memory somebody else has', async () => {
    const r = await run(async () => {
      const pixels = new ImageData(40, 40);
      const buffer = await scene.arrayBuffer();
      const frame = new VideoFrame(await createImageBitmap(scene), { timestamp: 0 });
      frame.close();
      structuredClone(null, { transfer: [pixels.data.buffer, buffer] });
      const out = {};
      for (const [name, source] of Object.entries({ pixels, buffer, frame })) out[name] = await failure(c.classify(source));
      return { out, next: (await c.classify(scene)).predictions.length };
    });
    for (const [name, e] of Object.entries(r.out)) assert.equal(e.code, 'image-decode', `${name}: ${e.message}`);
    assert.equal(r.next, 5);
  });

  test('a worker that is lost takes no call with it but the one it was busy with', async () => {
    const r = await run(async () => {
      const c = await make({}, 'wild');
      const codes = async (calls) => (await Promise.all(calls)).map((e) => e.code ?? e.predictions?.length);
      const ask = (options, source = scene) => failure(c.classify(source, options).then((r) => { throw Object.assign(new Error(), { code: r.predictions.length }); }));
      const out = {};
      // The second is with the worker already when the first ends it; the third comes while another starts.
      const first = ask({ topK: 102 });
      const second = ask({});
      const third = first.then(() => ask({}));
      out.trap = await codes([first, second, third]);
      // One that waits in the worker is given up; the worker does not come back to the one before it.
      const stop = new AbortController();
      const stopped = new AbortController();
      const hangs = ask({ topK: 100, signal: stop.signal });
      const ahead = ask({ signal: stopped.signal });
      const behind = ask({}, new ImageData(40, 40));
      await new Promise((done) => { setTimeout(done, 300); });
      stopped.abort();
      stop.abort();
      out.hang = await codes([hangs, ahead, behind, ask({})]);
      c.close();
      return out;
    });
    assert.deepEqual(r, { trap: ['worker-crashed', 5, 5], hang: ['aborted', 'aborted', 5, 5] });
  });

  test('addresses that give no picture', async () => {
    const r = await run(async () => Promise.all(['/t/pictures/none.png', 'http://[', 'nosuch:thing'].map((url) => failure(c.classify(url)))));
    for (const e of r) assert.equal(e.code, 'image-fetch', e.message);
    assert.match(r[0].message, /none\.png.*404/);
  });

  test('elements without a readable picture', async () => {
    const open = await w.open(`/blank/?csp=${encodeURIComponent(csp.replace("img-src 'self'", `img-src 'self' ${w.other}`).replace("connect-src 'self'", `connect-src 'self' ${w.other}`))}`);
    const r = await open.evaluate(async (other) => {
      await import('/t/page.js');
      const c = await make();
      const foreign = await image(`${other}/t/pictures/scene.png`);
      const stained = document.createElement('canvas');
      stained.getContext('2d').drawImage(foreign, 0, 0);
      const shut = await createImageBitmap(await picture('scene.png'));
      shut.close();
      const out = {
        image: await failure(c.classify(foreign)), canvas: await failure(c.classify(stained)), bitmap: await failure(c.classify(await createImageBitmap(foreign))),
        broken: await failure(c.classify(Object.assign(new Image(), { src: '/t/page.js' }))), none: await failure(c.classify(new Image())),
        address: await failure(c.classify(`${other}/private/pictures/scene.png`)), shut: await failure(c.classify(shut)), zero: await failure(c.classify(Object.assign(document.createElement('canvas'), { width: 0 }))), video: await failure(c.classify(document.createElement('video'))),
      };
      const allowed = await c.classify(await image(`${other}/t/pictures/scene.png`, 'anonymous'));
      return { out, allowed: allowed.predictions.length };
    }, w.other);
    await open.close();
    const codes = Object.fromEntries(Object.entries(r.out).map(([k, e]) => [k, e.code]));
    assert.deepEqual(codes, { image: 'image-tainted', canvas: 'image-tainted', bitmap: 'image-tainted', broken: 'image-decode', none: 'image-decode',
      address: 'image-fetch', shut: 'image-decode', zero: 'image-decode', video: 'image-decode' });
    assert.equal(r.allowed, 5);
  });

  for (const [name, code, words] of [
    ['html-model', 'model-format', /model\.msgpack.*<!doctype/], ['flipped-model', 'model-integrity', /model\.msgpack/], ['short-model', 'model-integrity', /5000/],
    ['cut-model', 'model-fetch', /model\.msgpack.*after (\d{1,3}|[1-4]\d{3}|5000) bytes/], ['no-model', 'model-fetch', /404/], ['no-manifest', 'model-fetch', /manifest\.json/],
    ['html-wasm', 'wasm-unsupported', /resnet\.wasm.*<!doctype/], ['short-wasm', 'wasm-unsupported', /SHA-256 .*resnet\.wasm, got 100000 bytes/], ['no-wasm', 'wasm-unsupported', /404/],
    ['no-worker', 'worker-crashed', /worker\.js/], ['bare', 'wasm-unsupported', /WebAssembly/],
  ]) {
    test(`createClassifier with ${name} fails with ${code}`, async () => {
      const e = await run((name) => failure(make({}, name)), name);
      assert.equal(e.code, code, e.message);
      assert.match(e.message, words);
    });
  }

  test('given models that are wrong', async () => {
    const r = await run(async () => {
      const good = new Uint8Array(await (await fetch('/small.msgpack')).arrayBuffer());
      const flipped = good.slice();
      flipped[1000] ^= 1;
      const out = {};
      for (const [name, model] of Object.entries({ empty: new ArrayBuffer(0), zeros: new ArrayBuffer(100), cut: good.slice(0, 1000), byte: good.slice(0, -1), flipped,
        page: '/blank/', missing: '/t/none', text: new TextEncoder().encode('<!DOCTYPE html><p>hello') })) out[name] = await failure(make({ model }));
      return out;
    });
    const codes = Object.fromEntries(Object.entries(r).map(([k, e]) => [k, e.code]));
    assert.deepEqual(codes, { empty: 'model-integrity', zeros: 'model-format', cut: 'model-integrity', byte: 'model-integrity', flipped: 'model-integrity',
      page: 'model-format', missing: 'model-fetch', text: 'model-format' });
  });

  test('a wrong MIME type does not matter', async () => {
    assert.equal(await run(async () => {
      const c = await make({}, 'mime-wasm');
      const r = await c.classify(scene);
      c.close();
      return r.predictions.length;
    }), 5);
  });

  test('createClassifier can be cancelled while a model stalls', async () => {
    const r = await run(async () => {
      const seen = [];
      const control = new AbortController();
      const call = failure(make({ signal: control.signal, onProgress: ({ phase, loaded, total }) => {
        if (phase === 'model') seen.push([loaded, total]);
        if (phase === 'model' && loaded > 0) control.abort();
      } }, 'slow-model'));
      return { e: await call, seen, left: workers.length };
    });
    assert.equal(r.e.code, 'aborted');
    assert.ok(r.seen.at(-1)[0] === 5000 && r.seen.at(-1)[1] > 100_000, JSON.stringify(r.seen));
  });

  test('crashes reject with their code, and the next call works', async () => {
    const r = await run(async () => {
      const c = await make({}, 'wild');
      const out = {};
      for (const [name, topK] of Object.entries({ panic: 101, trap: 102, memory: 103, stray: 104 })) {
        const call = failure(c.classify(scene, { topK }));
        const queued = c.classify(scene);
        out[name] = await call;
        out[name].next = (await queued).predictions.length;
      }
      c.close();
      return out;
    });
    for (const name of ['panic', 'trap']) assert.equal(r[name].code, 'worker-crashed', r[name].message);
    assert.equal(r.memory.code, 'out-of-memory', r.memory.message);
    assert.match(r.panic.message, /panic: /);
    assert.match(r.trap.message, /unreachable/);
    for (const [name, e] of Object.entries(r)) assert.equal(e.next, 5, name);
  });

  test('a restart that fails is told, and the next call starts again', async () => {
    const r = await run(async () => {
      const c = await make({ model: '/small.msgpack' });
      workers.at(-1).dispatchEvent(new ErrorEvent('error', { message: 'gone' }));
      const { postMessage } = Worker.prototype;
      Worker.prototype.postMessage = function (m, t) { return postMessage.call(this, m.op === 'open' ? { ...m, model: '/t/none' } : m, t); };
      const during = await failure(c.classify(scene));
      Worker.prototype.postMessage = postMessage;
      const next = await c.classify(scene);
      c.close();
      return { during, next: next.predictions.length };
    });
    assert.equal(r.during.code, 'model-fetch', r.during.message);
    assert.equal(r.next, 5);
  });

  test('close and abort end downloads, and give bitmaps back', async () => {
    const r = await run(async () => {
      const signals = [];
      const bitmaps = [];
      const { fetch, createImageBitmap } = globalThis;
      globalThis.fetch = (url, o) => {
        signals.push(o.signal);
        return fetch(url, o);
      };
      globalThis.createImageBitmap = async (...a) => {
        bitmaps.push(await createImageBitmap(...a));
        return bitmaps.at(-1);
      };
      const c = await make();
      const control = new AbortController();
      const canvas = new OffscreenCanvas(8, 8);
      canvas.getContext('2d');
      const calls = [c.classify('/stall/1'), c.classify(canvas, { signal: control.signal }), c.classify('/stall/2', { signal: control.signal }), c.classify(canvas)].map(failure);
      await new Promise((done) => { setTimeout(done, 50); });
      control.abort();
      c.close();
      const codes = (await Promise.all(calls)).map((e) => e.code);
      await new Promise((done) => { setTimeout(done, 50); });
      Object.assign(globalThis, { fetch, createImageBitmap });
      return { codes, aborted: signals.map((s) => s.aborted), widths: bitmaps.map((b) => b.width) };
    });
    assert.deepEqual(r, { codes: ['closed', 'aborted', 'aborted', 'closed'], aborted: [true, true], widths: [0, 0] });
  });

  test('a cancelled call that does not come back costs its worker', async () => {
    const r = await run(async () => {
      const before = workers.length;
      const c = await make({}, 'wild');
      const control = new AbortController();
      const call = failure(c.classify(scene, { topK: 100, signal: control.signal }));
      await new Promise((done) => { new BroadcastChannel('hangs').onmessage = done; });
      const start = performance.now();
      control.abort();
      const e = await call;
      const rejected = performance.now() - start;
      const next = await c.classify(scene);
      const waited = performance.now() - start;
      c.close();
      return { e, rejected, waited, next: next.predictions.length, started: workers.length - before };
    });
    assert.equal(r.e.code, 'aborted');
    assert.ok(r.waited > 1900, `${r.waited} ms`);
    assert.ok(r.rejected < r.waited / 2, `rejected after ${r.rejected} ms of ${r.waited}`);
    assert.deepEqual([r.next, r.started], [5, 2]);
  });

  test('a cancelled call that comes back keeps its worker', async () => {
    const r = await run(async () => {
      const before = workers.length;
      const c = await make({}, 'wild');
      const control = new AbortController();
      const call = failure(c.classify(scene, { topK: 105, signal: control.signal }));
      await new Promise((done) => { setTimeout(done, 100); });
      control.abort();
      const e = await call;
      const next = await c.classify(scene);
      c.close();
      return { code: e.code, next: next.predictions.length, started: workers.length - before };
    });
    assert.deepEqual(r, { code: 'aborted', next: 5, started: 1 });
  });

  test('garbage to the worker is ignored', async () => {
    assert.equal(await run(async () => {
      const c = await make();
      const worker = workers.at(-1);
      for (const m of [null, 1, 'x', {}, [], { id: 1 }, { id: 1, op: 'toString' }, { id: '1', op: 'classify' }, { op: 'cancel' }, { op: 'cancel', id: 1e9 }]) worker.postMessage(m);
      worker.dispatchEvent(new MessageEvent('message', { data: { id: 99, value: 1 } }));
      worker.dispatchEvent(new MessageEvent('message', { data: null }));
      const r = await c.classify(scene);
      c.close();
      return r.predictions.length;
    }), 5);
  });

  test('noise on canvas pixels is told', async () => {
    const r = await run(async () => {
      const said = [];
      const { warn } = console;
      console.warn = (s) => said.push(s);
      const c = await make({}, 'noisy');
      console.warn = warn;
      c.close();
      return { noise: c.info.noise, said };
    });
    assert.equal(r.noise, true);
    assert.equal(r.said.length, 1);
    assert.match(r.said[0], /fingerprinting/);
  });

  test('a policy without wasm-unsafe-eval is named', async () => {
    const open = await w.open();
    // The worker's own policy counts, so it comes from a host that forbids it.
    const e = await open.evaluate(async () => {
      await import('/t/page.js');
      return failure(make({}, 'strict'));
    });
    await open.close();
    assert.equal(e.code, 'wasm-unsupported');
    assert.match(e.message, /wasm-unsafe-eval/);
  });

  test('an isolated page gets threads', async () => {
    const open = await w.open('/blank/?isolated');
    const r = await open.evaluate(async () => {
      await import('/t/page.js');
      const scene = await picture('scene.png');
      const out = {};
      for (const threads of [1, 2, 3, 'auto']) {
        const c = await make({ threads });
        const r = await c.classify(scene, { topK: 10 });
        out[threads] = { threads: c.info.threads, p: r.predictions };
        c.close();
      }
      return { out, cores: navigator.hardwareConcurrency };
    });
    await open.close();
    assert.deepEqual([1, 2, 3].map((n) => r.out[n].threads), [1, 2, 3]);
    if (r.cores <= 4) assert.equal(r.out.auto.threads, r.cores);
    for (const { p } of Object.values(r.out)) assert.deepEqual(p, r.out[1].p);
  });

  test('plain http on a network', async () => {
    const open = await w.open(`${w.plain}/blank/`);
    const r = await open.evaluate(async () => {
      await import('/t/page.js');
      const c = await make();
      const r = await c.classify(await picture('scene.png'));
      const flipped = await failure(make({}, 'flipped-model'));
      return { secure: isSecureContext, n: r.predictions.length, flipped };
    });
    await open.close();
    assert.equal(r.secure, false);
    assert.equal(r.n, 5);
    assert.equal(r.flipped.code, 'model-integrity');
  });

  test('a page of another origin', async () => {
    const policy = `default-src 'none'; script-src 'self' ${w.origin} 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self' ${w.origin}`;
    for (const isolated of ['', '&isolated']) {
      const open = await w.open(`${w.other}/blank/?csp=${encodeURIComponent(policy)}${isolated}`);
      const r = await open.evaluate(async (origin) => {
        const { createClassifier } = await import(`${origin}/f/small/resnet.js`);
        const c = await createClassifier({ threads: 2 });
        const r = await c.classify(await (await fetch('/t/pictures/scene.png')).blob());
        const { threads, model } = c.info;
        c.close();
        return { n: r.predictions.length, threads, model };
      }, w.origin);
      await open.close();
      assert.deepEqual(r, { n: 5, threads: isolated ? 2 : 1, model: `${w.origin}/f/small/model.msgpack` });
    }
  });

  test('parts given by message: no request at all', async () => {
    const open = await w.open(`/blank/?csp=${encodeURIComponent("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self'")}`);
    const prepared = await open.evaluate(async () => {
      const get = async (path) => (await fetch(path)).arrayBuffer();
      const { createClassifierFrom } = await import('/resnet.js');
      globalThis.createClassifierFrom = createClassifierFrom;
      const script = new Blob([await get('/worker.js')], { type: 'text/javascript' });
      globalThis.parts = { worker: URL.createObjectURL(script), wasm: await get('/resnet.wasm'), model: await get('/small.msgpack') };
      globalThis.scene = await (await fetch('/t/pictures/scene.png')).blob();
      return true;
    });
    assert.ok(prepared);
    const before = w.requests.length;
    const n = await open.evaluate(async () => {
      const c = await createClassifierFrom(parts);
      const r = await c.classify(scene);
      return r.predictions.length;
    });
    assert.deepEqual(w.requests.slice(before), []);
    assert.equal(n, 5);
    await open.close();
  });
});
