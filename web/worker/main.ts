// The worker behind resnet.js: it loads the Go runtime and a model, decodes pictures, and passes pixels to Go.
// One request runs at a time. Messages in: { id, op, … }, { op: 'cancel', id }, { op: 'kernel-lost' }; out: { id, value },
// { id, error }, { id, progress }, { kernels } to have so many kernel threads started, { kernel } for one of them to run,
// or { crash } when the runtime is beyond use.
'use strict';

let go; // the functions that Go has set, see wasm/main.go
let cancelled = 0; // the id of the newest cancelled request
let calls = 0;
let lost = 0; // kernel threads that could not be loaded
let lastWords = ''; // what Go has printed, for the message after a crash

class Failure extends Error {
  constructor(code, message) {
    super(`resnet: ${message}`);
    this.code = code;
  }
}

onmessage = async ({ data: m }) => {
  if (m?.op === 'cancel') cancelled = m.id;
  if (m?.op === 'kernel-lost') lost++;
  if (typeof m?.id !== 'number' || !Object.hasOwn(ops, m.op)) return;
  calls++;
  try {
    const value = await ops[m.op](m);
    postMessage({ id: m.id, value }, value.transfer ?? []);
  } catch (e) {
    const code = e.code?.length ? e.code : isOutOfMemory(e) ? 'out-of-memory' : '';
    // An error without a code is a trap or a bug: Go's state cannot be trusted after it.
    if (code) postMessage({ id: m.id, error: { code, message: e.message ?? `resnet: ${e}` } });
    else crash(e.message ? `${e.name}: ${e.message}` : String(e));
  }
};

// Firefox throws a string.
const isOutOfMemory = (e) => e === 'out of memory' || (e instanceof RangeError && /memory|allocat|array length/i.test(e.message));

const ops = {
  async open(m) {
    if (typeof WebAssembly !== 'object') throw new Failure('wasm-unsupported', 'this browser has no WebAssembly; use a current one');
    const simd = simdFor(m.simd);
    const manifest = readManifest(m.manifest);
    const loading = loadModel(m, manifest);
    loading.catch(() => {}); // looked at below, unless the runtime fails first
    const module = loadModule(m, manifest);
    module.catch(() => {});
    loadGo(m.exec);
    postMessage({}); // a sign of life: all scripts are here
    await startGo(await module);
    // While the model is on its way:
    const kernels = m.kernel && {
      start: (n) => postMessage({ kernels: n }),
      spawn: (module, memory) => postMessage({ kernel: { module, memory } }),
      lost: () => lost,
    };
    unwrap(go.prepare({ ...simd, threads: m.threads, ...kernels }));
    const noise = isNoisy() && { noise: true };
    const { name, entry, bytes, digest } = await loading;
    report(m.id, 'warmup', 0, 1);
    // Hashing runs beside Go, which looks at every length in the file anyway.
    const damage = digest?.then(() => null, (e) => e);
    const opened = await go.open(bytes, digest !== undefined, m.lang);
    const damaged = await damage;
    if (damaged) throw damaged;
    const { ids, labels, ...info } = unwrap(opened, name);
    const texts = labels.split('\0');
    const classes = ids.split('\0').map((id, index) => ({ index, id, label: texts[index] }));
    report(m.id, 'warmup', 1, 1);
    setTimeout(async () => {
      if (info.simd !== 'none') rehearse();
      if (entry && digest) await keep(name, bytes);
      bytes.buffer.transfer?.(0); // gives the memory back now; it is not used any more
    });
    return { info: { model: name, ...info, classes, bytes: bytes.length, ...noise }, module: await module, model: name && { model: name, entry } };
  },

  async classify(m) {
    const heatmap = m.heatmap === true ? -1 : m.heatmap === false ? -2 : m.heatmap;
    unwrap(go.choose(m.topK, m.threshold, m.allow, m.deny, heatmap));
    const timings = await fit(m);
    const start = performance.now();
    const r = unwrap(go.classify());
    timings.inference = performance.now() - start;
    return { ...r, timings, ...(r.heatmap && { transfer: [r.heatmap.data.buffer] }) };
  },

  async embed(m) {
    await fit(m);
    return unwrap(go.embed());
  },

  async benchmark(m) {
    return unwrap(go.benchmark(m.runs));
  },
};

// Takes a picture through all that the first one would be the first to use, so that it need not wait for compilers.
// Nothing comes between, as no step of it waits; and it does not come between a call's steps.
function rehearse() {
  if (!context || calls > 1) return;
  const picture = new OffscreenCanvas(640, 480);
  picture.getContext('2d').fillRect(0, 0, 320, 240);
  ops.classify({ picture, topK: 1, threshold: 0, allow: null, deny: null, heatmap: true }).catch((e) => crash(e.message));
}

function unwrap(r, name) {
  if (r.error) throw new Failure(r.error.code, r.error.message.replace(/^resnet: /, '') + (name ? ` (${name})` : ''));
  return r.value;
}

function crash(message, code) {
  const words = /^(?:panic|fatal error|runtime): .*$/m.exec(lastWords)?.[0];
  if (/out of memory|cannot allocate/.test(lastWords)) code = 'out-of-memory';
  postMessage({ crash: { code, message: words ?? message } });
}

// Tells the page how far a phase is, at most 25 times a second and the last of it without fail.
const phases = {};
function report(id, phase, loaded, total) {
  const p = phases[phase] ??= { time: 0 };
  const send = () => {
    p.time = performance.now();
    postMessage({ id, progress: { phase, loaded, total } });
  };
  clearTimeout(p.timer);
  const wait = p.time + 40 - performance.now();
  if (wait > 0 && loaded > 0 && loaded < total) p.timer = setTimeout(send, wait);
  else send();
}

// ---- Loading

// What validates is there, also where a policy forbids to compile.
function simdFor(wanted) {
  const fixed = WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]));
  const relaxed = WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11]));
  if ((wanted === 'fixed' && !fixed) || (wanted === 'relaxed' && !relaxed)) {
    throw new Failure('wasm-unsupported', `this browser has no ${wanted} SIMD; leave simd at 'auto'`);
  }
  return { simd: wanted, fixed, relaxed };
}

// What build.sh made: names, sizes and hashes. Without it a given model still loads.
async function readManifest(url) {
  const none = { files: {} };
  if (!url) return none;
  const { signal, end } = patience();
  try {
    return { ...none, ...await (await fetch(url, { cache: 'no-cache', signal })).json() };
  } catch {
    return none;
  } finally {
    end();
  }
}

const fileName = (url) => url.slice(url.lastIndexOf('/') + 1);

async function loadModule({ id, wasm, module }, manifest) {
  if (wasm instanceof WebAssembly.Module) return wasm;
  if (typeof wasm !== 'string') return module ?? compile(wasm);
  const size = async () => (await manifest).files[fileName(wasm)]?.bytes;
  const progress = (loaded, total) => report(id, 'runtime', loaded, total);
  if (module) {
    size().then((n = 0) => [0, n].forEach((loaded) => progress(loaded, n)));
    return module;
  }
  const { signal, alive, end } = patience();
  try {
    // The response itself, not the copy: browsers keep machine code with it for the next visit.
    const response = await fetch(wasm, { signal });
    const copy = response.clone();
    const module = WebAssembly.compileStreaming(response);
    module.catch(() => {});
    if (copy.ok) await receive(copy, alive, 0, await size() ?? 0, progress);
    return await module;
  } catch {
    // A wrong MIME type, wrong bytes, a broken connection: get over it below, or say which.
  } finally {
    end();
  }
  const bytes = await download(wasm, 'wasm-unsupported', size, progress);
  if (bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    throw new Failure('wasm-unsupported', `want WebAssembly from ${wasm}, got ${describe(bytes)}; is resnet.wasm beside resnet.js on the server?`);
  }
  return compile(bytes);
}

async function compile(bytes) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (e) {
    if (e instanceof RangeError) throw new Failure('out-of-memory', `no memory to compile the runtime: ${e.message}`);
    throw new Failure('wasm-unsupported', `the runtime does not compile: ${e.message}; if the page has a Content-Security-Policy, its script-src needs 'wasm-unsafe-eval'`);
  }
}

// Returns the model as { name, bytes }, with the manifest's entry if it has one, and with digest, a promise that fails if
// the file is not what it should be. There is no digest on plain http: Go then compares the file's own checksum.
async function loadModel(m, manifest) {
  if (m.model instanceof Blob) return own('', new Uint8Array(await m.model.arrayBuffer()));
  if (typeof m.model === 'object') return own('', new Uint8Array(m.model.buffer ?? m.model, m.model.byteOffset, m.model.byteLength));
  let { model: name, entry } = m;
  if (!entry) {
    const { files, model } = await manifest;
    name ??= model && new URL(model, m.manifest).href;
    if (!name) throw new Failure('model-fetch', `${m.manifest} names no model; is it beside resnet.js on the server? Or pass the model option`);
    const folder = /^https?:/.test(m.manifest) ? new URL('.', m.manifest).href : undefined;
    if (folder && name.startsWith(folder)) entry = files[name.slice(folder.length)];
  }
  const progress = (loaded, total) => report(m.id, 'model', loaded, total);
  // Only what the manifest vouches for is kept: another file may change behind its address.
  const kept = entry && crypto.subtle && await openCache().then((c) => c?.match(name)).then((r) => r?.arrayBuffer()).catch(() => {});
  if (kept && await sha256(kept) === entry.sha256) {
    progress(kept.byteLength, kept.byteLength);
    return { name, entry, bytes: new Uint8Array(kept), digest: Promise.resolve() };
  }
  if (kept) await openCache().then((c) => c?.delete(name)).catch(() => {}); // damaged
  const bytes = await download(name, 'model-fetch', () => entry?.bytes, progress);
  if (bytes[0] === 0x3c) {
    throw new Failure('model-format', `want a model file from ${name}, got ${describe(bytes)}; check the address`);
  }
  if (!entry) return own(name, bytes);
  if (bytes.length !== entry.bytes) {
    throw new Failure('model-integrity', `${name}: want ${entry.bytes} bytes, got ${bytes.length}; load the page again`);
  }
  const digest = crypto.subtle && sha256(bytes).then((sum) => {
    if (sum !== entry.sha256) throw new Failure('model-integrity', `${name}: want the file of the manifest, SHA-256 ${entry.sha256}, got another or a damaged one; load the page again`);
  });
  return { name, entry, bytes, digest };
}

// A model of which no manifest says more: its last 32 bytes are the SHA-256 of those before.
function own(name, bytes) {
  if (!crypto.subtle || bytes[0] !== 0xde) return { name, bytes }; // Go says what it is instead
  const end = Math.max(bytes.length - 32, 0);
  const digest = sha256(bytes.subarray(0, end)).then((sum) => {
    if (sum !== hex(bytes.subarray(end))) throw new Failure('model-integrity', `the checksum does not match: the file of ${bytes.length} bytes was cut short or altered; download the model again${name && ` (${name})`}`);
  });
  return { name, bytes, digest };
}

// Private windows, plain http and full disks have no cache: the model is then fetched each time.
async function openCache() {
  try {
    return await caches.open('resnet-web');
  } catch {
    return undefined;
  }
}

// Keeps a model for the next visit, and no other of the same folder: an update has another name.
async function keep(name, bytes) {
  const cache = await openCache();
  try {
    if (!cache) return;
    for (const { url } of await cache.keys()) { // first: there may be room for one only
      if (url !== name && new URL('.', url).href === new URL('.', name).href) await cache.delete(url);
    }
    if (!await cache.match(name)) await cache.put(name, new Response(bytes));
  } catch { /* full */ }
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

const TRIES = 4; // that bring nothing, one after another
const STALL = 30_000; // ms without a byte

// Gives a request up when alive() has not been called for so long.
function patience() {
  const stop = new AbortController();
  let timer;
  const end = () => clearTimeout(timer);
  const alive = () => {
    end();
    timer = setTimeout(() => stop.abort(new Error(`no byte came for ${STALL / 1000} s`)), STALL);
  };
  alive();
  return { signal: stop.signal, alive, end };
}

// Fetches url whole. A connection that breaks or stalls is taken up where it ended if the server can do that, or else from
// the beginning. size() is the number of bytes if that is known.
async function download(url, code, size, progress) {
  let buffer = new Uint8Array(0);
  let loaded = 0;
  let tag; // the version that the bytes so far are from
  for (let tries = 1; ; tries++) {
    const { signal, alive, end } = patience();
    const start = loaded;
    let response;
    try {
      response = await fetch(url, { signal, ...(start > 0 && { headers: { Range: `bytes=${start}-`, 'If-Range': tag } }) });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status !== 206) loaded = 0;
      else if (!response.headers.get('Content-Range')?.startsWith(`bytes ${start}-`)) { // or another site hides it
        tag = undefined;
        throw new Error('the server sent another part than was asked for');
      }
      const coded = response.headers.has('Content-Encoding'); // lengths and ranges are of compressed bytes
      tag = !coded && response.headers.get('ETag')?.match(/^"[^"]*"$/)?.[0];
      const first = loaded;
      const total = await size() ?? (coded ? 0 : first + Number(response.headers.get('Content-Length')));
      await receive(response, (piece) => {
        alive();
        if (loaded + piece.length > buffer.length) {
          const grown = new Uint8Array(Math.max(total, 2 * buffer.length, loaded + piece.length));
          grown.set(buffer.subarray(0, loaded));
          buffer = grown;
        }
        buffer.set(piece, loaded);
        loaded += piece.length;
      }, first, total, progress);
      return loaded === buffer.length ? buffer : buffer.slice(0, loaded);
    } catch (e) {
      if (isOutOfMemory(e)) throw new Failure('out-of-memory', `no memory for ${url} after ${loaded} bytes: ${e.message ?? e}; close other pages, or use a smaller model`);
      if (tag && loaded > start) tries = 0;
      const refused = response ? !response.ok && response.status !== 416 : start === 0; // another try would be no use
      if (refused || tries === TRIES) {
        throw new Failure(code, `${url}: ${(signal.reason ?? e).message} after ${loaded} bytes; check the address and the connection, then try again`);
      }
      if (!tag) loaded = 0;
    } finally {
      end();
    }
    await new Promise((resolve) => { setTimeout(resolve, 250 * tries); });
  }
}

// Reads a response to its end, piece by piece; it begins at byte loaded of total.
async function receive(response, take, loaded, total, progress) {
  progress(loaded, total);
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    take(value);
    loaded += value.length;
    progress(loaded, Math.max(loaded, total));
  }
}

function describe(bytes) {
  const head = String.fromCharCode(...bytes.subarray(0, 40)).replace(/[^ -~]+/g, '.');
  return bytes.length ? `${bytes.length} bytes that begin with "${head}"` : 'an empty file';
}

function loadGo(exec) {
  if (globalThis.Go) return;
  try {
    importScripts(exec);
  } catch (e) {
    throw new Failure('wasm-unsupported', `${exec} could not be loaded: ${e.message}`);
  }
}

async function startGo(module) {
  const write = fs.writeSync;
  fs.writeSync = (fd, bytes) => {
    lastWords = (lastWords + new TextDecoder().decode(bytes)).slice(0, 4000);
    return write(fd, bytes);
  };
  const runtime = new Go();
  runtime.run(await WebAssembly.instantiate(module, runtime.importObject)).then(() => crash('the Go program has ended'), (e) => crash(e.message));
  go = globalThis.resnet;
}

// ---- Pictures

const canvas = globalThis.OffscreenCanvas && new OffscreenCanvas(1, 1);
const context = canvas?.getContext('2d', { willReadFrequently: true });

// Decodes m.picture and passes it to Go, strip by strip; returns { decode, preprocess } in milliseconds.
async function fit({ id, picture }) {
  let mark = performance.now();
  const timings = { decode: 0, preprocess: 0 };
  const lap = (name) => {
    const now = performance.now();
    timings[name] += now - mark;
    mark = now;
  };
  const source = picture instanceof Blob ? await decode(picture) : picture;
  const frame = opaque.has(source) ? frameOf(source) : null;
  try {
    if (cancelled === id) throw new Failure('aborted', 'aborted by the caller');
    lap('decode');
    const { x, y, width, height, rows } = unwrap(go.fit(source.width, source.height));
    const buffer = frame && new Uint8Array(width * Math.min(rows, height) * 4);
    for (let top = 0; top < height; top += rows) {
      const n = Math.min(rows, height - top);
      let strip = buffer;
      if (frame) await frame.copyTo(strip = buffer.subarray(0, width * n * 4), { rect: { x, y: y + top, width, height: n } });
      else strip = source.data ? cut(source, x, y + top, width, n) : draw(source, x, y + top, width, n);
      lap('decode');
      unwrap(go.write(strip));
      lap('preprocess');
    }
    unwrap(go.finish(frame?.format.startsWith('BGR')));
    lap('preprocess');
  } finally {
    frame?.close();
    source.close?.();
  }
  return timings;
}

// The pixels of an opaque bitmap as they are, in a tenth of the time that a canvas takes: in Chromium, which alone has
// userAgentData. Firefox copies the whole frame for each rectangle of it.
function frameOf(bitmap) {
  if (!navigator.userAgentData) return null;
  try {
    const frame = new VideoFrame(bitmap, { timestamp: 0, alpha: 'discard' });
    if (/^(RGB|BGR)[AX]$/.test(frame.format) && frame.codedWidth === bitmap.width && frame.codedHeight === bitmap.height) return frame;
    frame.close();
  } catch {
    // read from a canvas
  }
  return null;
}

function draw(bitmap, x, y, width, height) {
  if (!context) throw new Failure('wasm-unsupported', 'this browser has no OffscreenCanvas to read pixels with; pass ImageData, or use a current browser');
  if (canvas.width !== width || canvas.height < height) {
    canvas.width = width;
    canvas.height = height;
    context.globalCompositeOperation = 'copy';
    context.imageSmoothingEnabled = false;
  }
  context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// ImageData goes to Go without a canvas, which would round the colours of transparent pixels.
function cut({ data, width: stride }, x, y, width, height) {
  if (width === stride) return data.subarray(y * stride * 4, (y + height) * stride * 4);
  const strip = new Uint8Array(width * height * 4);
  for (let i = 0; i < height; i++) {
    const from = ((y + i) * stride + x) * 4;
    strip.set(data.subarray(from, from + width * 4), i * width * 4);
  }
  return strip;
}

const opaque = new WeakSet(); // of bitmaps, and as they are in the file: frames do not turn them

async function read(blob, from, to) {
  try {
    return await blob.slice(from, to).arrayBuffer();
  } catch (e) {
    throw new Failure('image-decode', `the file cannot be read: ${e.message}; it may be a folder, or has moved or changed since it was chosen`);
  }
}

async function decode(blob) {
  const head = new Uint8Array(await read(blob, 0, 64));
  if (blob.size === 0) throw new Failure('image-decode', 'the picture file is empty; choose another, or copy it again');
  const size = await dimensions(blob, head);
  if (size) unwrap(go.check(size.width, size.height));
  let bitmap;
  try {
    // A JPEG without a colour profile looks the same without these options, which take Chromium twice as long.
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image', ...(!size?.plain && { colorSpaceConversion: 'none', premultiplyAlpha: 'none' }) });
  } catch (e) {
    throw new Failure('image-decode', `want a picture, got ${blob.type || 'a file'} of ${describe(head).replace(/^\d+/, blob.size)}; ${advice(head)}`);
  }
  const checked = go.check(bitmap.width, bitmap.height);
  if (checked.error) bitmap.close();
  unwrap(checked);
  if (size?.upright) opaque.add(bitmap);
  return bitmap;
}

function advice(head) {
  const text = String.fromCharCode(...head);
  if (/^....ftyp(hei|hev|mif1|msf1)/s.test(text)) return 'this browser cannot read HEIC photographs: save it as JPEG';
  if (/^....ftypavi/s.test(text)) return 'this browser cannot read this AVIF file: save it as JPEG or PNG';
  if (/<svg/i.test(text)) return 'an SVG drawing has no pixels: draw it on a canvas and pass that';
  if (/^\s*<(!doctype|html)/i.test(text)) return 'this is a web page: pass the address of the picture itself';
  return 'it is damaged or of a kind this browser does not read: use JPEG, PNG, WebP, GIF or BMP';
}

// Reads width and height from the header of a PNG, JPEG, GIF, WebP or BMP file, before anything is decoded; null for
// other kinds and for headers that make no sense, which are left to the decoder.
async function dimensions(blob, head) {
  const v = new DataView(head.buffer);
  const is = (at, text) => [...text].every((c, i) => head[at + i] === c.charCodeAt(0));
  const u24 = (at) => v.getUint16(at, true) | (head[at + 2] << 16);
  try {
    if (is(1, 'PNG')) return { width: v.getUint32(16), height: v.getUint32(20) };
    if (is(0, 'GIF8')) return { width: v.getUint16(6, true), height: v.getUint16(8, true) };
    if (is(0, 'BM')) {
      return v.getUint32(14, true) === 12
        ? { width: v.getUint16(18, true), height: v.getUint16(20, true) }
        : { width: v.getInt32(18, true), height: Math.abs(v.getInt32(22, true)) };
    }
    if (is(0, 'RIFF') && is(8, 'WEBP')) {
      if (is(12, 'VP8 ')) return { width: v.getUint16(26, true) & 0x3fff, height: v.getUint16(28, true) & 0x3fff };
      if (is(12, 'VP8L')) return { width: 1 + (v.getUint32(21, true) & 0x3fff), height: 1 + ((v.getUint32(21, true) >> 14) & 0x3fff) };
      if (is(12, 'VP8X')) return { width: 1 + u24(24), height: 1 + u24(27) };
    }
    if (head[0] === 0xff && head[1] === 0xd8) return await jpegDimensions(blob);
  } catch (e) {
    if (!(e instanceof RangeError)) throw e; // the header ends early
  }
  return null;
}

// Walks the segments of a JPEG to its frame header, which may follow megabytes of profiles and thumbnails. It is plain if
// it has no colour profile and no fourth channel, and upright if its pixels are.
async function jpegDimensions(blob) {
  const window = 1 << 17; // more than a segment
  let profile = false;
  let upright = true;
  let start = 0;
  let v = new DataView(await read(blob, 0, window));
  for (let at = 2; at + 10 <= blob.size;) {
    if (at + 10 > start + v.byteLength || (at + (1 << 16) > start + v.byteLength && start + v.byteLength < blob.size)) {
      start = at;
      v = new DataView(await read(blob, at, at + window));
    }
    const i = at - start;
    if (v.getUint8(i) !== 0xff) return null;
    const marker = v.getUint8(i + 1);
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      const height = v.getUint16(i + 5); // 0: given after the scan, left to the decoder
      return height ? { width: v.getUint16(i + 7), height, upright, plain: !profile && v.getUint8(i + 9) < 4 } : null;
    }
    if (marker === 0xe1 && v.getUint32(i + 4) === 0x45786966) upright &&= isUpright(v, i + 10); // "Exif"
    if (marker === 0xe2 && v.getUint32(i + 4) === 0x4943435f) profile = true; // "ICC_PROFILE"
    if (marker === 0xda || marker === 0xd9) return null;
    at += marker === 0xff ? 1 : marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8) ? 2 : 2 + v.getUint16(i + 2);
  }
  return null;
}

// Looks for an orientation other than 1 in the TIFF structure of an Exif segment.
function isUpright(v, at) {
  try {
    const little = v.getUint16(at) === 0x4949;
    const directory = at + v.getUint32(at + 4, little);
    for (let entry = directory + 2, n = v.getUint16(directory, little); n > 0; n--, entry += 12) {
      if (v.getUint16(entry, little) === 0x112) return v.getUint16(entry + 8, little) === 1;
    }
    return true;
  } catch {
    return false; // it points out of the file
  }
}

// Whether the browser changes pixels that are read back, as some do against fingerprinting.
function isNoisy() {
  if (!context) return false;
  const drawn = new ImageData(32, 32);
  for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (i * 2654435761) >>> 24;
  canvas.width = canvas.height = 32;
  context.putImageData(drawn, 0, 0);
  const read = context.getImageData(0, 0, 32, 32);
  canvas.width = canvas.height = 1;
  return read.data.some((x, i) => x !== drawn.data[i]);
}
