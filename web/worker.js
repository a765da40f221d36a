// The worker behind resnet.js: it loads the Go runtime and a model, decodes pictures, and passes pixels to Go.
// One request runs at a time. Messages in: { id, op, … }, { op: 'cancel', id }; out: { id, value }, { id, error },
// { id, progress }, { kernel } to have a kernel thread started, or { crash } when the runtime is beyond use.
'use strict';

let go; // the functions that Go has set, see wasm/main.go
let cancelled = 0; // the id of the newest cancelled request
let lastWords = ''; // what Go has printed, for the message after a crash

class Failure extends Error {
  constructor(code, message) {
    super(`resnet: ${message}`);
    this.code = code;
  }
}

onmessage = async ({ data: m }) => {
  if (m?.op === 'cancel') cancelled = m.id;
  if (typeof m?.id !== 'number' || !Object.hasOwn(ops, m.op)) return;
  try {
    const value = await ops[m.op](m);
    postMessage({ id: m.id, value }, value.transfer ?? []);
  } catch (e) {
    const code = e.code?.length ? e.code : /memory|allocat/i.test(e.message) && e instanceof RangeError ? 'out-of-memory' : '';
    // An error without a code is a trap or a bug: Go's state cannot be trusted after it.
    if (code) postMessage({ id: m.id, error: { code, message: e.message } });
    else crash(`${e.name}: ${e.message}`);
  }
};

const ops = {
  async open(m) {
    if (typeof WebAssembly !== 'object') throw new Failure('wasm-unsupported', 'this browser has no WebAssembly; use a current one');
    const simd = simdFor(m.simd);
    const manifest = readManifest(m.manifest);
    const loading = loadModel(m, manifest);
    loading.catch(() => {}); // looked at below, unless the runtime fails first
    const module = await loadModule(m, manifest);
    await startGo(m.exec, module);
    const spawn = m.kernel && ((module, memory) => postMessage({ kernel: { module, memory } }));
    unwrap(go.prepare({ ...simd, threads: m.threads, spawn })); // while the model is on its way
    const model = await loading;
    report(m.id, 'warmup', 0, 1);
    const { name, blob, verified = false } = model;
    const info = unwrap(await go.open(new Uint8Array(model.bytes), verified, m.lang), name);
    report(m.id, 'warmup', 1, 1);
    if (model.keep) setTimeout(model.keep);
    return { info: { model: name, ...info, bytes: model.bytes.byteLength, ...(isNoisy() && { noise: true }) }, module, model: blob && { model: blob, name, verified } };
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
  try {
    return { ...none, ...await (await fetch(url, { cache: 'no-cache' })).json() };
  } catch {
    return none;
  }
}

const fileName = (url) => url.slice(url.lastIndexOf('/') + 1);

async function loadModule({ id, wasm }, manifest) {
  if (wasm instanceof WebAssembly.Module) return wasm;
  if (typeof wasm !== 'string') return compile(wasm);
  let streamed;
  const bytes = await download(wasm, 'wasm-unsupported', async (response) => {
    if (WebAssembly.compileStreaming) {
      streamed = WebAssembly.compileStreaming(response.clone());
      streamed.catch(() => {}); // a wrong MIME type or wrong bytes: looked at below
    }
    return [response, (await manifest).files[fileName(wasm)]?.bytes];
  }, (loaded, total) => report(id, 'runtime', loaded, total));
  if (bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    throw new Failure('wasm-unsupported', `want WebAssembly from ${wasm}, got ${describe(bytes)}; is resnet.wasm beside resnet.js on the server?`);
  }
  return streamed?.catch(() => compile(bytes)) ?? compile(bytes);
}

async function compile(bytes) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (e) {
    if (e instanceof RangeError) throw new Failure('out-of-memory', `no memory to compile the runtime: ${e.message}`);
    throw new Failure('wasm-unsupported', `the runtime does not compile: ${e.message}; if the page has a Content-Security-Policy, its script-src needs 'wasm-unsafe-eval'`);
  }
}

// Returns the model as { name, blob, bytes }, with verified if its own checksum was compared, and keep() to store it for
// the next visit.
async function loadModel(m, manifest) {
  if (m.model instanceof Blob) return { name: m.name ?? '', blob: m.model, bytes: await m.model.arrayBuffer(), verified: m.verified };
  if (typeof m.model === 'object') return { name: '', bytes: m.model };
  let name = m.model;
  let entry;
  if (!name) {
    const { files, model } = await manifest;
    if (!model) throw new Failure('model-fetch', `${m.manifest} names no model; is it beside resnet.js on the server? Or pass the model option`);
    name = new URL(model, m.manifest).href;
    entry = files[model];
  }
  const progress = (loaded, total) => report(m.id, 'model', loaded, total);
  // Only what the manifest vouches for is kept: another file may change behind its address.
  const cache = entry && crypto.subtle && await openCache();
  const kept = await cache?.match(name).then((r) => r?.arrayBuffer()).catch(() => {});
  if (kept && await sha256(kept) === entry.sha256) {
    progress(kept.byteLength, kept.byteLength);
    return { name, blob: new Blob([kept]), bytes: kept, verified: true };
  }
  const bytes = await download(name, 'model-fetch', (response) => [response, entry?.bytes], progress);
  if (bytes[0] === 0x3c) {
    throw new Failure('model-format', `want a model file from ${name}, got ${describe(bytes)}; check the address`);
  }
  if (entry && bytes.length !== entry.bytes) {
    throw new Failure('model-integrity', `${name}: want ${entry.bytes} bytes, got ${bytes.length}; load the page again`);
  }
  // digest runs beside this thread and is faster than Go, which checks the file's own checksum where digest is missing
  // (plain http), and which says what is wrong where they differ: the last 32 bytes are the SHA-256 of those before.
  let verified = false;
  if (crypto.subtle && entry) {
    verified = await sha256(bytes) === entry.sha256;
    if (!verified) throw new Failure('model-integrity', `${name}: want the file of the manifest, SHA-256 ${entry.sha256}, got another or a damaged one; load the page again`);
  } else if (crypto.subtle) {
    const end = Math.max(bytes.length - 32, 0);
    verified = await sha256(bytes.subarray(0, end)) === hex(bytes.subarray(end));
  }
  const blob = new Blob([bytes]);
  return { name, blob, bytes: bytes.buffer, verified, keep: cache && (() => cache.put(name, new Response(blob)).catch(() => {})) };
}

// Private windows, plain http and full disks have no cache: the model is then fetched each time.
function openCache() {
  return globalThis.caches?.open('resnet-web').catch(() => {});
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

// Fetches url; see(response) may use a clone of the response and returns it with the size if that is known.
async function download(url, code, see, progress) {
  let loaded = 0;
  try {
    let response = await fetch(url);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    // Content-Length counts compressed bytes, if it is there at all.
    const length = response.headers.has('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length'));
    let total;
    [response, total = length] = await see(response);
    progress(0, total);
    let buffer = new Uint8Array(total);
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (loaded + value.length > buffer.length) {
        const grown = new Uint8Array(Math.max(2 * buffer.length, loaded + value.length));
        grown.set(buffer.subarray(0, loaded));
        buffer = grown;
      }
      buffer.set(value, loaded);
      loaded += value.length;
      progress(loaded, Math.max(loaded, total));
    }
    return loaded === buffer.length ? buffer : buffer.slice(0, loaded);
  } catch (e) {
    throw new Failure(code, `${url}: ${e.message} after ${loaded} bytes; check the address and the connection, then try again`);
  }
}

function describe(bytes) {
  const head = String.fromCharCode(...bytes.subarray(0, 40)).replace(/[^ -~]+/g, '.');
  return bytes.length ? `${bytes.length} bytes that begin with "${head}"` : 'an empty file';
}

async function startGo(exec, module) {
  if (!globalThis.Go) {
    try {
      importScripts(exec);
    } catch (e) {
      throw new Failure('wasm-unsupported', `${exec} could not be loaded: ${e.message}`);
    }
  }
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
  try {
    if (cancelled === id) throw new Failure('aborted', 'aborted by the caller');
    lap('decode');
    const { x, y, width, height, rows } = unwrap(go.fit(source.width, source.height));
    for (let top = 0; top < height; top += rows) {
      const n = Math.min(rows, height - top);
      const strip = source.data ? cut(source, x, y + top, width, n) : draw(source, x, y + top, width, n);
      lap('decode');
      unwrap(go.write(strip));
      lap('preprocess');
    }
    unwrap(go.finish());
    lap('preprocess');
  } finally {
    source.close?.();
  }
  return timings;
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
  const strip = new ImageData(width, height);
  for (let i = 0; i < height; i++) {
    const from = ((y + i) * stride + x) * 4;
    strip.data.set(data.subarray(from, from + width * 4), i * width * 4);
  }
  return strip;
}

async function decode(blob) {
  const head = new Uint8Array(await blob.slice(0, 64).arrayBuffer());
  if (blob.size === 0) throw new Failure('image-decode', 'the picture file is empty; choose another, or copy it again');
  const size = await dimensions(blob, head);
  if (size) unwrap(go.check(size.width, size.height));
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  } catch (e) {
    throw new Failure('image-decode', `want a picture, got ${blob.type || 'a file'} of ${describe(head).replace(/^\d+/, blob.size)}; ${advice(head)}`);
  }
  const checked = go.check(bitmap.width, bitmap.height);
  if (checked.error) bitmap.close();
  unwrap(checked);
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

// Walks the segments of a JPEG to its frame header, which may follow megabytes of profiles and thumbnails.
async function jpegDimensions(blob) {
  const window = 1 << 16;
  let start = 0;
  let v = new DataView(await blob.slice(0, window).arrayBuffer());
  for (let at = 2; at + 10 <= blob.size;) {
    if (at + 10 > start + v.byteLength) {
      start = at;
      v = new DataView(await blob.slice(at, at + window).arrayBuffer());
    }
    const i = at - start;
    if (v.getUint8(i) !== 0xff) return null;
    const marker = v.getUint8(i + 1);
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      const height = v.getUint16(i + 5); // 0: given after the scan, left to the decoder
      return height ? { width: v.getUint16(i + 7), height } : null;
    }
    if (marker === 0xda || marker === 0xd9) return null;
    at += marker === 0xff ? 1 : marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8) ? 2 : 2 + v.getUint16(i + 2);
  }
  return null;
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
