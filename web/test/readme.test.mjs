// Runs every command and every snippet of README.md, with files of our own in place of the reader's; what they build goes
// into a folder of its own.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import puppeteer from 'puppeteer-core';
import { chromium } from './browsers.mjs';
import { dist, root } from './harness.mjs';

const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```(\w+)\n([^]*?)```/g)].map(([, language, text]) => ({ language, text }));
const commands = blocks.filter((b) => b.language === 'sh').flatMap((b) => b.text.trim().split('\n')).map((line) => line.replace(/\s*#.*/, ''));
const inline = [...readme.matchAll(/`(resnet (?:fetch|eval|export|summary)[^`]*)`/g)].map(([, c]) => c.replace(/\s+/g, ' '));

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'resnet-readme-'));
test.after(() => fs.rmSync(dir, { recursive: true }));
const picture = path.join(root, 'web/test/pictures/baseline.jpg');
const replaced = { 'photo.jpg': picture, 'photos/': dir, 'labels.txt': path.join(dir, 'labels.txt'), 'my.msgpack': path.join(dir, 'my.msgpack'),
  'checkpoint.pth': path.join(root, 'weights/checkpoint/testdata/basic.pth') };
const ours = (line) => line.split(' ').map((w) => replaced[w] ?? w.replace('=my.msgpack', `=${replaced['my.msgpack']}`)).join(' ');
const env = { ...process.env, OUT: path.join(dir, 'dist') };
fs.cpSync(dist, env.OUT, { recursive: true }); // a build takes from the one before it what is compressed already
const sh = (line) => execFileSync('bash', ['-c', ours(line)], { cwd: root, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });

test('README: your own model', { timeout: 600_000 }, () => {
  for (let i = 0; i < 3; i++) fs.copyFileSync(picture, path.join(dir, `${i}.jpg`));
  const count = JSON.parse(fs.readFileSync(path.join(root, 'weights/checkpoint/testdata/golden.json'))).basic.logits.length;
  fs.writeFileSync(replaced['labels.txt'], Array.from({ length: count }, (_, i) => `thing ${i}\n`).join(''));
  const [load, classify, build] = commands.filter((c) => /my\.msgpack/.test(c));
  sh(load);
  assert.equal(sh(classify).match(/thing \d/g)?.length, 3);
  sh(build);
  const { model } = JSON.parse(fs.readFileSync(path.join(env.OUT, 'manifest.json')));
  assert.match(model, /^my\./);
});

test('README: serve, and the snippet', { timeout: 600_000 }, async () => {
  assert.ok(commands.includes('./build.sh serve'));
  const server = spawn('./build.sh', ['serve', 'localhost:0'], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  let browser;
  try {
    const url = await new Promise((found, failed) => {
      let text = '';
      server.stdout.on('data', (d) => { text += d; const m = /http:\/\/localhost:\d+\S*/.exec(text); if (m) found(m[0]); });
      server.on('exit', (code) => failed(new Error(`serve ended with ${code}: ${text.slice(-500)}`)));
    });
    browser = await puppeteer.launch(chromium);
    const page = await browser.newPage();
    await page.goto(url);
    await page.setBypassCSP(true); // evaluate() makes the snippet a function, which the page's policy forbids
    await page.reload();
    const snippet = blocks.find((b) => b.language === 'js').text.replace(/import (.*) from '(.*)';/, (_, names, from) => `const ${names} = await import('${new URL(from, url)}');`);
    const said = await page.evaluate(async (code, data) => {
      const file = new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]);
      const said = [];
      const console = { log: (...words) => said.push(...words) };
      await new (Object.getPrototypeOf(async () => {}).constructor)('file', 'console', code)(file, console);
      return said;
    }, snippet, fs.readFileSync(picture).toString('base64'));
    assert.equal(said.length, 3);
    assert.equal(typeof said[0], 'string');
    assert.ok(said[1] > 0 && said[1] <= 1 && typeof said[2] === 'boolean', String(said));
  } finally {
    await browser?.close();
    try { process.kill(-server.pid); } catch { /* has ended */ }
  }
});

test('README: the other commands exist', () => {
  assert.match(sh('./build.sh help'), /build\.sh test/);
  assert.match(fs.readFileSync(path.join(root, '.ci/run'), 'utf8'), /build\.sh" test/);
  assert.ok(inline.length >= 4, inline.join());
  assert.match(sh(`go run ./weights/cmd/${inline.find((c) => /summary/.test(c))}`), /25,?557,?032/);
  for (const c of inline) assert.match(execFileSync('bash', ['-c', `go run ./weights/cmd/resnet ${c.split(' ')[1]} -h 2>&1 || true`], { cwd: root, encoding: 'utf8' }), /usage: resnet/);
});
