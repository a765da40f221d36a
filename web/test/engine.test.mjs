// Runs the engine's own Go tests in a worker of a real browser: the emitted machine against the reference, byte for byte.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import puppeteer from 'puppeteer-core';
import { chromium, firefox } from './browsers.mjs';
import { browsers, dist, made, root } from './harness.mjs';

const env = { ...process.env, GOOS: 'js', GOARCH: 'wasm' };
const options = { cwd: root, env };
const program = made('engine.wasm', (file) => execFileSync('go', ['test', '-c', '-o', file, './engine'], options));
const long = Boolean(process.env.RESNET_LONG);
const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim();

const WORKER = `
importScripts('wasm_exec.js');
const relaxed = new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,123,3,2,1,0,10,15,1,13,0,65,1,253,15,65,2,253,15,253,128,2,11]);
self.hasRelaxed = WebAssembly.validate(relaxed);
self.spawnKernel = (module, memory) => postMessage({ kernel: { module, memory } });
let text = '';
globalThis.fs.writeSync = (fd, b) => { text += new TextDecoder().decode(b); return b.length; };
onmessage = async ({ data: args }) => {
  const go = new Go();
  let code = 0;
  go.argv = ['engine', ...args];
  go.exit = c => { code = c; };
  const { instance } = await WebAssembly.instantiateStreaming(fetch('engine.wasm'), go.importObject);
  await go.run(instance);
  postMessage({ code, text, hasRelaxed });
};`;
const FILES = {
  '/': ['text/html', () => '<!doctype html><title>engine</title>'],
  '/worker.js': ['text/javascript', () => WORKER],
  '/kernel.js': ['text/javascript', () => fs.readFileSync(path.join(dist, 'kernel.js'))],
  '/wasm_exec.js': ['text/javascript', () => fs.readFileSync(path.join(goroot, 'lib/wasm/wasm_exec.js'))],
  '/engine.wasm': ['application/wasm', () => fs.readFileSync(program)],
};

async function serve(headers) {
  const server = http.createServer((q, r) => {
    const file = FILES[q.url];
    if (!file) return r.writeHead(404).end();
    r.writeHead(200, { 'content-type': file[0], ...headers }).end(file[1]());
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return server;
}

const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
const BROWSERS = {
  chromium,
  'chromium without AVX-VNNI': { ...chromium, args: [...chromium.args, '--js-flags=--no-enable-avx-vnni'] },
  firefox,
};

for (const [name, launch] of Object.entries(BROWSERS).filter(([name]) => browsers.includes(name.split(' ')[0])))
  for (const [where, headers] of [['isolated', ISOLATED], ['not isolated', {}]]) {
    const usual = launch === chromium || launch === firefox;
    if (!long && !usual && headers !== ISOLATED) continue;
    const tests = long || usual ? 'Browser' : 'BrowserEquals'; // that instruction set has no part in the others
    test(`the machine equals the reference in ${name}, ${where}`, { timeout: 300_000 }, async () => {
      const server = await serve(headers);
      const browser = await puppeteer.launch(launch);
      try {
        const page = await browser.newPage();
        await page.goto(`http://127.0.0.1:${server.address().port}/`);
        const r = await page.evaluate(args => new Promise(done => {
          const w = globalThis.worker = new Worker('worker.js'); // kept: Firefox collects an idle worker that nothing refers to
          const kernels = globalThis.kernels = [];
          w.onmessage = ({ data }) => {
            if (!data.kernel) return done(data);
            const k = new Worker('kernel.js'); // by the page, as in resnet.js, which says why
            k.postMessage(data.kernel);
            kernels.push(k);
          };
          w.onerror = e => done({ code: 1, text: e.message });
          w.postMessage(args);
        }), ['-test.run', tests, '-test.v', ...(long ? [] : ['-test.short'])]);
        assert.equal(r.code, 0, r.text.split('\n').filter(l => !/^\s*(--- PASS|=== )/.test(l)).slice(0, 40).join('\n'));
        const passed = r.text.match(/--- PASS: TestBrowserEqualsReference\/(fixed|relaxed)/g).length;
        assert.ok(passed >= 40 && r.hasRelaxed, `${passed} shapes, relaxed SIMD ${r.hasRelaxed}`);
      } finally {
        await browser.close();
        server.close();
      }
    });
  }
