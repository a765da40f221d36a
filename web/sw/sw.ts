// Keeps the page's own files, so that it opens without a network. The model is kept by the worker. A new build is a new
// version of this file: it is installed beside the running one and takes over when the page asks for it.
//
// Nothing is kept or given that is not what the build made: this file has the hash of the manifest, and the manifest
// those of all other files. What has been damaged is fetched again.

import type { Manifest, ToServiceWorker } from '../api/protocol.ts';
import { sha256 } from '../lib/hash.ts';
import { within } from '../lib/patience.ts';
import { NAME, NOTHING, SHARED, sharesOf } from '../lib/shares.ts';

declare const self: ServiceWorkerGlobalScope;

const build = '__MANIFEST__'; // SHA-256 of manifest.json, set by the build: see stamp in web/build/main.go
const scope = new URL('./', location.href).href;
const shells = `shell ${scope} `; // other folders of the origin have shells of their own
const shell = shells + build.slice(0, 12);
const manifestFile = 'manifest.json';
const shares = sharesOf(scope);
const KEPT = 3_600_000; // ms after which a share that no page has taken is thrown away
const PATIENCE = 3000; // ms in which storage must answer; then the network is asked

// Files of dist/ that are no part of the page.
const others = /\.ts$|^(embed\.json|npm\.js|offline\.html|package\.json|icons\/card\.\w+)$/;

// The worker compares this one with the manifest itself, and asks for it past all caches if it is damaged. So it can be
// compiled while it is read.
const verifiedLater = 'resnet.wasm';

async function install() {
  const cache = await caches.open(shell);
  const response = await renew(cache, manifestFile, build);
  const { model, files }: Manifest = await response.json();
  const names = Object.keys(files).filter((f) => f !== model && !others.test(f));
  await Promise.all(names.map((f) => renew(cache, f, files[f].sha256)));
}

// Fetches a file and keeps it. One that is not what the build made, from a host in the middle of an update or a network
// that answers everything with a page, must not stay; nor may it come from the HTTP cache for ever.
async function renew(cache: Cache, name: string, want: string, isStale = false): Promise<Response> {
  const response = await fetch(scope + name, { cache: isStale ? 'reload' : 'no-cache' });
  const bytes = await response.clone().arrayBuffer();
  const sum = await sha256(bytes);
  if (sum !== want) {
    if (!isStale) return renew(cache, name, want, true);
    throw new Error(`${name}: want SHA-256 ${want}, got ${response.status} and ${sum}; the next visit tries again`);
  }
  // A response that was redirected may not answer a navigation: some hosts send index.html to ./.
  const kept = response.redirected ? new Response(bytes, { headers: response.headers }) : response;
  await cache.put(scope + name, kept.clone());
  return kept;
}

// It does not claim the pages that are open: in Firefox that waits for an answer from each of their workers, and a
// kernel thread that waits for work does not answer.
async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(shells) && name !== shell) await caches.delete(name);
  }
  await forget();
}

// A file of the shell, or undefined if it is none. The page asks past all caches for what it found to be stale.
async function fromShell(name: string, isStale: boolean): Promise<Response | undefined> {
  const cache = await caches.open(shell);
  const kept = await cache.match(scope + name);
  if (!kept) return undefined;
  if (!isStale && name === verifiedLater) return kept;
  const want = name === manifestFile ? build : (await hashes(cache))[name]?.sha256;
  if (!want) return undefined;
  return !isStale && await isIntact(kept, want) ? kept : renew(cache, name, want, true);
}

async function isIntact(response: Response, want: string) {
  return await sha256(await response.clone().arrayBuffer()) === want;
}

let known: Manifest['files'] | undefined;

async function hashes(cache: Cache) {
  if (!known) {
    const kept = await cache.match(scope + manifestFile);
    const response = kept && await isIntact(kept, build) ? kept : await renew(cache, manifestFile, build, true);
    const { files }: Manifest = await response.json();
    known = files;
  }
  return known;
}

async function answer(request: Request) {
  const file = request.url.replace(/[?#].*/, '');
  const name = (file.endsWith('/') ? `${file}index.html` : file).slice(scope.length);
  try {
    const kept = await within(PATIENCE, fromShell(name, request.cache === 'reload'));
    if (kept) return kept;
  } catch { /* storage that fails, and a server that has another build, are treated as if there were no shell */ }
  return fetch(request);
}

// What another app shares comes as a form. Its files are kept until the page has taken them, which is told their id in
// its address; without an id that page says that they did not arrive. A form without files may have an address, which
// apps like to put into the text.
async function receive(request: Request): Promise<Response> {
  const open = (query: string) => Response.redirect(`${scope}?${query}`, 303);
  try {
    const form = await request.formData();
    const files = form.getAll('files').filter((f): f is File => f instanceof File && (f.name !== '' || f.size > 0));
    if (files.length > 0) return open(`${SHARED}=${await keep(files)}`);
    const text = ['url', 'text', 'title'].map((field) => form.get(field)).join(' ');
    const address = /\b(https?:|data:image\/)\S+/i.exec(text)?.[0];
    return open(address ? `url=${encodeURIComponent(address)}` : `${SHARED}=${NOTHING}`);
  } catch {
    return open(SHARED);
  }
}

// Keeps files in a cache of their own, and returns its id.
async function keep(files: File[]): Promise<string> {
  const id = `${Date.now()}-${crypto.randomUUID()}`;
  try {
    await within(PATIENCE, forget());
    const cache = await within(PATIENCE, caches.open(shares + id));
    for (const [i, file] of files.entries()) {
      await cache.put(`${scope}${i}`, new Response(file, { headers: { [NAME]: encodeURIComponent(file.name) } }));
    }
    return id;
  } catch (error) {
    await within(PATIENCE, caches.delete(shares + id));
    throw error;
  }
}

async function forget() {
  const last = Date.now() - KEPT;
  for (const name of await caches.keys()) {
    if (name.startsWith(shares) && parseInt(name.slice(shares.length), 10) < last) await caches.delete(name);
  }
}

self.addEventListener('install', (e) => e.waitUntil(install()));
self.addEventListener('activate', (e) => e.waitUntil(activate()));
self.addEventListener('message', ({ data }) => {
  const message: ToServiceWorker = data;
  if (message === 'activate') self.skipWaiting();
});
self.addEventListener('fetch', (e) => {
  const { method, url } = e.request;
  if (method === 'GET' && url.startsWith(scope)) e.respondWith(answer(e.request));
  if (method === 'POST' && url === `${scope}?${SHARED}`) e.respondWith(receive(e.request));
});
