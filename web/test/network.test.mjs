// A bad network while everything loads: connections that break, stall or crawl, and files that are not what they should
// be. What can be taken up again is; all else fails with its code, and the next try, on a good network, works. Each way
// is tried with each part that takes it differently; with RESNET_LONG every way with every file.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import { faults, inBrowsers, manifest, model } from './harness.mjs';

const long = Boolean(process.env.RESNET_LONG);
let bad = {}; // the file that suffers, and how
let log = []; // its requests
const tag = `"${createHash('sha256').update(model).digest('hex').slice(0, 16)}"`;

function sendHalf(response, headers, body, then) {
  response.writeHead(200, { ...headers, 'Content-Length': body.length });
  response.write(body.subarray(0, body.length >> 1), () => setTimeout(then, 100));
}

function inPieces(response, headers, body, pieces, wait) {
  response.writeHead(200, { ...headers, 'Content-Length': body.length });
  const piece = Math.ceil(body.length / pieces);
  const next = (at) => {
    if (at >= body.length) return response.end();
    response.write(body.subarray(at, at + piece), () => setTimeout(next, wait, at + piece));
  };
  next(0);
}

// What a server may do with a file: a function of the response to a request for body.
const ways = {
  breaks: (response, request, headers, body) => sendHalf(response, headers, body, () => {
    setTimeout(() => response.destroy(), 50); // else the browser may drop what has come, and start over
  }),
  stalls: (response, request, headers, body) => sendHalf(response, headers, body, () => {}),
  crawls: (response, request, headers, body) => inPieces(response, headers, body, 8, 50),
  // Longer than the patience with a connection on which nothing comes.
  'takes long': (response, request, headers, body) => inPieces(response, headers, body, 12, 300),
  short: (response, request, headers, body) => response.writeHead(200, headers).end(body.subarray(0, body.length >> 1)),
  long: (response, request, headers, body) => response.writeHead(200, headers).end(Buffer.concat([body, Buffer.alloc(100, '}')])),
  wrong(response, request, headers, body) {
    const damaged = Buffer.from(body);
    damaged[8] ^= 0x7f;
    if (bad.file === 'model.msgpack') damaged[body.length >> 1] ^= 1;
    if (/js(on)?$/.test(bad.file)) damaged.fill('%', 0, 20);
    response.writeHead(200, headers).end(damaged);
  },
  // A server that knows versions and ranges breaks off once; others know less.
  resumes: (...args) => once(...args, ({ headers: { range, 'if-range': version } }) => version === tag && /^bytes=\d+-$/.test(range)),
  'sends another part'(response, request, headers, body) {
    if (log.length !== 2) return once(response, request, headers, body, () => false);
    response.writeHead(206, { ...headers, ETag: tag, 'Content-Range': `bytes 0-99/${body.length}` }).end(body.subarray(0, 100));
  },
  'starts over': (...args) => once(...args, () => false),
};

function once(response, request, headers, body, knows) {
  if (log.length === 1) return ways.breaks(response, request, { ...headers, ETag: tag, 'Accept-Ranges': 'bytes' }, body);
  if (!knows(request)) return response.writeHead(200, headers).end(body);
  const from = Number(/\d+/.exec(request.headers.range)[0]);
  return response.writeHead(206, { ...headers, ETag: tag, 'Content-Range': `bytes ${from}-${body.length - 1}/${body.length}` }).end(body.subarray(from));
}

// Makes the timers of long ms short: all of them, or the first few.
function hurry(long, short, count = Infinity) {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (act, ms, ...rest) => setTimeout(act, ms === long && count-- > 0 ? short : ms, ...rest);
}

const files = ['resnet.wasm', 'model.msgpack', 'manifest.json', 'worker.js', 'kernel.js'];

const pauses = [[250, 10], [500, 10], [750, 10]]; // between tries

// So that nobody waits for long, and only where waiting is what is tested: a slow machine takes long over the rest.
const hurried = {
  // The patience with a connection on which nothing comes, and the pauses.
  'worker.js': () => ({
    stalls: [[30_000, 1000], ...pauses],
    breaks: pauses,
    'takes long': [[30_000, 3000]],
  })[bad.way],
  // The patience with a worker that does not start, for the one that cannot.
  'resnet.js': () => (bad.file === 'worker.js' && bad.way === 'stalls' && !bad.patient
    ? [[60_000, 1000, 1]] : undefined),
};

faults.network = Object.fromEntries([...files, 'resnet.js'].map((file) => [file, (content) => {
  const scripts = (hurried[file]?.() ?? []).map((numbers) => `(${hurry})(${numbers});`);
  const body = file === 'manifest.json' ? Buffer.from(manifest().body) : file === 'model.msgpack' ? model
    : Buffer.concat([Buffer.from(scripts.join('')), content]);
  if (![bad.file].flat().includes(file)) return { body };
  return { handle(response, request, headers) {
    log.push(request.headers);
    ways[bad.way](response, request, headers, body);
  } };
}]));

// The code of each file and way that does not end well.
const codes = {
  'resnet.wasm': { breaks: 'wasm-unsupported', stalls: 'wasm-unsupported', short: 'wasm-unsupported', long: 'wasm-unsupported', wrong: 'wasm-unsupported' },
  'model.msgpack': { breaks: 'model-fetch', stalls: 'model-fetch', short: 'model-integrity', long: 'model-integrity', wrong: 'model-integrity' },
  'manifest.json': { breaks: 'model-fetch', stalls: 'model-fetch', short: 'model-fetch', long: 'model-fetch', wrong: 'model-fetch' },
  'worker.js': { breaks: 'worker-crashed', stalls: 'worker-crashed', short: 'worker-crashed', long: 'worker-crashed', wrong: 'worker-crashed' },
  'kernel.js': {}, // then there is a thread less
};

// What is fetched by a way of its own each, and how that can end: a script that is short or long is one that is wrong.
const usual = {
  'resnet.wasm': ['breaks', 'stalls', 'crawls', 'short', 'long'],
  'model.msgpack': ['breaks', 'stalls', 'crawls', 'short', 'long', 'wrong'],
  'manifest.json': ['breaks', 'stalls', 'wrong'],
  'worker.js': ['stalls', 'crawls', 'wrong'],
  'kernel.js': ['stalls', 'wrong'],
};

const waits = 'the next request for a script waits for a stalled one, for 20 s';

inBrowsers('a bad network', (w) => {
  let page;
  let isWorn = false;
  before(async () => { page = await w.open('/blank/?isolated'); });

  // Tries to load with one file in trouble, and then without.
  async function run(file, way, options = {}) {
    // A page keeps its compiled runtime, which takes seconds to compile, and its resnet.js. Only where the runtime is what
    // suffers, or a script stalls, for which resnet.js is another, is it loaded again.
    const wears = [file].flat().includes('resnet.wasm') || way === 'stalls' && file.endsWith('.js');
    if (wears || isWorn) await page.reload();
    isWorn = wears;
    await page.evaluate(() => import('/t/page.js'));
    bad = { file, way, patient: 'abort' in options };
    log = [];
    const r = await page.evaluate(async ({ abort }) => {
      await caches.delete('resnet-web');
      const signal = abort ? AbortSignal.timeout(abort) : undefined;
      let threads;
      const loading = make({ threads: 2, signal }, 'network').then(async (c) => {
        threads = c.info.threads;
        const { predictions } = await c.classify(await picture('scene.png'));
        c.close();
        if (predictions.length !== 5) throw new Error('a wrong answer');
      });
      return { ...await failure(loading), threads };
    }, options);
    bad = {};
    r.next = await page.evaluate(async () => {
      const c = await make({ threads: 1 }, 'network');
      const { predictions } = await c.classify(await picture('scene.png'));
      c.close();
      return predictions.length;
    });
    assert.equal(r.next, 5, 'the next try');
    return r;
  }

  for (const file of files) {
    for (const way of long ? ['breaks', 'stalls', 'crawls', 'short', 'long', 'wrong'] : usual[file]) {
      test(`${file} ${way}`, async (t) => {
        if (way === 'stalls' && file === 'worker.js' && w.name === 'firefox') return t.skip(waits);
        const r = await run(file, way);
        assert.equal(r.code, codes[file][way] ?? 'none', r.message);
        if (r.code !== 'none' && r.code !== 'worker-crashed') assert.match(r.message, new RegExp(file.replace('.', '\\.') + (file === 'resnet.wasm' ? '|compile' : '')));
        assert.ok(log.length <= 10, `${log.length} requests`);
      });
    }
    if (!long && file === 'kernel.js') continue;
    test(`${file} stalls, and the caller gives up`, async (t) => {
      if (w.name === 'firefox' && file === 'worker.js' && !long) return t.skip(waits);
      const r = await run(file, 'stalls', { abort: 400 });
      if (file !== 'kernel.js') assert.equal(r.code, 'aborted', r.message);
    });
  }

  for (const slow of [['manifest.json'], ['resnet.wasm', 'model.msgpack']]) {
    test(`${slow.join(' and ')} may take longer than a stalled connection`, async () => {
      const r = await run(slow, 'takes long');
      assert.equal(r.code, 'none', r.message);
      assert.equal(log.length, slow.length, 'each is asked for once');
    });
  }

  test('a model that breaks off is taken up where it ended', async () => {
    const r = await run('model.msgpack', 'resumes');
    assert.equal(r.code, 'none', r.message);
    assert.equal(log.length, 2);
    const from = Number(/^bytes=(\d+)-$/.exec(log[1].range)?.[1]);
    assert.ok(from > 0 && from <= model.length >> 1, log[1].range);
    assert.equal(log[1]['if-range'], tag);
  });

  test('another part than was asked for does not end up in the model', async () => {
    const r = await run('model.msgpack', 'sends another part');
    assert.equal(r.code, 'none', r.message);
    assert.equal(log.length, 3);
    assert.equal(log[2].range, undefined);
  });

  for (const file of ['model.msgpack', 'resnet.wasm']) {
    test(`${file} breaks off once, on a server that only gives whole files`, async () => {
      const r = await run(file, 'starts over');
      assert.equal(r.code, 'none', r.message);
      assert.equal(log.length, 2);
    });
  }

  test('a damaged copy in the cache is replaced', async () => {
    bad = { file: 'model.msgpack', way: 'crawls' }; // to see its requests
    log = [];
    const sizes = await page.evaluate(async () => {
      const name = new URL('/f/network/model.msgpack', location).href;
      const cache = await caches.open('resnet-web');
      await cache.put(name, new Response('not what it was'));
      const sizes = [];
      for (let i = 0; i < 2; i++) {
        const c = await make({}, 'network');
        let size = 0;
        for (let tries = 0; tries < 300 && size < 1000; tries++) {
          await new Promise((r) => setTimeout(r, 100)); // it is put away after the classifier is ready
          size = (await (await cache.match(name))?.arrayBuffer())?.byteLength ?? 0;
        }
        sizes.push(size);
        c.close();
      }
      return sizes;
    });
    assert.deepEqual(sizes, [model.length, model.length]);
    assert.equal(log.length, 1, 'the second time it comes from the cache');
    bad = {};
  });
});
