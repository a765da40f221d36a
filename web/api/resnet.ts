// The public interface: createClassifier. This module takes pictures from the page and queues calls; one worker decodes
// and computes. It has no dependencies, asks for no special headers, and may be imported from another origin.
// What it exports is described in ../types/resnet.d.ts.

import { isBytes, isKind, kind } from '../lib/kind.ts';
import { unknownOption } from '../lib/options.ts';
import { messageOf } from '../lib/thrown.ts';
import type {
  Benchmark, BenchmarkOptions, CallOptions, Classifier, ClassifyOptions, CreateOptions, ErrorCode, Heatmap, Info, Parts,
  Rectangle, Result, Simd, Source, ViewOptions,
} from '../types/resnet.d.ts';
import { ResnetError, clip } from './error.ts';
import { BEST, NONE, protocol } from './protocol.ts';
import type {
  Answer, Answers, FromWorker, KernelWork, Op, Picture, Question, Requests, Settings, ToWorker,
} from './protocol.ts';
import { absolute, base, tainted, take, transferable } from './source.ts';

export { ResnetError };

const GRACE = 2000; // ms that a worker may take to come back after a cancel
const SILENCE = 60_000; // ms until a worker's first message, of which its scripts take most

/** Loads the runtime and a model and returns a classifier. */
export async function createClassifier(options: CreateOptions = {}): Promise<Classifier> {
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
 * The same from given parts, for a page that carries everything inside it: worker and kernel are URLs (blob: too), wasm
 * a URL, bytes or a WebAssembly.Module, model bytes; exec may be left out if the worker script defines Go. Without a
 * model, manifest names it.
 */
export async function createClassifierFrom(parts: Parts, options: CreateOptions = {}): Promise<Classifier> {
  checkEnvironment();
  checkOptions(parts, PARTS);
  checkOptions(options, CREATE);
  const { model, threads = 'auto', simd = 'auto', lang = 'en', onProgress, signal } = options;
  check(threads === 'auto' || isCount(threads), 'threads', "'auto' or a whole number from 1", threads);
  check(SIMD.includes(simd), 'simd', SIMD.map((s) => `'${s}'`).join(', '), simd);
  check(typeof lang === 'string', 'lang', "a language such as 'en'", lang);
  check(onProgress == null || typeof onProgress === 'function', 'onProgress', 'a function', onProgress);
  checkSignal(signal);
  return WorkerClassifier.open({ ...parts, ...modelPart(model) }, { threads, simd, lang }, onProgress, signal);
}

// What is needed here and is in every current browser, but not in Node or jsdom.
const NEEDED = ['AbortController', 'Blob', 'Worker', 'createImageBitmap', 'fetch'] as const;

function checkEnvironment() {
  const missing = NEEDED.filter((name) => typeof globalThis[name] !== 'function');
  if (missing.length === 0) return;
  throw new ResnetError('environment', `resnet: want a browser, but there is no ${missing.join(', ')} here; `
    + 'call createClassifier in the page itself, not where it is rendered on a server or tested without a browser');
}

const SIMD: readonly ('auto' | Simd)[] = ['auto', 'relaxed', 'fixed', 'none'];

// The options of each call, by name.
const PARTS = names<Parts>({ worker: 1, kernel: 1, exec: 1, wasm: 1, model: 1, manifest: 1 });
const CREATE = names<CreateOptions>({ model: 1, threads: 1, simd: 1, lang: 1, onProgress: 1, signal: 1 });
const CALL = names<CallOptions>({ signal: 1 });
const VIEW = names<ViewOptions>({ region: 1, fit: 1, signal: 1 });
const CLASSIFY = names<ClassifyOptions>({
  topK: 1, threshold: 1, allow: 1, deny: 1, heatmap: 1, features: 1, region: 1, fit: 1, signal: 1,
});
const RECTANGLE = names<Rectangle>({ x: 1, y: 1, width: 1, height: 1 });
const BENCHMARK = names<BenchmarkOptions>({ runs: 1, signal: 1 });

function names<T>(all: Record<keyof T, 1>) {
  return Object.keys(all);
}

// The option model in the form in which the worker takes it.
function modelPart(model: CreateOptions['model']) {
  if (model == null) return {};
  const bytes = isBytes(model);
  check(bytes || typeof model === 'string' || isKind(model, 'URL'), 'model', 'a URL or an ArrayBuffer', model);
  try {
    // A Blob keeps bytes outside this page's heap and is handed to a worker without a copy.
    return { model: bytes ? new Blob([model]) : absolute(model) };
  } catch (cause) {
    const got = bytes ? kind(model) : clip(model);
    throw new ResnetError('bad-option',
      `resnet: model: want a URL or bytes of its own, got ${got}: ${messageOf(cause)}`, { cause });
  }
}

/** A request but for its id. */
type Ask = { [K in Op]: { op: K } & Requests[K] }[Op];

/** What the first request needs; a model may be an address here. */
type WorkerParts = Omit<Requests['open'], keyof Settings> & { worker: string };

// Runtimes by address, for further classifiers of the page.
const compiled = new Map<string, WeakRef<WebAssembly.Module>>();

/** A call that waits for its turn, or that the worker is busy with. */
interface Call {
  /** Does what is left to do when its turn comes. */
  run: () => Promise<void>;
  /** Lets the worker decode its picture, while the call before it is being computed. */
  prepare: () => Promise<void>;
  fail: (error: unknown) => void;
  /** The id of its request, once that is sent. */
  id?: number;
}

/** The reason for which a call fails that a lost worker had not begun with: another worker then takes the call. */
const AGAIN = Symbol('again');

/** A request without an answer. */
interface Pending {
  settle: (answer: Answer) => void;
  reject: (error: unknown) => void;
  onProgress: CreateOptions['onProgress'];
  timer?: ReturnType<typeof setTimeout>;
}

class WorkerClassifier implements Classifier {
  #parts: WorkerParts;
  #settings: Settings;
  #worker: Worker | null = null; // started by the first call that needs it
  #kernels: { worker: Worker; busy: boolean }[] = []; // the worker's further threads
  #pending = new Map<number, Pending>(); // by id
  #serial = 0;
  #heard = () => {}; // ends the wait for the worker's first message
  #calls: Call[] = []; // the current one included
  #pumping = false;
  #ready = false; // the worker can be asked about pictures
  #closed = false;
  #info: Info | undefined; // there once the first worker is ready
  #results = new WeakMap<Result, { worker: Worker | null; number: number; box: Rectangle }>(); // for heat maps

  private constructor(parts: WorkerParts, settings: Settings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Makes a classifier with its worker. */
  static async open(
    parts: WorkerParts, settings: Settings, onProgress: CreateOptions['onProgress'], signal: CreateOptions['signal'],
  ) {
    if (signal?.aborted) throw aborted(signal);
    const classifier = new WorkerClassifier(parts, settings);
    const { promise, reject } = promised<never>();
    const abort = () => signal && reject(aborted(signal));
    signal?.addEventListener('abort', abort);
    try {
      await Promise.race([classifier.#start(onProgress), promise]);
    } catch (error) {
      classifier.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    if (classifier.info.noise) {
      console.warn('resnet: this browser changes the pixels that a page reads from a canvas, to hinder fingerprinting; '
        + 'results may differ a little from those of other browsers');
    }
    return classifier;
  }

  get info() {
    if (!this.#info) throw closed(); // nobody has a classifier before its info is there
    return this.#info;
  }

  async classify(source: Source, options: ClassifyOptions = {}): Promise<Result> {
    const start = performance.now();
    checkOptions(options, CLASSIFY);
    const { topK = 5, threshold = 0, heatmap = false, features = false, signal } = options;
    checkClasses('allow', options.allow);
    checkClasses('deny', options.deny);
    // Copies, as the call may have to wait.
    const allow = options.allow ? [...options.allow] : null;
    const deny = options.deny ? [...options.deny] : null;
    check(isCount(topK), 'topK', 'a whole number from 1', topK);
    check(typeof threshold === 'number' && threshold >= 0 && threshold <= 1,
      'threshold', 'a number from 0 to 1', threshold);
    const { classes } = this.info;
    check(typeof heatmap === 'boolean' || isIndex(heatmap, classes.length),
      'heatmap', `true, false or a class index from 0 to ${classes.length - 1}`, heatmap);
    check(typeof features === 'boolean', 'features', 'true or false', features);
    checkSignal(signal);
    const of = heatmap === true ? BEST : heatmap === false ? NONE : heatmap;
    const question: Question = { topK, threshold, allow, deny, heatmap: of, features, ...viewOf(options) };
    const { worker, ...r } = await this.#call((stop) => take(source, stop), async (its) => ({
      worker: this.#worker,
      ...await this.#ask({ op: 'classify', ...question, picture: its }, transferable(its)),
    }), signal);
    const result: Result = {
      predictions: r.indices.map((index, i) => {
        const { id, label } = classes[index];
        return { index, id, label, probability: r.probabilities[i] };
      }),
      sure: r.sure,
      ...(r.heatmap && { heatmap: { ...r.heatmap, box: rectangle(r.box) } }),
      ...(r.features && { features: r.features }),
      timings: { ...r.timings, total: performance.now() - start },
    };
    this.#results.set(result, { worker, number: r.number, box: r.box });
    return result;
  }

  async embed(source: Source, options: ViewOptions = {}) {
    checkOptions(options, VIEW);
    checkSignal(options.signal);
    return this.#call((stop) => take(source, stop), (picture) => this.#ask(
      { op: 'embed', picture, ...viewOf(options) }, transferable(picture)), options.signal);
  }

  async heatmap(result: Result, index: number, options: CallOptions = {}): Promise<Heatmap> {
    checkOptions(options, CALL);
    checkSignal(options.signal);
    const { classes } = this.info;
    check(isIndex(index, classes.length), 'index', `a class index from 0 to ${classes.length - 1}`, index);
    if (this.#closed) throw closed();
    const known = typeof result === 'object' && result !== null ? this.#results.get(result) : undefined;
    check(known !== undefined, 'result', 'a result of this classifier', result);
    const { worker, number, box } = known;
    const checkWorker = () => {
      if (worker === this.#worker) return;
      throw new ResnetError('bad-option',
        'resnet: result: its feature map is gone with the worker that was lost; classify the picture again');
    };
    checkWorker();
    return this.#call(async () => null, async () => {
      checkWorker();
      return { ...await this.#ask({ op: 'heatmap', number, index }), box: rectangle(box) };
    }, options.signal);
  }

  /** The network's input, size × size × (red, green, blue, 0) of 7 bits. For tests; not part of the interface. */
  async _input(source: Source, options: ViewOptions = {}): Promise<Uint8Array> {
    return this.#call((stop) => take(source, stop), (picture) => this.#ask(
      { op: 'input', picture, ...viewOf(options) }, transferable(picture)), options.signal);
  }

  async benchmark(options: BenchmarkOptions = {}): Promise<Benchmark> {
    checkOptions(options, BENCHMARK);
    const { runs = 10, signal } = options;
    check(isCount(runs) && runs <= 10_000, 'runs', 'a whole number from 1 to 10,000', runs);
    checkSignal(signal);
    return this.#call(async () => null, () => this.#ask({ op: 'benchmark', runs }), signal);
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop(closed);
    this.#parts = { worker: '', wasm: '' }; // so that the memory of the parts can be freed
    for (const call of this.#calls.splice(0)) call.fail(closed());
  }

  async #start(onProgress?: CreateOptions['onProgress']) {
    const parts = this.#parts;
    const worker = startWorker(parts.worker);
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<FromWorker | null>) => {
      if (worker === this.#worker && data) this.#receive(worker, data);
    };
    worker.onerror = (e) => {
      e.preventDefault();
      this.#lose(worker, e.message || `${parts.worker} could not be loaded`);
    };
    worker.onmessageerror = () => this.#lose(worker, 'a message could not be read');
    const silence = setTimeout(() => {
      this.#lose(worker, `${parts.worker} and what it loads did not come within ${SILENCE / 1000} s`);
    }, SILENCE);
    this.#heard = () => clearTimeout(silence);
    const { wasm } = parts;
    const address = typeof wasm === 'string' ? wasm : undefined;
    if (address !== undefined) parts.module ??= compiled.get(address)?.deref();
    let opened;
    try {
      opened = await this.#ask({ op: 'open', ...parts, ...this.#settings }, [], onProgress);
    } catch (error) {
      if (worker === this.#worker) this.#drop(closed);
      throw error;
    }
    if (address !== undefined && globalThis.WeakRef) compiled.set(address, new WeakRef(opened.module));
    // A worker started later gets the model's address and hash: it is in the cache, if there is one.
    Object.assign(parts, { module: opened.module, manifest: '' }, opened.address);
    this.#info ??= deepFreeze(opened.info);
    this.#ready = true;
  }

  // Calls run one after another, in the order they were made. Pictures are taken at once, so that a video may play on.
  #call<P extends Picture | null, T>(
    takePicture: (stop: AbortController) => Promise<P>, send: (picture: P) => Promise<T>, signal: CallOptions['signal'],
  ): Promise<T> {
    if (this.#closed) throw closed();
    if (signal?.aborted) throw aborted(signal);
    const stop = new AbortController(); // ends the download of its picture
    const picture = takePicture(stop);
    picture.catch(() => {}); // reported when its turn comes
    const { promise, resolve, reject } = promised<T>();
    let failed = false;
    const settled = promise.then(() => {}, () => { failed = true; });
    let answer: Promise<T> | undefined;
    let isEarly = false; // asked before its turn
    const ask = (its: P) => {
      call.id = this.#serial + 1;
      answer = send(its);
      answer.catch(() => {}); // looked at when its turn comes
      return answer;
    };
    const call: Call = {
      fail: reject,
      run: async () => {
        for (;;) {
          if (!answer) {
            const taken = await Promise.race([picture.then((its) => ({ its })), settled]);
            if (!failed && !this.#worker) await this.#start();
            if (!taken || failed) return;
            ask(taken.its);
          }
          this.#calls[1]?.prepare();
          try {
            return resolve(await answer as T);
          } catch (error) {
            // If two calls were with a worker that was lost, either may be the cause: this one is tried once more.
            const isCrash = error instanceof ResnetError && error.code === 'worker-crashed';
            if (error !== AGAIN && !(isEarly && isCrash)) throw error;
            answer = call.id = undefined;
            isEarly = false;
          }
        }
      },
      prepare: async () => {
        if (answer) return;
        const its = await Promise.race([picture, settled]).catch(() => undefined);
        // Only files are sent early: they need decoding, and can be sent once more if the worker is lost.
        if (!its || failed || answer || this.#calls[1] !== call || !this.#ready || !isKind(its, 'Blob', 'File')) return;
        isEarly = true;
        ask(its);
      },
    };
    const abort = () => {
      if (signal) reject(aborted(signal));
      if (call.id === undefined) {
        this.#calls = this.#calls.filter((c) => c !== call);
        if (this.#calls[0]?.id !== undefined) this.#calls[1]?.prepare();
      } else this.#cancel(call.id);
    };
    signal?.addEventListener('abort', abort);
    settled.then(() => {
      signal?.removeEventListener('abort', abort);
      stop.abort();
      picture.then((p) => isKind(p, 'ImageBitmap') && p.close(), () => {}); // if it was not handed over
    });
    this.#calls.push(call);
    if (this.#calls[1] === call && this.#calls[0].id !== undefined) call.prepare();
    this.#pump();
    return promise;
  }

  async #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#calls.length > 0) {
      const call = this.#calls[0];
      try {
        await call.run();
      } catch (error) {
        call.fail(error);
      }
      if (this.#calls[0] === call) this.#calls.shift();
    }
    this.#pumping = false;
  }

  #ask<K extends Op>(
    request: Ask & { op: K }, transfer: Transferable[] = [], onProgress?: CreateOptions['onProgress'],
  ): Promise<Answers[K]> {
    if (this.#closed || !this.#worker) throw closed();
    const id = ++this.#serial;
    const { promise, resolve, reject } = promised<Answers[K]>();
    const settle = (answer: Answer) => {
      if (isAnswer(answer, request.op)) resolve(answer.value);
    };
    this.#pending.set(id, { settle, reject, onProgress });
    const plain: Ask = request;
    try {
      post(this.#worker, { ...plain, id }, transfer);
    } catch (cause) {
      this.#pending.delete(id);
      if (!(cause instanceof DOMException && cause.name === 'DataCloneError')) throw cause;
      throw tainted(cause);
    }
    return promise;
  }

  #receive(worker: Worker, data: FromWorker) {
    this.#heard();
    switch (data.op) {
      case 'alive':
        return this.#meet(worker, data.protocol, data.lock);
      case 'crash':
        return this.#lose(worker, data.message, data.code);
      case 'kernels':
        return this.#startKernels(worker, data.count);
      case 'kernel':
        return this.#employKernel(data.work);
    }
    const pending = this.#pending.get(data.id);
    if (!pending) return;
    if (data.op === 'progress') {
      try {
        pending.onProgress?.(data.progress);
      } catch (error) {
        reportError(error);
      }
      return;
    }
    this.#pending.delete(data.id);
    clearTimeout(pending.timer);
    if (data.op === 'error') pending.reject(new ResnetError(data.error.code, data.error.message));
    else pending.settle(data);
  }

  // The worker's scripts have come. Its lock is free again when it has ended, which no event may have told.
  #meet(worker: Worker, its: string, lock: string | null) {
    if (its !== protocol) {
      return this.#lose(worker, 'worker.js and resnet.js are not of one build; '
        + 'put all files of the same dist/ on the server, and load the page again past the cache');
    }
    if (lock === null) return;
    const ended = () => this.#lose(worker, 'it was ended from outside');
    // An event that tells more may be under way.
    navigator.locks.request(lock, () => { setTimeout(ended, 100); }).catch(() => {});
  }

  #cancel(id: number) {
    const worker = this.#worker;
    const pending = this.#pending.get(id);
    if (!worker || !pending) return;
    post(worker, { op: 'cancel', id });
    const expire = () => {
      const [oldest] = this.#pending.keys();
      if (oldest === id) this.#lose(worker, 'it did not come back after a cancel');
      else pending.timer = setTimeout(expire, GRACE); // the worker has not begun with it
    };
    pending.timer = setTimeout(expire, GRACE);
  }

  // The worker asks for its kernel threads instead of starting them: in Firefox, while developer tools or WebDriver
  // listen for workers, a worker that starts another often blocks for good. It waits on the same condition variable as
  // the new worker's event loop, and the one wake-up goes to the latter. Where a kernel does not start, there is
  // one thread less.
  #startKernels(owner: Worker, count: number) {
    const { kernel } = this.#parts;
    for (let i = 0; i < count; i++) {
      try {
        if (kernel === undefined) throw new TypeError('no kernel among the parts');
        const worker = startWorker(kernel);
        worker.onerror = (e) => {
          e.preventDefault();
          post(owner, { op: 'kernel-lost' });
        };
        this.#kernels.push({ worker, busy: false });
      } catch {
        post(owner, { op: 'kernel-lost' });
      }
    }
  }

  #employKernel(work: KernelWork) {
    const kernel = this.#kernels.find((k) => !k.busy);
    if (!kernel) return;
    kernel.busy = true;
    kernel.worker.postMessage(work);
  }

  // Ends the worker; the next call starts another. What it was busy with fails.
  #drop(error: () => unknown) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
    this.#heard();
    for (const kernel of this.#kernels.splice(0)) kernel.worker.terminate();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    pending.forEach(({ timer, reject }, i) => {
      clearTimeout(timer);
      reject(i === 0 || this.#closed ? error() : AGAIN);
    });
  }

  #lose(worker: Worker, why: string, code: ErrorCode = 'worker-crashed') {
    if (worker !== this.#worker) return;
    this.#drop(() => new ResnetError(code, `resnet: the worker stopped: ${why}; the next call starts a new one`));
  }
}

const isAnswer = <K extends Op>(answer: Answer, op: K): answer is Answer & { value: Answers[K] } => answer.op === op;

function post(worker: Worker, message: ToWorker, transfer: Transferable[] = []) {
  worker.postMessage(message, transfer);
}

/** A promise with what settles it. */
function promised<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}

/** Says how alike the features of two pictures are. */
export function similarity(a: ArrayLike<number>, b: ArrayLike<number>) {
  check(a?.length > 0 && a.length === b?.length,
    'similarity', 'the features of two pictures, from one model', `${a?.length} and ${b?.length} numbers`);
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb) || 0; // 0 if one of them is all zeros
}

// A page may not start a worker from another origin's script by URL, but its own blob may import that script.
// A blob is always the page's own, though on file: its origin has another name.
function startWorker(url: string) {
  try {
    if (/^blob:/.test(url) || new URL(url, base()).origin === globalThis.origin) return new Worker(url);
    const shim = URL.createObjectURL(new Blob([`importScripts(${JSON.stringify(url)})`], { type: 'text/javascript' }));
    setTimeout(() => URL.revokeObjectURL(shim), 60_000); // Safari reads it late
    return new Worker(shim);
  } catch (cause) {
    throw new ResnetError('worker-crashed',
      `resnet: this page may not start the worker ${url}: ${messageOf(cause)}`, { cause });
  }
}

const isIndex = (x: unknown, count: number): x is number => (
  typeof x === 'number' && Number.isInteger(x) && x >= 0 && x < count
);
const isCount = (x: unknown) => typeof x === 'number' && Number.isSafeInteger(x) && x >= 1;

function check(ok: boolean, name: string, wanted: string, got: unknown): asserts ok {
  if (ok) return;
  const shown = typeof got === 'string' ? `'${clip(got)}'`
    : typeof got === 'object' && got !== null ? kind(got)
    : String(got);
  throw new ResnetError('bad-option', `resnet: ${name}: want ${wanted}, got ${shown}`);
}

function checkOptions(options: unknown, known: readonly string[]) {
  check(options !== null && typeof options === 'object', 'options', 'an object', options);
  const unknown = unknownOption(options, known);
  if (unknown) throw new ResnetError('bad-option', `resnet: ${unknown}`);
}

const rectangle = ({ x, y, width, height }: Rectangle): Rectangle => ({ x, y, width, height });

// Checks the options that say which part of a picture is looked at.
function viewOf({ region = null, fit = 'crop' }: ViewOptions) {
  check(fit === 'crop' || fit === 'squash', 'fit', "'crop' or 'squash'", fit);
  if (region === null) return { region, squash: fit === 'squash' };
  checkOptions(region, RECTANGLE);
  const { x, y, width, height } = region;
  check([x, y, width, height].every(Number.isSafeInteger) && x >= 0 && y >= 0 && width >= 1 && height >= 1,
    'region', '{ x, y, width, height } in whole pixels, a part of the picture',
    `${kind(region)} ${[x, y, width, height].map(String).join(', ')}`);
  return { region: rectangle(region), squash: fit === 'squash' };
}

function checkClasses(name: string, list: unknown) {
  check(list == null || (Array.isArray(list) && list.every((x) => typeof x === 'string' || Number.isInteger(x))),
    name, 'an array of class indices, ids or labels', list);
}

function checkSignal(signal: unknown) {
  check(signal == null || isKind(signal, 'AbortSignal'), 'signal', 'an AbortSignal', signal);
}

function deepFreeze<T>(x: T): T {
  if (typeof x === 'object' && x !== null) Object.values(Object.freeze(x)).forEach(deepFreeze);
  return x;
}

function aborted(signal: AbortSignal) {
  return new ResnetError('aborted', 'resnet: aborted by the caller', { cause: signal.reason });
}

function closed() {
  return new ResnetError('closed', 'resnet: the classifier is closed; create another');
}
