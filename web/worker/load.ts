// What is fetched before the first picture: the manifest, the runtime and the model, which is kept for the next visit.

import type { ErrorCode } from '../types/resnet.d.ts';
import type { FileEntry, ListedModel, Requests } from '../api/protocol.ts';
import { download, Gathered, receive } from '../lib/download.ts';
import { Failure } from '../lib/failure.ts';
import { messageOf } from '../lib/thrown.ts';
import { hex, sha256 } from '../lib/hash.ts';
import { patience, within } from '../lib/patience.ts';
import { describe } from './describe.ts';
import type { Listing, Listings } from './manifest.ts';

type Open = Requests['open'];
export type Report = (loaded: number, total: number) => void;
type Bytes = Uint8Array<ArrayBuffer>;

const CACHE_PATIENCE = 5000; // ms in which the browser's storage must answer; then the network is asked

const MOST_RUNTIME = 64 << 20; // bytes, if the manifest does not say

const fileName = (url: string) => url.slice(url.lastIndexOf('/') + 1);

/**
 * Fetches and compiles the runtime. What is not the manifest's file is fetched once more, past the HTTP cache, and then
 * the manifest, too.
 */
export async function loadModule(
  { wasm, module }: Open, listings: Listings, report: Report,
): Promise<WebAssembly.Module> {
  if (wasm instanceof WebAssembly.Module) return wasm;
  if (typeof wasm !== 'string') return module ?? compile(wasm);
  let size = 0; // as soon as that is known
  const entryOf = ({ files }: Listing) => files[fileName(wasm)];
  const entry = listings.latest.then(entryOf);
  void entry.then((e) => { size = e?.bytes ?? 0; });
  if (module) {
    entry.then((e) => [0, e?.bytes ?? 0].forEach((loaded, _, [, total]) => report(loaded, total)));
    return module;
  }
  // Told as soon as the manifest has said how much there is to come, or cannot say it.
  let isListed = false;
  let loaded = 0;
  const tell = (now: number) => {
    loaded = now;
    if (isListed) report(now, Math.max(now, size));
  };
  void entry.then(() => {
    isListed = true;
    report(0, size);
    if (loaded > 0) tell(loaded);
  });
  // What is wanted instead, if the file is not right.
  const wanted = async (bytes: Bytes, entry: FileEntry | undefined) => {
    if (bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) return 'WebAssembly';
    const want = crypto.subtle && entry?.sha256;
    return want && await sha256(bytes) !== want ? `the manifest's file, SHA-256 ${want},` : undefined;
  };
  let bytes: Bytes | undefined;
  const stop = new AbortController();
  const { signal, alive, end } = patience(stop);
  try {
    // The response itself, not the copy: browsers keep machine code with it for the next visit.
    const response = await fetch(wasm, { signal });
    const copy = response.clone();
    const compiled = WebAssembly.compileStreaming(response);
    compiled.catch(() => {});
    if (copy.ok) {
      const got = new Gathered();
      const most = () => size || MOST_RUNTIME;
      await receive(copy, alive, got, { total: () => size, most, progress: tell });
      end();
      bytes = got.bytes();
      if (bytes.length <= most() && !await wanted(bytes, await entry)) return await compiled;
      stop.abort(); // the other half of it may have no end
    }
  } catch {
    // A wrong MIME type, wrong bytes or a broken connection: what follows copes with it, or says which it was.
  } finally {
    end();
  }
  if (bytes && !await wanted(bytes, await entry)) return compile(bytes);
  bytes = await download(wasm, 'wasm-unsupported', {
    size: async () => (await entry)?.bytes, most: MOST_RUNTIME, progress: tell, cache: bytes ? 'reload' : 'default',
  });
  const want = await wanted(bytes, await entry);
  if (want && await wanted(bytes, entryOf(await listings.renewed()))) {
    throw new Failure('wasm-unsupported', `want ${want} from ${wasm}, got ${describe(bytes)}; `
      + 'is resnet.wasm of the same build as resnet.js beside it on the server?');
  }
  return compile(bytes);
}

async function compile(bytes: BufferSource) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (e) {
    const why = messageOf(e);
    if (e instanceof RangeError) throw new Failure('out-of-memory', `no memory to compile the runtime: ${why}`);
    throw new Failure('wasm-unsupported', `the runtime does not compile: ${why}; `
      + "if the page has a Content-Security-Policy, its script-src needs 'wasm-unsafe-eval'");
  }
}

export interface Model {
  /** Its address; '' for one given as bytes. */
  name: string;
  bytes: Bytes;
  /** What the manifest says of it. */
  entry?: FileEntry;
  /** Fetches it past the HTTP cache; undefined, too, if that is no use. */
  renew?: () => Promise<Model | undefined>;
  /**
   * Rejects if the file is not what it should be. On plain http it is undefined, and Go compares the file's own
   * checksum instead.
   */
  digest?: Promise<void>;
}

/** Hears which SIMD was the fastest here when a model was kept, or undefined; what comes first counts. */
export type Recall = (simd: string | undefined) => void;

/** A file that is asked for before it is known whether it is wanted. */
interface Guess {
  model: string;
  sha256: string;
  kept: Promise<Bytes | undefined>;
  bytes: Promise<Bytes>;
  stop(): void;
}

function begin({ model, entry }: ListedModel, report: Report, recall: Recall): Guess {
  const stop = new AbortController();
  const kept = fromCache(model, entry, recall);
  const bytes = kept.then((found) => found ?? download(
    model, 'model-fetch', { size: async () => entry.bytes, progress: report, signal: stop.signal }));
  bytes.catch(() => {}); // looked at if it is wanted
  return { model, sha256: entry.sha256, kept, bytes, stop: () => stop.abort() };
}

export async function loadModel(open: Open, listings: Listings, report: Report, recall: Recall): Promise<Model> {
  const { model } = open;
  if (model instanceof Blob) return own('', new Uint8Array(await model.arrayBuffer()));
  if (model instanceof ArrayBuffer) return own('', new Uint8Array(model));
  if (typeof model === 'object') return own('', new Uint8Array(model.buffer, model.byteOffset, model.byteLength));
  const guess = model === undefined && open.guess ? begin(open.guess, report, recall) : undefined;
  const loading = listings.latest.then((listing) => loadListed(model, open, listings, listing, report, recall, guess));
  loading.catch(() => guess?.stop());
  return loading;
}

async function loadListed(
  model: string | undefined, open: Open, listings: Listings, listing: Listing, report: Report,
  recall: Recall, guess?: Guess,
): Promise<Model> {
  const { name, entry } = find(model, open, listing);
  const isRight = guess?.model === name && guess.sha256 === entry?.sha256;
  if (!isRight) guess?.stop();
  // Only what the manifest vouches for is kept: another file may change behind its address.
  const kept = entry && await (isRight ? guess.kept : fromCache(name, entry, recall));
  recall(undefined); // unless it was recalled
  if (kept) {
    report(kept.length, kept.length);
    return { name, entry, bytes: kept, digest: Promise.resolve() };
  }
  // Another file may be listed by now than by the manifest in the HTTP cache.
  const relist = async () => {
    const renewed = await listings.renewed();
    if (JSON.stringify(renewed) === JSON.stringify(listing)) return undefined;
    return loadListed(model, { ...open, entry: undefined }, listings, renewed, report, recall);
  };
  const fresh = () => fetchModel(name, entry, report, 'reload', entry && listing.model ? relist : undefined);
  return fetchModel(name, entry, report, 'default', fresh, isRight ? guess.bytes : undefined);
}

// Fetches a model; renew fetches it in another way, if it is not what it should be.
async function fetchModel(
  name: string, entry: FileEntry | undefined, progress: Report, cache: RequestCache, renew: Model['renew'],
  begun?: Promise<Bytes>,
): Promise<Model> {
  const bytes = await (begun ?? download(name, 'model-fetch', { size: async () => entry?.bytes, progress, cache }));
  const failed = async (code: ErrorCode, message: string): Promise<Model> => {
    const other = await renew?.();
    if (other) return other;
    throw new Failure(code, message);
  };
  if (bytes[0] === 0x3c) { // <
    return failed('model-format', `want a model file from ${name}, got ${describe(bytes)}; check the address`);
  }
  if (!entry) return { ...own(name, bytes), renew };
  const advice = 'the server may be in the middle of an update; try again in a while';
  if (bytes.length !== entry.bytes) {
    return failed('model-integrity', `${name}: want ${entry.bytes} bytes, got ${bytes.length}; ${advice}`);
  }
  const digest = crypto.subtle && compare(bytes, entry.sha256, `${name}: want the file of the manifest, `
    + `SHA-256 ${entry.sha256}, got another or a damaged one; ${advice}`);
  return { name, entry, bytes, digest, renew };
}

// The model's address, and the manifest's entry if that vouches for it.
function find(
  name: string | undefined, open: Open, { files, model, problem }: Listing,
): { name: string; entry?: FileEntry } {
  if (name !== undefined && open.entry) return { name, entry: open.entry };
  const from = open.manifest ?? '';
  if (name === undefined && model) name = new URL(model, from).href;
  if (name === undefined) {
    throw new Failure('model-fetch', `${from} names no model${problem ? ` (${problem})` : ''}; `
      + 'is it beside resnet.js on the server? Or pass the model option');
  }
  const folder = /^https?:/.test(from) ? new URL('.', from).href : undefined;
  return { name, entry: folder && name.startsWith(folder) ? files[name.slice(folder.length)] : undefined };
}

// A model that no manifest describes: its last 32 bytes are the SHA-256 of the bytes before them.
function own(name: string, bytes: Bytes): Model {
  if (!crypto.subtle || bytes[0] !== 0xde) return { name, bytes }; // Go then says what the file is instead
  const end = Math.max(bytes.length - 32, 0);
  return { name, bytes, digest: compare(bytes.subarray(0, end), hex(bytes.subarray(end)),
    `the checksum does not match: the file of ${bytes.length} bytes was cut short or altered; download the model again`
    + (name && ` (${name})`)) };
}

function compare(bytes: Bytes, want: string, otherwise: string) {
  const same = sha256(bytes).then((sum) => {
    if (sum !== want) throw new Failure('model-integrity', otherwise);
  });
  same.catch(() => {}); // whoever opens the model looks at it, once the runtime is there, too
  return same;
}

// Private windows, plain http and full disks have no cache, and some caches never answer: the model is then fetched
// each time.
async function openCache() {
  try {
    return await within(CACHE_PATIENCE, caches.open('resnet-web'));
  } catch {
    return undefined;
  }
}

async function fromCache(name: string, { sha256: want }: FileEntry, recall: Recall) {
  if (!crypto.subtle) return undefined;
  const read = async () => {
    const cache = await openCache();
    const response = await cache?.match(name);
    recall(recalled(response));
    if (!response) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (await sha256(bytes) === want) return bytes;
    await cache?.delete(name); // the copy is damaged
    return undefined;
  };
  try {
    return await within(CACHE_PATIENCE, read());
  } catch {
    return undefined; // a cache that fails is treated as if there were none
  }
}

// What was fastest is kept with the model. It is true for the browser's version alone.
const FASTEST = 'X-Fastest';
const version = () => navigator.userAgent;

function recalled(response: Response | undefined) {
  const [simd, ...its] = response?.headers.get(FASTEST)?.split(' ') ?? [];
  return its.join(' ') === version() ? simd : undefined;
}

/**
 * Keeps a model for the next visit, and no other of the same folder: an update has another name. With it, which SIMD was
 * found to be the fastest, if that was looked at.
 */
export async function keep(name: string, bytes: Bytes, fastest: string | undefined) {
  try {
    await within(60_000, replace(name, bytes, fastest));
  } catch { /* the disk is full, or does not answer: the next visit fetches the model again */ }
}

async function replace(name: string, bytes: Bytes, fastest: string | undefined) {
  const cache = await openCache();
  if (!cache) return;
  for (const { url } of await cache.keys()) { // before put, as there may be room for only one
    if (url !== name && new URL('.', url).href === new URL('.', name).href) await cache.delete(url);
  }
  const kept = await cache.match(name);
  if (kept && (!fastest || recalled(kept) === fastest)) return;
  const headers = fastest ? { [FASTEST]: `${fastest} ${version()}` } : undefined;
  await cache.put(name, new Response(bytes, { headers }));
}
