// What heals by itself, or is told at once: wrong files in the HTTP cache, storage that never answers, workers that end
// without an event, files of different builds. The service worker's files are damaged in page.test.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { dist, faults, inBrowsers, manifest, model } from './harness.mjs';

const forEver = 'max-age=31536000, immutable';

// What may be in the way, by file; each in a folder of its own, as browsers keep the right file for ever, too.
const damages = {
  'a flipped bit': (bytes) => {
    bytes = Buffer.from(bytes);
    bytes[bytes.length >> 1] ^= 1;
    return bytes;
  },
  'half of it': (bytes) => bytes.subarray(0, bytes.length >> 1),
  'a page': () => Buffer.from('<!doctype html><title>Please log in</title>'),
  // A custom section more: it compiles, and is another file.
  'another build': (bytes) => Buffer.concat([bytes, Buffer.from([0, 2, 1, 120])]),
};
const cases = [
  ...['a flipped bit', 'half of it', 'a page'].map((way) => ['model.msgpack', way]),
  ...['another build', 'half of it', 'a page'].map((way) => ['resnet.wasm', way]),
  ...['half of it', 'a page'].map((way) => ['manifest.json', way]),
].map(([file, way], i) => ({ file, way, folder: `cached-${i}`, asked: [] }));

// The file is wrong the first time, and to be kept for ever.
for (const { file, way, folder, asked } of cases) {
  const right = (content) => (file === 'model.msgpack' ? model : file === 'manifest.json' ? Buffer.from(manifest().body) : content);
  faults[folder] = { 'model.msgpack': () => ({ body: model }), [file]: (content) => ({ handle(response, request, headers) {
    asked.push(request.headers['cache-control'] ?? '');
    const body = right(content);
    response.writeHead(200, { ...headers, 'Cache-Control': forEver }).end(asked.length === 1 ? damages[way](body) : body);
  } }) };
}

const other = (bytes) => {
  const text = bytes.toString('latin1');
  const mine = /"([0-9a-f]{8})"/.exec(readFileSync(path.join(dist, 'resnet.js'), 'latin1'))[1];
  assert.ok(text.includes(mine), 'the build has put its protocol there');
  return Buffer.from(text.replaceAll(mine, '00000000'), 'latin1');
};
const small = { 'model.msgpack': () => ({ body: model }) };
faults['other-wasm'] = { ...small, 'manifest.json': () => ({ body: JSON.stringify({ ...JSON.parse(manifest().body), files: {}, model: 'model.msgpack' }) }), 'resnet.wasm': (file) => ({ body: other(file) }) };
faults['other-worker'] = { ...small, 'worker.js': (file) => ({ body: other(file) }) };
faults['stuck-cache'] = { ...small, 'worker.js+': () => ({ body: 'caches.open = () => new Promise(() => {});' }) };
faults['stuck-match'] = { ...small, 'worker.js+': () => ({ body: 'Cache.prototype.match = () => new Promise(() => {});' }) };
faults['no-Atomics'] = { ...small, 'worker.js+': () => ({ body: "Object.defineProperty(self, 'Atomics', { value: undefined });" }) };

// A body without an end.
const endless = (response, headers) => {
  const piece = Buffer.alloc(1 << 20, 'x');
  const more = () => response.destroyed || response.write(piece, () => setTimeout(more, 5));
  response.writeHead(200, headers);
  more();
};
for (const file of ['model.msgpack', 'resnet.wasm', 'manifest.json']) {
  faults[`endless-${file}`] = { ...small, [file]: () => ({ handle: (response, request, headers) => endless(response, headers) }) };
}

// An old manifest in the HTTP cache, which the server takes for the present one.
const stale = { 'resnet.wasm': 0, 'model.msgpack': 0 };
for (const file of Object.keys(stale)) {
  faults[`stale-${file}`] = { ...small, 'manifest.json': () => ({ handle(response, request, headers) {
    const now = JSON.parse(manifest().body);
    const old = stale[file]++ === 0;
    if (old) now.files[file] = { ...now.files[file], sha256: '0'.repeat(64) };
    if (request.headers['if-none-match']) return response.writeHead(304, headers).end();
    response.writeHead(200, { ...headers, 'Cache-Control': 'no-cache', ETag: '"made of time and size"' }).end(JSON.stringify(now));
  } }) };
}

// Answers that break once.
let broken = 0;
const once = (what) => (content) => ({ handle: (response, request, headers) => {
  const body = content ?? Buffer.from(manifest().body);
  if (broken++ > 0) return response.writeHead(request.headers.range ? 416 : 200, headers).end(request.headers.range ? '' : body);
  what(response, headers, body);
} });
const cut = (response, headers, body) => {
  response.writeHead(200, headers);
  response.write(body.subarray(0, body.length >> 1), () => setTimeout(() => response.destroy(), 100));
};
faults['cut-manifest'] = { ...small, 'manifest.json': () => once(cut)(Buffer.from(manifest().body)) };
faults['cut-at-end'] = { 'model.msgpack': () => once((response, headers) => {
  response.writeHead(200, { ...headers, ETag: '"1"' });
  response.write(model, () => setTimeout(() => response.destroy(), 200));
})(model) };
faults['busy-model'] = { 'model.msgpack': () => once((response, headers) => response.writeHead(503, headers).end())(model) };

inBrowsers('healing', (w) => {
  let page;
  before(async () => {
    page = await w.open('/blank/?isolated');
    await page.evaluate(() => import('/t/page.js'));
  });

  const load = (name, options = {}) => page.evaluate(async (name, options) => {
    let info;
    const outcome = await failure(make(options, name).then(async (c) => {
      info = { threads: c.info.threads };
      const { predictions } = await c.classify(await picture('scene.png'));
      info.count = predictions.length;
      c.close();
    }));
    return { ...outcome, ...info };
  }, name, options);

  for (const { file, way, folder, asked } of cases) {
    test(`the HTTP cache has ${way} as ${file}`, async () => {
      asked.length = 0;
      await page.reload(); // a page keeps its compiled runtime
      await page.evaluate(async () => {
        await import('/t/page.js');
        await caches.delete('resnet-web');
      });
      const r = await load(folder, { threads: 2 });
      assert.equal(r.code, 'none', r.message);
      assert.equal(r.count, 5);
      assert.equal(r.threads, 2);
      assert.equal(asked.length, 2, 'it is fetched once more');
      assert.equal(asked[1], 'no-cache', 'past the cache');
    });
  }

  const fresh = async () => {
    await page.reload(); // a page keeps its compiled runtime
    await page.evaluate(async () => {
      await import('/t/page.js');
      await caches.delete('resnet-web');
    });
  };

  for (const [file, code] of [['model.msgpack', 'model-integrity'], ['resnet.wasm', 'wasm-unsupported'], ['manifest.json', 'model-fetch']]) {
    test(`${file} without an end`, async () => {
      await fresh();
      const r = await load(`endless-${file}`);
      assert.equal(r.code, code, r.message);
    });
  }

  for (const file of Object.keys(stale)) {
    test(`an old manifest that the server takes for the present one, and a new ${file}`, async () => {
      stale[file] = 0;
      await fresh();
      const r = await load(`stale-${file}`);
      assert.equal(r.code, 'none', r.message);
      assert.equal(stale[file], 2, 'the manifest is fetched once more');
    });
  }

  for (const name of ['cut-manifest', 'cut-at-end', 'busy-model']) {
    test(`an answer that fails once: ${name}`, async () => {
      broken = 0;
      await fresh();
      const r = await load(name);
      assert.equal(r.code, 'none', r.message);
    });
  }

  test('a runtime or a worker of another build', async () => {
    await page.reload();
    await page.evaluate(() => import('/t/page.js'));
    const wasm = await load('other-wasm');
    assert.equal(wasm.code, 'wasm-unsupported', wasm.message);
    assert.match(wasm.message, /one build/);
    const worker = await load('other-worker');
    assert.equal(worker.code, 'worker-crashed', worker.message);
    assert.match(worker.message, /one build/);
  });

  test('storage that never answers', async () => {
    for (const name of ['stuck-cache', 'stuck-match']) {
      const r = await load(name);
      assert.equal(r.code, 'none', r.message);
      assert.equal(r.count, 5);
    }
  });

  test('without Atomics there is one thread', async () => {
    const r = await load('no-Atomics', { threads: 2 });
    assert.deepEqual([r.code, r.threads, r.count], ['none', 1, 5], r.message);
  });

  test('a worker that ends without an event', async () => {
    const r = await page.evaluate(async () => {
      const { Worker } = globalThis;
      const workers = [];
      globalThis.Worker = class extends Worker {
        constructor(...args) {
          super(...args);
          workers.push(this);
        }
      };
      try {
        const c = await make({ threads: 1 });
        const scene = await picture('scene.png');
        await c.classify(scene);
        const start = performance.now();
        const calls = [c.benchmark({ runs: 10_000 }), c.classify(scene), c.embed(scene)].map(failure);
        await new Promise((resolve) => { setTimeout(resolve, 300); });
        workers[0].terminate();
        const codes = (await Promise.all(calls)).map(({ code }) => code);
        const ms = performance.now() - start;
        const idle = await c.classify(scene); // by another worker
        workers.at(-1).terminate();
        await new Promise((resolve) => { setTimeout(resolve, 500); });
        const again = await c.classify(scene);
        c.close();
        return { codes, ms, counts: [idle, again].map((x) => x.predictions.length) };
      } finally {
        globalThis.Worker = Worker;
      }
    });
    assert.deepEqual(r.codes, ['worker-crashed', 'none', 'none']);
    assert.ok(r.ms < 20_000, `${r.ms} ms`);
    assert.deepEqual(r.counts, [5, 5]);
  });

  test('a worker that ends while it loads', async () => {
    const r = await page.evaluate(async () => {
      const { Worker } = globalThis;
      let last;
      globalThis.Worker = class extends Worker {
        constructor(...args) {
          super(...args);
          last = this;
          this.addEventListener('message', ({ data }) => data.op === 'lock' && this.terminate());
        }
      };
      try {
        return await failure(make({ threads: 1 }));
      } finally {
        globalThis.Worker = Worker;
      }
    });
    assert.equal(r.code, 'worker-crashed', r.message);
  });

  test('150 classifiers in a second, each given up for the next', async () => {
    const r = await page.evaluate(async () => {
      const { Worker } = globalThis;
      const alive = new Set();
      globalThis.Worker = class extends Worker {
        constructor(...args) {
          super(...args);
          alive.add(this);
        }

        terminate() {
          alive.delete(this);
          super.terminate();
        }
      };
      try {
        const codes = {};
        const ends = [];
        let control = new AbortController();
        for (let i = 0; i < 150; i++) {
          control.abort();
          control = new AbortController();
          const { signal } = control;
          const one = failure(make({ threads: 1 + (i % 3), lang: ['en', 'zh', 'fr'][i % 3], model: i % 2 ? '/small.msgpack' : undefined, signal }).then((c) => { globalThis.last = c; }));
          ends.push(one.then(({ code }) => { codes[code] = (codes[code] ?? 0) + 1; }));
          await new Promise((resolve) => { setTimeout(resolve, 6); });
        }
        await Promise.all(ends);
        const { predictions } = await last.classify(await picture('scene.png'));
        const count = alive.size;
        last.close();
        return { codes, count, threads: last.info.threads, answers: predictions.length, left: alive.size };
      } finally {
        globalThis.Worker = Worker;
      }
    });
    assert.equal(r.codes.none + r.codes.aborted, 150, JSON.stringify(r));
    assert.equal(r.codes.none, 1, JSON.stringify(r));
    assert.deepEqual([r.answers, r.count, r.left], [5, r.threads, 0]);
  });
});
