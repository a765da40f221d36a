// Keeps the page's own files, so that it opens without a network. The model is kept by worker.js. A new build is a new
// version of this file: it is installed beside the running one and takes over when the page asks for it.

const version = '__VERSION__';
const scope = new URL('./', location).href;
const shells = `shell ${scope} `; // other folders of the origin have theirs
const shell = shells + version;

async function install() {
  const response = await fetch('manifest.json', { cache: 'no-store' });
  const manifest = await response.clone().json();
  if (manifest.version !== version) throw new Error(`want version ${version}, the server has ${manifest.version}; the next visit tries again`);
  const cache = await caches.open(shell);
  await cache.put(scope + 'manifest.json', response);
  const files = Object.keys(manifest.files).filter((f) => f !== manifest.model && f !== 'sw.js' && !/\.ts$|^(embed\.json|npm\.js|offline\.html|package\.json)$/.test(f));
  await Promise.all(files.map((f) => keep(cache, f, manifest.files[f].sha256)));
}

// A file that is not what the build made, from a host in the middle of an update or a network that answers everything with
// a page, must not stay. A response that was redirected may not answer a navigation: some hosts send index.html to ./.
async function keep(cache, name, sha256) {
  const response = await fetch(scope + name, { cache: 'no-cache' });
  const bytes = await response.clone().arrayBuffer();
  const sum = Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), (b) => b.toString(16).padStart(2, '0')).join('');
  if (sum !== sha256) throw new Error(`${name}: want SHA-256 ${sha256}, got ${response.status} and ${sum}; the next visit tries again`);
  await cache.put(scope + name, response.redirected ? new Response(bytes, { headers: response.headers }) : response);
}

// It does not claim the pages that are open: in Firefox that waits for an answer of each of their workers, and a kernel
// thread that waits for work gives none.
async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith(shells) && name !== shell) await caches.delete(name);
  }
}

async function answer(request) {
  const url = new URL(request.url);
  const name = url.pathname.endsWith('/') ? url.href.replace(/[?#].*/, '') + 'index.html' : url.href.replace(/[?#].*/, '');
  try {
    const kept = await (await caches.open(shell)).match(name);
    if (kept) return kept;
  } catch { /* storage that fails is as none */ }
  return fetch(request);
}

addEventListener('install', (e) => e.waitUntil(install()));
addEventListener('activate', (e) => e.waitUntil(activate()));
addEventListener('message', (e) => e.data === 'activate' && skipWaiting());
addEventListener('fetch', (e) => {
  if (e.request.method === 'GET' && e.request.url.startsWith(scope)) e.respondWith(answer(e.request));
});
