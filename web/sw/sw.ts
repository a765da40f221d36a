// Keeps the page's own files, so that it opens without a network. The model is kept by the worker. A new build is a new
// version of this file: it is installed beside the running one and takes over when the page asks for it.

import type { Manifest, ToServiceWorker } from '../api/protocol.ts';
import { sha256 } from '../lib/hash.ts';

declare const self: ServiceWorkerGlobalScope;

const version = '__VERSION__'; // set by the build: see stamp in web/build/main.go
const scope = new URL('./', location.href).href;
const shells = `shell ${scope} `; // other folders of the origin have shells of their own
const shell = shells + version;

// Files of dist/ that are no part of the page.
const others = /\.ts$|^(embed\.json|npm\.js|offline\.html|package\.json|sw\.js)$/;

async function install() {
  const response = await fetch('manifest.json', { cache: 'no-store' });
  const manifest: Manifest = await response.clone().json();
  if (manifest.version !== version) {
    throw new Error(`want version ${version}, the server has ${manifest.version}; the next visit tries again`);
  }
  const cache = await caches.open(shell);
  await cache.put(scope + 'manifest.json', response);
  const files = Object.keys(manifest.files).filter((f) => f !== manifest.model && !others.test(f));
  await Promise.all(files.map((f) => keep(cache, f, manifest.files[f].sha256)));
}

// A file that is not what the build made, from a host in the middle of an update or a network that answers everything
// with a page, must not stay. A response that was redirected may not answer a navigation: some hosts send
// index.html to ./.
async function keep(cache: Cache, name: string, want: string) {
  const response = await fetch(scope + name, { cache: 'no-cache' });
  const bytes = await response.clone().arrayBuffer();
  const sum = await sha256(bytes);
  if (sum !== want) {
    throw new Error(`${name}: want SHA-256 ${want}, got ${response.status} and ${sum}; the next visit tries again`);
  }
  await cache.put(scope + name, response.redirected ? new Response(bytes, { headers: response.headers }) : response);
}

// It does not claim the pages that are open: in Firefox that waits for an answer from each of their workers, and a
// kernel thread that waits for work does not answer.
async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(shells) && name !== shell) await caches.delete(name);
  }
}

async function answer(request: Request) {
  const file = request.url.replace(/[?#].*/, '');
  const name = file.endsWith('/') ? file + 'index.html' : file;
  try {
    const kept = await (await caches.open(shell)).match(name);
    if (kept) return kept;
  } catch { /* storage that fails is treated as if it were empty */ }
  return fetch(request);
}

self.addEventListener('install', (e) => e.waitUntil(install()));
self.addEventListener('activate', (e) => e.waitUntil(activate()));
self.addEventListener('message', ({ data }) => {
  const message: ToServiceWorker = data;
  if (message === 'activate') self.skipWaiting();
});
self.addEventListener('fetch', (e) => {
  if (e.request.method === 'GET' && e.request.url.startsWith(scope)) e.respondWith(answer(e.request));
});
