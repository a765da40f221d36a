// Speed of this machine: node bench.mjs [--quick] [--only=network,call,first,large,queue] [--arch=resnet18,resnet50]
//   [--runs=20] [--browser=firefox] [--js-flags=…] [--models=DIR] [--json] [--chart=FILE.svg]
//
// Measures dist/ in headless Chromium, on one thread and on two:
//   network  every depth at 224×224 and the built-in model, relaxed and fixed SIMD, beside onnxruntime-web with the same
//            weights in float32 and in int8 (resnet export -format onnx-qdq -fast) and the emitted machine on wazero; and
//            each op of ResNet-50 against the yardstick, the register tile alone with everything in the first cache
//   call     classify() on a 500×375 JPEG: decoding, preprocessing, the network and the rest
//   first    the first call after the classifier is ready beside those that follow, each in a fresh browser
//   large    classify() on a 12-megapixel JPEG less its network, beside createImageBitmap alone
//   queue    images a second of many calls: one by one, by classifyAll, and all at once
// --chart draws ResNet-50 (or the last of --arch) beside onnxruntime-web, as in README.md.
// The last four take the built-in model, ResNet-18 and ResNet-50. Times are medians with min and max; ratios are of the
// same run. ./build.sh bench builds and installs what this needs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import { chart } from './chart.mjs';
import * as pages from './pages.mjs';
import { browsers, command, dist } from './serve.mjs';

const options = Object.fromEntries(process.argv.slice(2).map((a) => a.replace(/^--/, '').split(/=(.*)/s)));
const quick = 'quick' in options;
const runs = Number(options.runs ?? 20);
const every = ['network', 'call', 'first', 'large', 'queue'];
const parts = options.only?.split(',') ?? every;
if (parts.some((part) => !every.includes(part))) throw new Error(`--only: want some of ${every}, got ${parts}`);
const depths = options.arch?.split(',') ?? (quick ? ['resnet18', 'resnet50'] : ['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152']);
const called = options.arch?.split(',') ?? ['resnet18', 'resnet50'];
const models = path.resolve(options.models ?? path.join(os.tmpdir(), 'resnet-web-bench'));
const [small, large] = ['/models/500x375.jpg', '/models/4000x3000.jpg'];

const run = (file, ...args) => execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const maker = command('./web/bench');
run(maker, 'models', models, ...(parts.includes('network') ? depths : called));

const builtIn = JSON.parse(fs.readFileSync(path.join(dist, 'manifest.json'))).model;
const files = Object.fromEntries([...depths, ...called].map((a) => [a, path.join(models, `${a}.msgpack`)]));
files['built-in'] = path.join(dist, builtIn);
const address = (name) => (name === 'built-in' ? `/dist/${builtIn}` : `/models/${name}.msgpack`);

const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json', '.jpg': 'image/jpeg' };
const folders = { ort: path.join(import.meta.dirname, 'node_modules/onnxruntime-web/dist'), models, dist };
const server = http.createServer((q, r) => {
  const [, folder, ...rest] = new URL(q.url, 'http://x').pathname.split('/');
  const file = folders[folder] && path.join(folders[folder], path.normalize('/' + rest.join('/')));
  const isolated = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  if (!file) return r.writeHead(200, { 'Content-Type': 'text/html', ...isolated }).end('<!doctype html><title>bench</title>');
  if (!fs.existsSync(file)) return r.writeHead(404).end();
  r.writeHead(200, { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream', ...isolated }).end(fs.readFileSync(file));
});
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });

const launch = { ...(options.browser === 'firefox' ? browsers.Firefox : browsers.Chromium), protocolTimeout: 600_000 };
if (options['js-flags']) launch.args = [...launch.args, `--js-flags=${options['js-flags']}`];

// Each measurement in a fresh browser, so that none inherits another's optimised code or memory.
async function measure(f, argument) {
  const browser = await puppeteer.launch(launch);
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    return await page.evaluate(f, argument);
  } finally {
    await browser.close();
  }
}

/** Median, min and max of numbers. */
function spread(numbers) {
  const v = numbers.toSorted((a, b) => a - b);
  return { median: (v[(v.length - 1) >> 1] + v[v.length >> 1]) / 2, min: v[0], max: v.at(-1) };
}

// Seconds of processor time used by the whole machine.
const cpu = () => os.cpus().reduce((sum, c) => sum + c.times.user + c.times.sys + c.times.nice, 0) / 1000;

async function idle() {
  const before = cpu();
  await new Promise((r) => { setTimeout(r, 1000); });
  return cpu() - before;
}

async function networks() {
  const rows = [];
  const resnet = command('./weights/cmd/resnet');
  for (const name of [...depths, 'built-in']) {
    const row = { name, limit: {} };
    for (const simd of ['relaxed', 'fixed']) {
      row.limit[simd] = await measure(pages.limit, simd); // beside the network: a machine's clock changes
      for (const threads of [1, 2]) row[`${simd}${threads}`] = await measure(pages.network, { model: address(name), simd, threads, runs });
    }
    const { size } = row.relaxed1;
    for (const format of ['onnx', 'onnx-qdq']) {
      const file = `${name}.${format}`;
      if (format === 'onnx-qdq') run(resnet, 'export', '-format', format, '-fast', '-o', path.join(models, file), files[name]);
      else if (name === 'built-in') run(resnet, 'export', '-format', format, '-o', path.join(models, file), files[name]); // the others are there
      for (const threads of [1, 2]) {
        const n = name === 'resnet152' ? Math.min(runs, 10) : runs;
        row[`${format}${threads}`] = spread(await measure(pages.onnxruntime, { model: `/models/${file}`, size, threads, runs: n }));
      }
    }
    row.native1 = JSON.parse(run(maker, 'native', String(Math.min(runs, 10)), files[name]));
    rows.push(row);
    console.error(`${name}: relaxed ${row.relaxed1.median.toFixed(1)} ms`);
  }
  return rows;
}

// One row for each of the networks called and each number of threads.
async function perCall(part, f) {
  const rows = [];
  for (const name of ['built-in', ...called]) {
    for (const threads of [1, 2]) {
      rows.push({ name, threads, ...await f({ model: address(name), threads }) });
      console.error(`${part}: ${name}, ${threads}`);
    }
  }
  return rows;
}

const rest = (t) => t.total - t.decode - t.preprocess - t.inference;

const measurements = {
  network: networks,
  call: () => perCall('call', async (c) => {
    const steady = (await measure(pages.calls, { ...c, picture: small, runs: runs + 10 })).slice(10);
    const of = (value) => spread(steady.map(value));
    return { total: of((t) => t.total), decode: of((t) => t.decode), preprocess: of((t) => t.preprocess), inference: of((t) => t.inference), rest: of(rest) };
  }),
  first: () => perCall('first', async (c) => {
    const first = [], steady = [];
    for (let i = 0; i < (quick ? 3 : 7); i++) {
      const times = (await measure(pages.calls, { ...c, picture: small, runs: runs + 10 })).map((t) => t.total);
      first.push(times[0]);
      steady.push(spread(times.slice(10)).median);
    }
    return { first: spread(first), steady: spread(steady), ratio: spread(first.map((t, i) => t / steady[i])) };
  }),
  large: () => perCall('large', async (c) => {
    const { calls, bitmaps } = await measure(pages.decoding, { ...c, picture: large, runs: runs + 3 });
    const call = spread(calls.slice(3).map((t) => t.total - t.inference)), bitmap = spread(bitmaps.slice(3));
    return { call, bitmap, ratio: call.median / bitmap.median };
  }),
  queue: () => perCall('queue', async (c) => {
    const rates = await measure(pages.queue, { ...c, picture: small, count: quick ? 50 : 200, rounds: 3 });
    return Object.fromEntries(Object.entries(rates).map(([way, list]) => [way, spread(list)]));
  }),
};

const load = await idle();
if (load > 0.15) console.warn(`warning: other programs use ${load.toFixed(2)} cores; times will be too long, ratios less so`);
const results = { cpu: os.cpus()[0].model.trim(), cores: os.cpus().length, load };
for (const part of parts) results[part] = await measurements[part]();
server.close();

if (options.chart) fs.writeFileSync(options.chart, chart(results));
if ('json' in options) console.log(JSON.stringify(results));
else print(results);

function print(results) {
  const cell = (t, digits = 1) => `${t.median.toFixed(digits)} (${t.min.toFixed(digits)}–${t.max.toFixed(digits)})`;
  const table = (head, rows) => console.log([head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n') + '\n');
  const size = (name) => (name === 'built-in' ? 'the built-in model' : name);
  console.log(`${results.cpu}, ${results.cores} cores. Milliseconds: median (min–max) of ${runs}.\n`);
  if (results.network) printNetworks(results.network, cell, table);
  if (results.call) {
    table(['classify() on a 500×375 JPEG', 'threads', 'whole', 'decode', 'preprocess', 'network', 'rest'], results.call.map((r) =>
      [size(r.name), r.threads, cell(r.total), cell(r.decode), cell(r.preprocess), cell(r.inference), cell(r.rest)]));
  }
  if (results.first) {
    table(['first call after ready, fresh browsers', 'threads', 'first', 'steady', 'first : steady'], results.first.map((r) =>
      [size(r.name), r.threads, cell(r.first), cell(r.steady), cell(r.ratio)]));
  }
  if (results.large) {
    table(['classify() on a 12-megapixel JPEG', 'threads', 'whole less network', 'createImageBitmap alone', 'ratio of medians'], results.large.map((r) =>
      [size(r.name), r.threads, cell(r.call), cell(r.bitmap), r.ratio.toFixed(2)]));
  }
  if (results.queue) {
    table(['images a second, 500×375 JPEG', 'threads', 'one by one', 'classifyAll', 'all calls at once'],
      results.queue.map((r) => [size(r.name), r.threads, ...[r.single, r.all, r.queue].map((rate) => cell(rate, 0))]));
  }
}

function printNetworks(networks, cell, table) {
  const speed = ({ perOp, median }) => perOp.reduce((sum, { macs }) => sum + macs, 0) / median / 1e6;
  const share = (n, simd) => `${((100 * speed(n[`${simd}1`])) / n.limit[simd]).toFixed(0)} %`;
  const ratio = (n, format) => (n.relaxed1.median / n[`${format}1`].median).toFixed(2);
  const span = (simd) => {
    const all = networks.map((n) => n.limit[simd]);
    return `${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)} GMAC/s`;
  };
  table(['network', 'relaxed, 1 thread', 'of the limit', '2 threads', 'fixed, 1', 'of the limit', '2', 'onnxruntime-web float32, 1', '2', 'int8, 1', '2', 'native, 1',
    'relaxed 1 : float32 1', 'relaxed 1 : int8 1'], networks.map((n) => [`${n.name}, ${n.relaxed1.size}²`,
    cell(n.relaxed1), share(n, 'relaxed'), cell(n.relaxed2), cell(n.fixed1), share(n, 'fixed'), cell(n.fixed2),
    cell(n.onnx1), cell(n.onnx2), cell(n['onnx-qdq1']), cell(n['onnx-qdq2']), cell(n.native1), ratio(n, 'onnx'), ratio(n, 'onnx-qdq')]));
  console.log(`Native, and onnxruntime-web on resnet152: of ${Math.min(runs, 10)}. The limit, the register tile alone with everything in the first cache, measured before each network on one thread: relaxed ${span('relaxed')}, fixed ${span('fixed')}.\n`);
  const sample = networks.find((n) => n.name === 'resnet50') ?? networks[0];
  for (const simd of ['relaxed', 'fixed']) {
    table([`${sample.name}, ${simd}, 1 thread`, 'ms', 'GMAC/s', 'of the limit'], sample[`${simd}1`].perOp.map(({ name, ms, macs }) => {
      const rate = macs / ms / 1e6;
      return [name, ms.toFixed(3), macs ? rate.toFixed(0) : '', macs ? `${((100 * rate) / sample.limit[simd]).toFixed(0)} %` : ''];
    }));
  }
}
