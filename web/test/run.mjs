// Runs the test files in turn in one Chromium, and beside that in one Firefox; whoever is done first runs the files that
// need neither. Then it says what each took.
//
//	node run.mjs [FILE ...]                 all files, or those named

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const here = import.meta.dirname;
const shared = mkdtempSync(path.join(tmpdir(), 'resnet-test-'));
process.on('exit', () => rmSync(shared, { recursive: true, force: true }));
process.env.RESNET_SHARED = shared; // where the files find what one of them has made
const { browsers, launch } = await import('./harness.mjs');

const given = process.argv.slice(2).map((file) => path.basename(file));
const files = given.length > 0 ? given : readdirSync(here).filter((file) => file.endsWith('.test.mjs'));
const text = (file) => readFileSync(path.join(here, file), 'utf8');
const inEach = files.filter((file) => /\binBrowsers\(|\bbrowsers\.includes\(/.test(text(file)));
const inNone = files.filter((file) => !inEach.includes(file));

const done = [];
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

// One file in a process of its own; what it says is shown when it ends, so that two do not mix.
async function run(file, browser, address) {
  const start = performance.now();
  const env = { ...process.env };
  if (browser) Object.assign(env, { BROWSERS: browser, [`${browser.toUpperCase()}_AT`]: address });
  const options = { cwd: here, env, stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', file], options);
  running.add(child);
  let said = '';
  const hear = (piece) => { said += piece; };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear);
  const code = await new Promise((resolve) => { child.on('close', resolve); });
  running.delete(child);
  const seconds = Math.round((performance.now() - start) / 1000);
  done.push({ file, browser: browser ?? '', seconds, failed: code !== 0 });
  process.stdout.write(`\n${file} ${browser ?? ''}\n${said}`);
}

const start = performance.now();
await Promise.all(browsers.map(async (name, i) => {
  const browser = await launch(name);
  process.on('exit', () => browser.process().kill());
  const address = browser.wsEndpoint();
  await browser.disconnect(); // Firefox has room for one client at a time
  // In opposite order, so that what one has made is there for the other.
  for (const file of i % 2 ? inEach.toReversed() : inEach) await run(file, name, address);
  while (inNone.length > 0) await run(inNone.shift());
  browser.process().kill();
}));

console.log(`\nSeconds, of ${Math.round((performance.now() - start) / 1000)}:`);
for (const { file, browser, seconds } of done.toSorted((a, b) => b.seconds - a.seconds)) {
  console.log(`${String(seconds).padStart(4)} ${file} ${browser}`);
}
const failed = done.filter((d) => d.failed).map((d) => `${d.file} ${d.browser}`.trim());
console.log(failed.length > 0 ? `\nFailed: ${failed.join(', ')}` : `\nAll ${done.length} passed.`);
process.exitCode = failed.length > 0 ? 1 : 0;
