// Speed of this machine: node bench.mjs [--quick] [--arch=resnet18,resnet50] [--runs=20] [--js-flags=…] [--json]
//
// Measures dist/ in headless Chromium: every depth at 224×224 and the built-in model, one and two threads, relaxed and
// fixed SIMD, beside onnxruntime-web (float32, the same weights) and the emitted machine on wazero; and each op of
// ResNet-50 against the yardstick, the register tile alone with everything in the first cache. Times are medians with
// min and max; ratios are to onnxruntime-web in the same run. ./build.sh bench builds and installs what this needs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const here = import.meta.dirname;
const root = path.resolve(here, '../..');
const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, '').split(/=(.*)/s)));
const quick = 'quick' in options;
const runs = Number(options.runs ?? 20);
const archs = options.arch?.split(',') ?? (quick ? ['resnet18', 'resnet50'] : ['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152']);
const models = path.resolve(options.models ?? path.join(os.tmpdir(), 'resnet-web-bench'));

const go = (...args) => execFileSync('go', ['run', './web/bench', ...args], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
go('models', models, ...archs);

const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
const folders = { ort: path.join(here, 'node_modules/onnxruntime-web/dist'), models, dist: path.join(root, 'dist') };
const server = http.createServer((q, r) => {
  const [, folder, ...rest] = new URL(q.url, 'http://x').pathname.split('/');
  const file = folders[folder] && path.join(folders[folder], path.normalize('/' + rest.join('/')));
  const isolated = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  if (!file) return r.writeHead(200, { 'Content-Type': 'text/html', ...isolated }).end('<!doctype html><title>bench</title>');
  if (!fs.existsSync(file)) return r.writeHead(404).end();
  r.writeHead(200, { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream', ...isolated }).end(fs.readFileSync(file));
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));

// In the page.

async function ours({ model, simd, threads, runs }) {
  const { createClassifier } = await import('/dist/resnet.js');
  const start = performance.now();
  const c = await createClassifier({ model, simd, threads });
  const ready = performance.now() - start;
  const r = await c.benchmark({ runs: 3 }); // warm
  const { median, min, max, perOp } = await c.benchmark({ runs });
  const info = { simd: c.info.simd, threads: c.info.threads, first: r.max, size: c.info.inputSize };
  c.close();
  return { median, min, max, perOp, ready, ...info };
}

async function onnxruntime({ model, threads, runs }) {
  const ort = await import('/ort/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = '/ort/';
  const session = await ort.InferenceSession.create(new Uint8Array(await (await fetch(model)).arrayBuffer()), { executionProviders: ['wasm'] });
  const input = new ort.Tensor('float32', new Float32Array(3 * 224 * 224).fill(0.5), [1, 3, 224, 224]);
  const times = [];
  for (let i = 0; i < runs + 3; i++) {
    const t = performance.now();
    await session.run({ input });
    if (i >= 3) times.push(performance.now() - t);
  }
  await session.release();
  times.sort((a, b) => a - b);
  return { median: (times[(times.length - 1) >> 1] + times[times.length >> 1]) / 2, min: times[0], max: times.at(-1) };
}

async function limit(simd) {
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

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
if (options['js-flags']) flags.push(`--js-flags=${options['js-flags']}`);

// Each measurement in a fresh browser, so that none inherits another's optimised code or memory.
async function measure(f, argument) {
  const browser = await puppeteer.launch(options.browser === 'firefox'
    ? { browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true }
    : { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags, protocolTimeout: 600_000 });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const busy = cpu();
    const r = await page.evaluate(f, argument);
    return typeof r === 'object' ? { ...r, cores: cpu() - busy } : r;
  } finally {
    await browser.close();
  }
}

// Seconds of processor time used by the whole machine.
const cpu = () => os.cpus().reduce((sum, c) => sum + c.times.user + c.times.sys + c.times.nice, 0) / 1000;

async function idle() {
  const before = cpu();
  await new Promise((r) => setTimeout(r, 1000));
  return cpu() - before;
}

const load = await idle();
if (load > 0.15) console.warn(`warning: other programs use ${load.toFixed(2)} cores; times will be too long, ratios less so`);

const results = { cpu: os.cpus()[0].model, cores: os.cpus().length, load, networks: [] };

const files = Object.fromEntries(archs.map((a) => [a, `/models/${a}.msgpack`]));
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'dist/manifest.json')));
files['built-in'] = `/dist/${manifest.model}`;
for (const [name, model] of Object.entries(files)) {
  const row = { name, limit: {} };
  for (const simd of ['relaxed', 'fixed']) {
    row.limit[simd] = await measure(limit, simd); // beside the network: a machine's clock changes
    for (const threads of [1, 2]) row[`${simd}${threads}`] = await measure(ours, { model, simd, threads, runs });
  }
  const onnx = `${models}/${name}.onnx`;
  if (fs.existsSync(onnx)) for (const threads of [1, 2]) row[`ort${threads}`] = await measure(onnxruntime, { model: `/models/${name}.onnx`, threads, runs: name === 'resnet152' ? Math.min(runs, 10) : runs });
  row.native1 = JSON.parse(go('native', String(Math.min(runs, 10)), model.startsWith('/dist/') ? path.join(root, model) : path.join(models, `${name}.msgpack`)));
  results.networks.push(row);
  console.error(`${name}: relaxed ${row.relaxed1.median.toFixed(1)} ms`);
}
server.close();

if ('json' in options) console.log(JSON.stringify(results));
else print(results);

function print({ networks, cpu, cores }) {
  const cell = (t) => (t ? `${t.median.toFixed(1)} (${t.min.toFixed(1)}–${t.max.toFixed(1)})` : '');
  const speed = ({ perOp, median }) => perOp.reduce((sum, { macs }) => sum + macs, 0) / median / 1e6;
  const share = (n, simd) => `${((100 * speed(n[`${simd}1`])) / n.limit[simd]).toFixed(0)} %`;
  const span = (simd) => {
    const all = networks.map((n) => n.limit[simd]);
    return `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)} GMAC/s`;
  };
  console.log(`${cpu.trim()}, ${cores} cores. Milliseconds per image: median (min–max) of ${runs}; native, and onnxruntime-web on resnet152: of ${Math.min(runs, 10)}.\n`);
  console.log('| network | relaxed, 1 thread | of the limit | 2 threads | fixed, 1 | of the limit | 2 | onnxruntime-web f32, 1 | 2 | native, 1 | relaxed 1 : onnxruntime 1 |');
  console.log('|---|---|---|---|---|---|---|---|---|---|---|');
  for (const n of networks) {
    console.log(`| ${[`${n.name}, ${n.relaxed1.size}²`, cell(n.relaxed1), share(n, 'relaxed'), cell(n.relaxed2), cell(n.fixed1), share(n, 'fixed'), cell(n.fixed2), cell(n.ort1), cell(n.ort2), cell(n.native1),
      n.ort1 ? (n.relaxed1.median / n.ort1.median).toFixed(2) : ''].join(' | ')} |`);
  }
  console.log(`\nThe limit, the register tile alone with everything in the first cache, measured before each network on one thread: relaxed ${span('relaxed')}, fixed ${span('fixed')}.\n`);
  const sample = networks.find((n) => n.name === 'resnet50') ?? networks[0];
  for (const simd of ['relaxed', 'fixed']) {
    console.log(`| ${sample.name}, ${simd}, 1 thread | ms | GMAC/s | of the limit |\n|---|---|---|---|`);
    for (const { name, ms, macs } of sample[`${simd}1`].perOp) {
      const rate = macs / ms / 1e6;
      console.log(`| ${name} | ${ms.toFixed(3)} | ${macs ? rate.toFixed(0) : ''} | ${macs ? `${((100 * rate) / sample.limit[simd]).toFixed(0)} %` : ''} |`);
    }
    console.log();
  }
}
