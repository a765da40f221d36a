// What the browser tests share: servers on three origins that can also misbehave, and a page in each browser.
//
// Tests run against dist/ (OUT=folder for another), in Chromium and Firefox (BROWSERS=chromium for one). run.mjs runs
// them all; what it gives them, each file makes or starts itself if it runs alone.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import puppeteer from 'puppeteer-core';
import { chromium, firefox } from './browsers.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const dist = path.resolve(process.env.OUT ?? path.join(root, 'dist'));

const types = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', json: 'application/json', wasm: 'application/wasm',
  css: 'text/css', png: 'image/png', jpg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', bmp: 'image/bmp', svg: 'image/svg+xml', mp4: 'video/mp4' };

export const csp = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'";

/** The browsers to test. */
export const browsers = (process.env.BROWSERS ?? 'chromium,firefox').split(',');

let folder = process.env.RESNET_SHARED;

/** The path of what make(path) makes, a file or a folder: once for all that run.mjs runs, once for a file alone. */
export function made(name, make) {
  if (!folder) {
    folder = mkdtempSync(path.join(tmpdir(), 'resnet-test-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  const file = path.join(folder, name);
  if (existsSync(file)) return file;
  const next = path.join(folder, `${process.pid}-${name}`);
  make(next);
  try {
    renameSync(next, file);
  } catch (error) {
    if (!existsSync(file)) throw error; // or another process was first with a folder
  }
  return file;
}

const go = (...args) => execFileSync('go', args, { cwd: root, stdio: 'inherit' });

/** The path of the program web/serve. */
export const serve = () => made('serve', (file) => go('build', '-o', file, './web/serve'));

/** The path of a model of web/test/model. */
export const makeModel = (name, ...flags) => made(name, (file) => go('run', './web/test/model', ...flags, file));

const modelFile = makeModel('small.msgpack');
export const model = readFileSync(modelFile);

/** What the command line says about pictures of this folder with the same model, by name. */
export function commandLine(names, file = modelFile) {
  const out = execFileSync('go', ['run', './weights/cmd/resnet', 'classify', '-model', file, '-k', '10', '-json',
    ...names.map((n) => path.join(here, 'pictures', n))], { cwd: root, encoding: 'utf8' });
  return Object.fromEntries(out.trim().split('\n').map(JSON.parse).map((r) => [path.basename(r.file), r.predictions]));
}

function flipped(bytes) {
  bytes = Buffer.from(bytes);
  bytes[bytes.length >> 1] ^= 1;
  return bytes;
}

const page404 = '<!doctype html><title>Not found</title><p>This host answers everything with a page.';
const small = { 'model.msgpack': () => ({ body: model }) };

// Folders /f/NAME/ are dist/ with some files replaced by what these functions return: { body, type, status } or, to take
// over the response, { handle(response, request, headers) }. The key "worker.js+" appends to the file. The manifest of each names the small model.
export const faults = {
  small,
  'html-model': { 'model.msgpack': () => ({ body: page404, type: 'text/html' }) },
  'flipped-model': { 'model.msgpack': () => ({ body: flipped(model) }) },
  'short-model': { 'model.msgpack': () => ({ body: model.subarray(0, 5000) }) },
  'no-model': { 'model.msgpack': () => ({ body: '', status: 404 }) },
  'cut-model': { 'model.msgpack': () => ({ handle(response) {
    response.writeHead(200, { 'Content-Length': model.length });
    response.write(model.subarray(0, 5000), () => response.destroy());
  } }) },
  'slow-model': { 'model.msgpack': () => ({ handle(response) {
    response.writeHead(200);
    response.write(model.subarray(0, 5000));
  } }) },
  'no-manifest': { 'manifest.json': () => ({ body: page404, type: 'text/html' }) },
  'html-wasm': { ...small, 'resnet.wasm': () => ({ body: page404, type: 'text/html' }) },
  'mime-wasm': { ...small, 'resnet.wasm': () => ({ type: 'application/octet-stream' }) },
  'short-wasm': { ...small, 'resnet.wasm': (file) => ({ body: file.subarray(0, 100_000) }) },
  'no-wasm': { ...small, 'resnet.wasm': () => ({ body: '', status: 404 }) },
  'no-worker': { ...small, 'worker.js': () => ({ body: '', status: 404 }) },
  // Workers in which some calls go wrong, chosen by topK: their Go program is another than the worker takes it for.
  wild: { ...small, 'worker.js+': () => ({ body: `
    let program;
    Object.defineProperty(self, 'resnet', { get: () => program, set(go) {
      const asked = new Map();
      program = { ...go, picture(question) {
        const reply = go.picture(question);
        asked.set(reply.value, question.topK);
        return reply;
      }, run(picture) {
        const topK = asked.get(picture);
        if (topK === 100) {                                                // never comes back
          new BroadcastChannel('hangs').postMessage('begun');
          for (;;);
        }
        if (topK === 101) return go.write(null);                           // a panic in Go
        if (topK === 102) throw new WebAssembly.RuntimeError('unreachable');
        if (topK === 103) throw new RangeError('Array buffer allocation failed');
        if (topK === 104) setTimeout(() => { throw new Error('stray'); });
        if (topK === 105) { const end = performance.now() + 500; while (performance.now() < end); }
        return go.run(picture);
      } };
    } });` }) },
  noisy: { ...small, 'worker.js+': () => ({ body: `
    const getImageData = OffscreenCanvasRenderingContext2D.prototype.getImageData;
    OffscreenCanvasRenderingContext2D.prototype.getImageData = function (...a) { const d = getImageData.apply(this, a); d.data[0] ^= 1; return d; };` }) },
  // Workers of browsers that lack something.
  ...Object.fromEntries(['createImageBitmap', 'OffscreenCanvas', 'ImageData', 'VideoFrame', 'ImageBitmap', 'DecompressionStream'].map((name) => [
    `without-${name}`, { ...small, 'worker.js': (file) => ({ body: `self.${name} = undefined;${file}` }) }])),
  strict: { ...small, 'worker.js': (body) => ({ body, policy: csp.replace("'wasm-unsafe-eval'", '') }) },
  bare: { ...small, 'worker.js+': () => ({ body: 'delete self.WebAssembly;' }) },
};

export function manifest() {
  const m = JSON.parse(readFileSync(path.join(dist, 'manifest.json')));
  m.model = 'model.msgpack';
  m.files[m.model] = { bytes: model.length, sha256: createHash('sha256').update(model).digest('hex') };
  return { body: JSON.stringify(m) };
}

// Answers from dist/, this folder (/t/), faults, and a few addresses made up below. Everything may be used from other
// origins but what is under /private/.
function answer(request, response, requests) {
  const url = new URL(request.url, 'http://x');
  requests.push(url.pathname);
  let [, first, name, ...rest] = url.pathname.split('/');
  let file = path.join(dist, path.normalize(url.pathname));
  let reply = {};
  if (first === 'f') {
    const key = rest.join('/');
    file = path.join(dist, key);
    const fault = { 'manifest.json': manifest, ...faults[name] };
    if (fault[`${key}+`]) reply.body = Buffer.concat([readFileSync(file), Buffer.from(fault[`${key}+`]().body)]);
    else if (fault[key]) reply = fault[key](existsSync(file) ? readFileSync(file) : undefined);
  } else if (first === 't' || first === 'private') {
    file = path.join(here, name, ...rest);
  } else if (first === 'blank') {
    reply = { body: '<!doctype html><title>blank</title>', type: 'text/html' };
  } else if (first === 'stall') {
    return; // never answered
  } else if (first === 'small.msgpack') {
    reply = { body: model };
  }
  const type = reply.type ?? types[path.extname(file).slice(1)] ?? 'application/octet-stream';
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-store' };
  if (first === 'blank') headers['Content-Security-Policy'] = url.searchParams.get('csp') ?? csp;
  else headers['Content-Security-Policy'] = reply.policy ?? csp; // a worker's policy is that of its script
  if (url.searchParams.has('isolated') || first !== 'blank') {
    headers['Cross-Origin-Embedder-Policy'] = 'require-corp';
    if (url.searchParams.has('isolated')) headers['Cross-Origin-Opener-Policy'] = 'same-origin';
  }
  if (first !== 'private') {
    headers['Access-Control-Allow-Origin'] = '*';
    headers['Cross-Origin-Resource-Policy'] = 'cross-origin';
  }
  if (reply.handle) return reply.handle(response, request, headers);
  try {
    const body = reply.body ?? readFileSync(file);
    response.writeHead(reply.status ?? 200, headers).end(body);
  } catch {
    response.writeHead(404, headers).end('not found');
  }
}

async function listen() {
  const requests = [];
  const server = http.createServer((q, r) => answer(q, r, requests));
  await new Promise((resolve) => server.listen(0, resolve));
  return { server, requests, port: server.address().port };
}

const protocolTimeout = 180_000; // a busy machine may stand still for a minute

/** Starts a browser: Firefox with further preferences, Chromium with a profile. */
export async function launch(browser, { prefs, profile } = {}) {
  if (browser === 'firefox') {
    // WebDriver would keep the bodies of all responses for a client that may ask; with no room for them, puppeteer does without.
    const bodies = { 'remote.network.maxTotalDataSize': 1 };
    const camera = { 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true };
    return puppeteer.launch({ ...firefox, protocolTimeout,
      extraPrefsFirefox: { 'network.dns.localDomains': 'plain.test', ...bodies, ...camera, ...prefs } });
  }
  return puppeteer.launch({ ...chromium, userDataDir: profile, protocolTimeout,
    args: [...chromium.args, '--use-fake-device-for-media-stream=device-count=2', '--use-fake-ui-for-media-stream', '--host-resolver-rules=MAP plain.test 127.0.0.1'] });
}

// A context of its own in the browser that run.mjs has started, as a browser; or one that is started for this suite.
async function enter(name, own) {
  const address = process.env[`${name.toUpperCase()}_AT`];
  if (own || !address) return launch(name);
  const protocol = name === 'firefox' ? 'webDriverBiDi' : 'cdp';
  const browser = await puppeteer.connect({ browserWSEndpoint: address, protocol, protocolTimeout })
    .catch((e) => console.log(`The shared ${name} has died, this suite starts another: ${e.message}`));
  if (!browser) return launch(name);
  const context = await browser.createBrowserContext();
  const instead = {
    newPage: () => context.newPage(),
    async close() {
      const others = browser.browserContexts().filter((c) => c !== browser.defaultBrowserContext());
      await Promise.all(others.map((c) => c.close()));
      await browser.disconnect();
    },
  };
  return new Proxy(browser, { get(target, key) {
    const value = instead[key] ?? target[key];
    return typeof value === 'function' ? value.bind(target) : value;
  } });
}

/**
 * A function that evaluates another in a page that all its calls share: run(f, ...args). It opens the page when it is
 * first called, run.page, and evaluates prepare there; page.js is there by then.
 */
export function inPage(w, prepare = () => begin()) {
  return async function run(f, ...args) {
    if (!run.page) {
      run.page = await w.open();
      await run.page.evaluate(() => import('/t/page.js'));
      await run.page.evaluate(prepare);
    }
    return run.page.evaluate(f, ...args);
  };
}

/**
 * Declares the tests of body(w) once for each browser. In a test, w has name, browser, origin and other (two origins of
 * the same server code), plain (the first again, but not a secure context), requests, and open(path) for a page. A suite
 * that is about profiles or processes has the browser of its own(name).
 */
export function inBrowsers(title, body, { timeout = 600_000, own = () => false } = {}) {
  for (const name of browsers) {
    describe(`${title} in ${name}`, { timeout }, () => {
      const w = { name };
      let servers = [];
      before(async () => {
        if (!existsSync(path.join(dist, 'resnet.wasm'))) throw new Error(`no ${dist}/resnet.wasm; run ./build.sh first`);
        servers = await Promise.all([listen(), listen()]);
        w.origin = `http://localhost:${servers[0].port}`;
        w.other = `http://localhost:${servers[1].port}`;
        w.plain = `http://plain.test:${servers[0].port}`;
        w.requests = servers[0].requests;
        w.browser = await enter(name, own(name));
        w.open = async (address = '/blank/') => {
          const page = await w.browser.newPage();
          await page.goto(new URL(address, w.origin).href);
          return page;
        };
      });
      after(async () => {
        await w.browser?.close();
        for (const { server } of servers) {
          server.closeAllConnections();
          server.close();
        }
      });
      body(w);
    });
  }
}
