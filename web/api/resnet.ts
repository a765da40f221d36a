// The public interface: createClassifier. This module takes pictures from the page and queues calls; one worker decodes
// and computes. It has no dependencies, asks for no special headers, and may be imported from another origin.
// Types and units are in resnet.d.ts.

const SIMD = ['auto', 'relaxed', 'fixed', 'none'];
const GRACE = 2000; // ms that a worker may take to come back after a cancel
const STALL = 30_000; // ms that a picture's download may stand still
const SILENCE = 60_000; // ms until a worker's first message, of which its scripts take most

// Pixels as the file has them: upright, no colour conversion, straight alpha.
const BITMAP = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

export class ResnetError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = code === 'aborted' ? 'AbortError' : 'ResnetError';
    this.code = code;
  }
}

/** Loads the runtime and a model and returns a classifier. */
export async function createClassifier(options = {}) {
  return createClassifierFrom({
    // Each URL is written out so that bundlers see it.
    worker: new URL('./worker.js', import.meta.url).href,
    kernel: new URL('./kernel.js', import.meta.url).href,
    exec: new URL('./wasm_exec.js', import.meta.url).href,
    wasm: new URL('./resnet.wasm', import.meta.url).href,
    manifest: new URL('./manifest.json', import.meta.url).href,
  }, options);
}

/**
 * The same from given parts, for a page that carries everything inside it: worker and kernel are URLs (blob: too), wasm a
 * URL, bytes or a WebAssembly.Module, model bytes; exec may be left out if the worker script defines Go. Without a model,
 * manifest names it.
 */
export async function createClassifierFrom(parts, options = {}) {
  check(options !== null && typeof options === 'object', 'options', 'an object', options);
  const { model, threads = 'auto', simd = 'auto', lang = 'en', onProgress, signal } = options;
  check(threads === 'auto' || isCount(threads), 'threads', "'auto' or a whole number from 1", threads);
  check(SIMD.includes(simd), 'simd', SIMD.map((s) => `'${s}'`).join(', '), simd);
  check(typeof lang === 'string', 'lang', "a language such as 'en'", lang);
  check(onProgress == null || typeof onProgress === 'function', 'onProgress', 'a function', onProgress);
  checkSignal(signal);
  parts = { ...parts };
  if (model != null) {
    const isBytes = kind(model) === 'ArrayBuffer' || ArrayBuffer.isView(model);
    check(isBytes || typeof model === 'string' || kind(model) === 'URL', 'model', 'a URL or an ArrayBuffer', model);
    try {
      // A Blob keeps bytes outside this page's heap and is handed to a worker without a copy.
      parts.model = isBytes ? new Blob([model]) : absolute(model);
    } catch (cause) {
      throw new ResnetError('bad-option', `resnet: model: want a URL or bytes of its own, got ${isBytes ? kind(model) : clip(model)}: ${cause.message}`, { cause });
    }
  }
  const classifier = new Classifier(parts, { threads, simd, lang });
  await classifier._open(onProgress, signal);
  return classifier;
}

const compiled = new Map(); // by address, the runtime as a WeakRef to its WebAssembly.Module, for further classifiers

class Classifier {
  #parts;
  #settings;
  #worker = null; // started by the first job that needs it
  #kernels = []; // the worker's further threads
  #request = null; // what the worker is busy with: { id, resolve, reject, onProgress }
  #serial = 0;
  #heard; // ends the wait for the worker's first message
  #jobs = []; // calls that wait for their turn, the current one included
  #pumping = false;
  #closed = false;
  #info;

  constructor(parts, settings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  get info() {
    return this.#info;
  }

  async classify(source, options = {}) {
    const start = performance.now();
    check(options !== null && typeof options === 'object', 'options', 'an object', options);
    const { topK = 5, threshold = 0, heatmap = false, signal } = options;
    const allow = options.allow ?? null;
    const deny = options.deny ?? null;
    check(isCount(topK), 'topK', 'a whole number from 1', topK);
    check(typeof threshold === 'number' && threshold >= 0 && threshold <= 1, 'threshold', 'a number from 0 to 1', threshold);
    const classes = this.#info.classes;
    check(typeof heatmap === 'boolean' || (Number.isInteger(heatmap) && heatmap >= 0 && heatmap < classes.length),
      'heatmap', `true, false or a class index from 0 to ${classes.length - 1}`, heatmap);
    for (const [name, list] of [['allow', allow], ['deny', deny]]) {
      check(list === null || (Array.isArray(list) && list.every((x) => typeof x === 'string' || Number.isInteger(x))),
        name, 'an array of class indices, ids or labels', list);
    }
    checkSignal(signal);
    const r = await this.#call({ op: 'classify', topK, threshold, allow, deny, heatmap }, source, signal);
    const predictions = Array.from(r.indices, (index, i) => ({ ...classes[index], probability: r.probabilities[i] }));
    const result = { predictions, sure: r.sure };
    if (r.heatmap) result.heatmap = r.heatmap;
    result.timings = { ...r.timings, total: performance.now() - start };
    return result;
  }

  async embed(source, options = {}) {
    checkSignal(options?.signal);
    return this.#call({ op: 'embed' }, source, options?.signal);
  }

  async benchmark(options = {}) {
    const { runs = 10, signal } = options ?? {};
    check(isCount(runs) && runs <= 10_000, 'runs', 'a whole number from 1 to 10,000', runs);
    checkSignal(signal);
    return this.#call({ op: 'benchmark', runs }, null, signal);
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop(this.#worker)?.reject(closed());
    this.#parts = {};
    for (const job of this.#jobs.splice(0)) job.fail(closed());
  }

  /** Starts the worker for createClassifier; not part of the interface. */
  async _open(onProgress, signal) {
    if (signal?.aborted) throw aborted(signal);
    let abort;
    try {
      await Promise.race([
        this.#start(onProgress),
        new Promise((_, reject) => signal?.addEventListener('abort', abort = () => reject(aborted(signal)))),
      ]);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    if (this.#info.noise) {
      console.warn('resnet: this browser changes the pixels that a page reads from a canvas, to hinder fingerprinting; results may differ a little from those of other browsers');
    }
  }

  async #start(onProgress) {
    const worker = startWorker(this.#parts.worker);
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(worker, data);
    worker.onerror = (e) => {
      e.preventDefault();
      this.#lose(worker, e.message || `${this.#parts.worker} could not be loaded`);
    };
    worker.onmessageerror = () => this.#lose(worker, 'a message could not be read');
    const silence = setTimeout(() => this.#lose(worker, `${this.#parts.worker} and what it loads did not come within ${SILENCE / 1000} s`), SILENCE);
    this.#heard = () => clearTimeout(silence);
    const { wasm } = this.#parts;
    this.#parts.module ??= compiled.get(wasm)?.deref();
    let opened;
    try {
      opened = await this.#ask({ op: 'open', ...this.#parts, ...this.#settings }, [], onProgress);
    } catch (error) {
      this.#drop(worker);
      throw error;
    }
    const { info, module, model } = opened;
    if (typeof wasm === 'string' && globalThis.WeakRef) compiled.set(wasm, new WeakRef(module));
    // A worker started later gets the model's address and hash: it is in the cache, if there is one.
    Object.assign(this.#parts, { module, manifest: '' }, model);
    this.#info ??= deepFreeze(info);
  }

  // Calls run one after another, in the order they were made. Pictures are taken at once, so that a video may play on.
  #call(message, source, signal) {
    if (this.#closed) throw closed();
    if (signal?.aborted) throw aborted(signal);
    const job = { message };
    const stop = new AbortController(); // ends the download of its picture
    const result = new Promise((resolve, reject) => {
      job.succeed = resolve;
      job.fail = reject;
    });
    job.failed = result.then(() => {}, () => { job.over = true; });
    job.picture = message.op === 'benchmark' ? Promise.resolve(null) : take(source, stop);
    job.picture.catch(() => {}); // reported when its turn comes
    const abort = () => {
      job.fail(aborted(signal));
      if (job.id === undefined) this.#jobs = this.#jobs.filter((j) => j !== job);
      else this.#cancel(job.id);
    };
    signal?.addEventListener('abort', abort);
    job.failed.then(() => {
      signal?.removeEventListener('abort', abort);
      stop.abort();
      job.picture.then((p) => p?.close?.(), () => {}); // a bitmap that was not handed over
    });
    this.#jobs.push(job);
    this.#pump();
    return result;
  }

  async #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#jobs.length > 0) {
      const job = this.#jobs[0];
      try {
        const picture = await Promise.race([job.picture, job.failed]);
        if (!job.over && !this.#worker) await this.#start();
        if (!job.over) {
          job.id = this.#serial + 1;
          job.succeed(await this.#ask({ ...job.message, picture }, transferable(picture)));
        }
      } catch (error) {
        job.fail(error);
      }
      if (this.#jobs[0] === job) this.#jobs.shift();
    }
    this.#pumping = false;
  }

  #ask(message, transfer, onProgress) {
    if (this.#closed) throw closed();
    const id = ++this.#serial;
    return new Promise((resolve, reject) => {
      this.#request = { id, resolve, reject, onProgress };
      try {
        this.#worker.postMessage({ ...message, id }, transfer);
      } catch (cause) {
        this.#request = null;
        if (cause.name !== 'DataCloneError') throw cause;
        throw tainted(cause);
      }
    });
  }

  #receive(worker, data) {
    if (worker !== this.#worker) return;
    this.#heard();
    if (data?.crash) return this.#lose(worker, data.crash.message, data.crash.code);
    if (data?.kernels) return this.#startKernels(data.kernels);
    if (data?.kernel) return this.#kernels.find((k) => !k.busy && (k.busy = true))?.worker.postMessage(data.kernel);
    const request = this.#request;
    if (!request || data?.id !== request.id) return;
    if (data.progress) {
      try {
        request.onProgress?.(data.progress);
      } catch (error) {
        reportError(error);
      }
      return;
    }
    this.#request = null;
    clearTimeout(request.timer);
    if (data.error) request.reject(new ResnetError(data.error.code, data.error.message));
    else request.resolve(data.value);
  }

  #cancel(id) {
    const worker = this.#worker;
    if (this.#request?.id !== id) return;
    worker.postMessage({ op: 'cancel', id });
    this.#request.timer = setTimeout(() => this.#lose(worker, 'it did not come back after a cancel'), GRACE);
  }

  // The worker asks for its kernel threads instead of starting them: in Firefox, while developer tools or WebDriver listen
  // for workers, a worker that starts another often blocks for good. It waits on the same condition variable as the new
  // worker's event loop, and the one wake-up goes to the latter. Where a kernel does not start, there is a thread less.
  #startKernels(count) {
    const owner = this.#worker;
    const lost = (e) => {
      e.preventDefault?.();
      owner.postMessage({ op: 'kernel-lost' });
    };
    for (let i = 0; i < count; i++) {
      try {
        const worker = startWorker(this.#parts.kernel);
        worker.onerror = lost;
        this.#kernels.push({ worker, busy: false });
      } catch (error) {
        lost(error);
      }
    }
  }

  // Drops a worker, if it is still in use; the next job starts another. Returns what it was busy with.
  #drop(worker) {
    if (worker !== this.#worker) return undefined;
    worker?.terminate();
    this.#heard?.();
    for (const kernel of this.#kernels.splice(0)) kernel.worker.terminate();
    const request = this.#request;
    this.#worker = this.#request = null;
    clearTimeout(request?.timer);
    return request;
  }

  #lose(worker, why, code = 'worker-crashed') {
    this.#drop(worker)?.reject(new ResnetError(code, `resnet: the worker stopped: ${why}; the next call starts a new one`));
  }
}

/** Turns a source into what a worker takes: a Blob, an ImageBitmap or { width, height, data }. */
async function take(source, stop) {
  switch (kind(source)) {
    case 'String':
    case 'URL':
      return download(source, stop);
    case 'Blob':
    case 'File':
      return source;
    case 'ImageData':
      if (kind(source.data) === 'Uint8ClampedArray' && source.colorSpace !== 'display-p3') {
        return { width: source.width, height: source.height, data: source.data.slice() };
      }
      return bitmap(source);
    case 'HTMLImageElement':
      if (!source.complete) await Promise.race([source.decode().catch(() => {}), new Promise((r) => { setTimeout(r, STALL); })]);
      if (!source.complete || !source.naturalWidth) {
        throw new ResnetError('image-decode', `resnet: the image element has no picture (src ${clip(source.currentSrc || source.src)}); wait for its load event, or check the address`);
      }
      return bitmap(source);
    case 'HTMLVideoElement':
      if (source.readyState < 2) {
        throw new ResnetError('image-decode', 'resnet: the video has no frame yet; wait for its loadeddata event');
      }
      return bitmap(source);
    case 'HTMLCanvasElement':
    case 'OffscreenCanvas':
    case 'ImageBitmap':
      if (!source.width || !source.height) {
        throw new ResnetError('image-decode', `resnet: the ${kind(source)} is ${source.width}×${source.height}; it needs at least one pixel, and must not be closed`);
      }
      return bitmap(source);
  }
  throw new ResnetError('bad-option', `resnet: source: want a Blob, File, ImageBitmap, ImageData, image, video or canvas element, or a URL string; got ${kind(source)}`);
}

async function bitmap(source) {
  try {
    return await createImageBitmap(source, BITMAP);
  } catch (cause) {
    if (cause.name === 'SecurityError') throw tainted(cause);
    throw new ResnetError('image-decode', `resnet: no picture could be taken from the ${kind(source)}: ${cause.message}`, { cause });
  }
}

async function download(url, stop) {
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error(`no byte came for ${STALL / 1000} s`)), STALL);
  };
  const advice = 'check the address; a picture on another site must allow this one (CORS)';
  try {
    url = absolute(url);
    alive();
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    const pieces = [];
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(pieces, { type: response.headers.get('Content-Type') ?? '' });
      pieces.push(value);
      alive();
    }
  } catch (cause) {
    throw new ResnetError('image-fetch', `resnet: ${clip(url)}: ${cause.message}; ${advice}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

// A page may not start a worker from another origin's script by URL, but its own blob may import that script.
// A blob is always the page's own, though on file: its origin has another name.
function startWorker(url) {
  try {
    if (/^blob:/.test(url) || new URL(url, base()).origin === globalThis.origin) return new Worker(url);
    const shim = URL.createObjectURL(new Blob([`importScripts(${JSON.stringify(url)})`], { type: 'text/javascript' }));
    setTimeout(() => URL.revokeObjectURL(shim), 60_000); // Safari reads it late
    return new Worker(shim);
  } catch (cause) {
    throw new ResnetError('worker-crashed', `resnet: this page may not start the worker ${url}: ${cause.message}`, { cause });
  }
}

const kind = (x) => Object.prototype.toString.call(x).slice(8, -1); // works for objects of other frames too
const isCount = (x) => Number.isSafeInteger(x) && x >= 1;
const base = () => globalThis.document?.baseURI ?? location.href;
const absolute = (url) => new URL(url, base()).href;
const clip = (s) => (String(s).length > 200 ? `${String(s).slice(0, 200)}…` : String(s));
const transferable = (p) => (p?.data ? [p.data.buffer] : kind(p) === 'ImageBitmap' ? [p] : []);

function check(ok, name, wanted, got) {
  if (ok) return;
  const shown = typeof got === 'string' ? `'${clip(got)}'` : typeof got === 'object' && got !== null ? kind(got) : String(got);
  throw new ResnetError('bad-option', `resnet: ${name}: want ${wanted}, got ${shown}`);
}

function checkSignal(signal) {
  check(signal == null || kind(signal) === 'AbortSignal', 'signal', 'an AbortSignal', signal);
}

function deepFreeze(x) {
  if (typeof x === 'object' && x !== null) Object.values(Object.freeze(x)).forEach(deepFreeze);
  return x;
}

function aborted(signal) {
  return new ResnetError('aborted', 'resnet: aborted by the caller', { cause: signal.reason });
}

function closed() {
  return new ResnetError('closed', 'resnet: the classifier is closed; create another');
}

function tainted(cause) {
  return new ResnetError('image-tainted', "resnet: the picture comes from another site that does not let this page read it; load it with crossorigin='anonymous' from a server that allows that (CORS), or pass the file itself", { cause });
}
