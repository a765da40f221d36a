// dist/ with the small model behind the real server, for tests that need its headers, and hosts that embed it.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dist, model as small, serve } from './harness.mjs';

export const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex');
const nameOf = (model) => `small.${hashOf(model).slice(0, 8)}.msgpack`;
export const modelName = nameOf(small);

// dist/ but for the large model and the file that holds it.
function copy(to, model) {
  const manifest = JSON.parse(readFileSync(path.join(dist, 'manifest.json')));
  for (const file of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const name = path.relative(dist, path.join(file.parentPath, file.name));
    if (!file.isFile() || name === manifest.model || /^(offline|manifest\.json)/.test(name)) continue;
    mkdirSync(path.dirname(path.join(to, name)), { recursive: true });
    copyFileSync(path.join(dist, name), path.join(to, name));
  }
  delete manifest.files[manifest.model]; // or the service worker would miss it, and not be installed
  const name = nameOf(model);
  manifest.model = name;
  manifest.files[name] = { bytes: model.length, sha256: hashOf(model) };
  const text = JSON.stringify(manifest);
  writeFileSync(path.join(to, 'manifest.json'), text);
  // The service worker has the manifest's hash.
  const script = readFileSync(path.join(to, 'sw.js'), 'utf8').replace(hashOf(readFileSync(path.join(dist, 'manifest.json'))), hashOf(text));
  writeFileSync(path.join(to, 'sw.js'), script);
  for (const name of ['sw.js.br', 'sw.js.gz', 'manifest.json.br', 'manifest.json.gz']) rmSync(path.join(to, name), { force: true });
  writeFileSync(path.join(to, name), model);
}

/**
 * Serves dist/ with the small model, or the bytes of another: { origin, asked, stop }. asked lists the paths of all
 * requests, in order. parents are the origins that may embed it; bare leaves out all headers but the media type, as a
 * static host might; moved has addresses by the paths that lead to them.
 */
export async function site({ parents = ['*'], bare = false, model = small, moved = {} } = {}) {
  const dir = mkdtempSync(path.join(tmpdir(), 'resnet-site-'));
  const folder = path.join(dir, 'dist');
  mkdirSync(folder);
  copy(folder, model);
  writeFileSync(path.join(folder, 'embed.json'), JSON.stringify({ parents }));
  rmSync(path.join(folder, 'embed.json.br'), { force: true });
  const server = spawn(serve(), ['-dir', folder, 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const upstream = await new Promise((resolve, reject) => {
    server.stdout.once('data', (text) => resolve(/http:\S+/.exec(text)[0]));
    server.on('exit', (code) => reject(new Error(`serve ended with ${code}`)));
  });
  const asked = [];
  const proxy = http.createServer((request, response) => {
    asked.push(request.url);
    if (moved[request.url]) return response.writeHead(302, { Location: moved[request.url] }).end();
    http.request(new URL(request.url, upstream), { method: request.method, headers: request.headers }, (r) => {
      const kept = ['content-type', 'content-length', 'content-encoding', 'access-control-allow-origin'];
      r.pipe(response.writeHead(r.statusCode, bare ? Object.fromEntries(kept.filter((h) => r.headers[h]).map((h) => [h, r.headers[h]])) : r.headers));
    }).on('error', () => response.destroy()).end();
  });
  await new Promise((resolve) => proxy.listen(0, 'localhost', resolve));
  return {
    origin: `http://localhost:${proxy.address().port}`,
    asked,
    stop() {
      server.removeAllListeners('exit');
      server.kill();
      proxy.closeAllConnections();
      proxy.close();
      rmSync(dir, { recursive: true });
    },
  };
}

/**
 * A web site of somebody else, on 127.0.0.1, which browsers take for another site than localhost: { origin, page, stop }.
 * page(html, headers) returns the address of a page.
 */
export async function host() {
  const pages = [];
  const server = http.createServer((request, response) => {
    const page = pages[Number(/^\/(\d+)$/.exec(request.url)?.[1])];
    if (page) response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...page.headers }).end(`<!doctype html><meta charset="utf-8">${page.html}`);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    page: (html, headers = {}) => `${origin}/${pages.push({ html, headers }) - 1}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
