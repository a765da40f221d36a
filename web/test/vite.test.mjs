// The npm package in a bundler: dist/ as npm packs it, the project in vite/ built by Vite, the result in browsers.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dist, inBrowsers, made } from './harness.mjs';

const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

// A project in a folder with the packed package in its node_modules, built.
function build(dir) {
  const here = import.meta.dirname;
  mkdirSync(dir);
  const options = { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] };
  cpSync(path.join(here, 'vite'), dir, { recursive: true });
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir, dist], options));
  const home = path.join(dir, 'node_modules/resnet-web');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['xf', filename, '-C', home, '--strip-components=1'], options);
  execFileSync(process.execPath, [path.join(here, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn', '--base', './'], options);
}

let project;

inBrowsers('vite', (w) => {
  let server;
  before(async () => {
    project = made('vite', build);
    // Below a path, as pages often are; isolated under /isolated/.
    server = http.createServer((request, response) => {
      const [, root, file] = /^\/(some|isolated)\/(.*)$/.exec(request.url) ?? [];
      const name = path.join(project, 'dist', path.normalize(`/${file || 'index.html'}`));
      const headers = { 'Content-Type': types[path.extname(name)] ?? 'application/octet-stream' };
      if (root === 'isolated') Object.assign(headers, { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' });
      try {
        const body = readFileSync(name);
        response.writeHead(200, headers).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test('the built page classifies, without any set-up', async () => {
    assert.ok(readdirSync(path.join(project, 'dist/assets')).some((f) => f.endsWith('.msgpack')), 'the model is not in the build');
    for (const root of ['some', 'isolated']) {
      const page = await w.browser.newPage();
      page.setDefaultTimeout(60_000);
      const errors = [];
      page.on('pageerror', (e) => errors.push(e.message));
      await page.goto(`http://localhost:${server.address().port}/${root}/`);
      await page.waitForFunction(() => document.getElementById('label').textContent);
      const ready = await page.$eval('#label', (e) => e.textContent);
      assert.match(ready, /^ready: \d+ classes, [1-9]\d* threads$/);
      if (root === 'isolated' && await page.evaluate(() => crossOriginIsolated && navigator.hardwareConcurrency > 1)) assert.doesNotMatch(ready, / 1 threads/);
      await (await page.$('#file')).uploadFile(path.join(import.meta.dirname, 'pictures/scene.png'));
      await page.waitForFunction(() => !document.getElementById('label').textContent.startsWith('ready'));
      assert.match(await page.$eval('#label', (e) => e.textContent), /^\S.*$/);
      assert.deepEqual(errors, []);
      await page.close();
    }
  });
});
