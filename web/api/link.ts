// The worker behind a classifier, with its kernel threads: it is started when it is needed, asked, and given up when it
// is lost; then another takes its place.

import { isKind } from '../lib/kind.ts';
import { messageOf } from '../lib/thrown.ts';
import { promised } from '../lib/promised.ts';
import type { CreateOptions, ErrorCode, Info } from '../types/resnet.d.ts';
import { ResnetError, closed } from './error.ts';
import { protocol } from './protocol.ts';
import type { Answer, Answers, Booted, FromWorker, KernelWork, Op, Requests, Settings, ToWorker } from './protocol.ts';
import { base, tainted } from './source.ts';

const GRACE = 2000; // ms that a worker may take to come back after a cancel
const SILENCE = 60_000; // ms until a worker's first message, of which its scripts take most

/** A request but for its id. */
export type Ask = { [K in Op]: { op: K } & Requests[K] }[Op];

/** What the first request needs; a model may be an address here. */
export type WorkerParts = Omit<Requests['open'], keyof Settings> & { worker: string };

// Runtimes by address, for further classifiers of the page.
const compiled = new Map<string, WeakRef<WebAssembly.Module>>();

/** The reason for which a call fails that a lost worker had not begun with: another worker then takes the call. */
export const AGAIN = Symbol('again');

/** A request without an answer. */
interface Pending {
  settle: (answer: Answer) => void;
  reject: (error: unknown) => void;
  onProgress: CreateOptions['onProgress'];
  timer?: ReturnType<typeof setTimeout>;
}

export class Link {
  /** Whether the worker can be asked about pictures. */
  isReady = false;
  #parts: WorkerParts;
  readonly #settings: Settings;
  #worker: Worker | null = null;
  #kernels: { worker: Worker; busy: boolean }[] = []; // the worker's further threads
  #pending = new Map<number, Pending>(); // by id
  #serial = 0;
  #heard = () => {}; // ends the wait for the worker's first message
  #isClosed = false;
  #info: Info | undefined;

  constructor(parts: WorkerParts, settings: Settings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** The worker; null before it is needed, and after it was lost. */
  get worker() {
    return this.#worker;
  }

  /** The id of the latest request. */
  get latest() {
    return this.#serial;
  }

  get isClosed() {
    return this.#isClosed;
  }

  /** What the first worker has said of itself and the model. */
  get info(): Info {
    if (!this.#info) throw closed(); // nobody has a classifier before its info is there
    return this.#info;
  }

  /** Ends the worker for good. */
  close() {
    this.#isClosed = true;
    this.#drop(closed);
    this.#parts = { worker: '', wasm: '' }; // so that the memory of the parts can be freed
  }

  /** Starts a worker and has it load runtime and model. */
  async start(onProgress?: CreateOptions['onProgress']) {
    if (this.#isClosed) throw closed();
    const parts = this.#parts;
    const booted = adopt({ ...parts, ...this.#settings });
    const worker = booted?.worker ?? startWorker(parts.worker);
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
      if (booted) {
        this.#serial = booted.request.id;
        const answer = this.#expect('open', onProgress);
        queueMicrotask(() => { // no progress is told before the caller has its promise
          for (const event of booted.events) worker.dispatchEvent(event);
        });
        opened = await answer;
      } else opened = await this.ask({ op: 'open', ...parts, ...this.#settings }, [], onProgress);
    } catch (error) {
      if (worker === this.#worker) this.#drop(closed);
      throw error;
    }
    if (address !== undefined && globalThis.WeakRef) compiled.set(address, new WeakRef(opened.module));
    // A worker started later gets the model's address and hash: it is in the cache, if there is one.
    Object.assign(parts, { module: opened.module, manifest: '' }, opened.address);
    this.#info ??= deepFreeze(opened.info);
    this.isReady = true;
  }

  /** Asks the worker. */
  ask<K extends Op>(
    request: Ask & { op: K }, transfer: Transferable[] = [], onProgress?: CreateOptions['onProgress'],
  ): Promise<Answers[K]> {
    if (this.#isClosed || !this.#worker) throw closed();
    const id = ++this.#serial;
    const answer = this.#expect(request.op, onProgress);
    const plain: Ask = request;
    try {
      post(this.#worker, { ...plain, id }, transfer);
    } catch (cause) {
      this.#pending.delete(id);
      if (!(cause instanceof DOMException && cause.name === 'DataCloneError')) throw cause;
      if ('picture' in request && isKind(request.picture, 'ImageBitmap')) throw tainted(cause);
      throw new ResnetError('bad-option',
        `resnet: ${request.op}: want what can be sent to a worker, among ${Object.keys(request).join(', ')}: `
        + messageOf(cause), { cause });
    }
    return answer;
  }

  // The answer to the latest request.
  #expect<K extends Op>(op: K, onProgress: CreateOptions['onProgress']): Promise<Answers[K]> {
    const { promise, resolve, reject } = promised<Answers[K]>();
    const settle = (answer: Answer) => {
      if (isAnswer(answer, op)) resolve(answer.value);
    };
    this.#pending.set(this.#serial, { settle, reject, onProgress });
    return promise;
  }

  #receive(worker: Worker, data: FromWorker) {
    if (data.op === 'lock') return this.#watch(worker, data.name);
    this.#heard();
    switch (data.op) {
      case 'alive':
        return this.#meet(worker, data.protocol);
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

  // The worker's lock is free again when it has ended, which no event may have told.
  #watch(worker: Worker, lock: string) {
    const ended = () => this.#lose(worker, 'it was ended from outside');
    // An event that tells more may be under way.
    navigator.locks.request(lock, () => { setTimeout(ended, 100); }).catch(() => {});
  }

  #meet(worker: Worker, its: string) {
    if (its === protocol) return;
    this.#lose(worker, 'worker.js and resnet.js are not of one build; '
      + 'put all files of the same dist/ on the server, and load the page again past the cache');
  }

  /** Has the worker give up a request; if it does not, it is given up itself. */
  cancel(id: number) {
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
    this.isReady = false;
    this.#heard();
    for (const kernel of this.#kernels.splice(0)) kernel.worker.terminate();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    pending.forEach(({ timer, reject }, i) => {
      clearTimeout(timer);
      reject(i === 0 || this.#isClosed ? error() : AGAIN);
    });
  }

  #lose(worker: Worker, why: string, code: ErrorCode = 'worker-crashed') {
    if (worker !== this.#worker) return;
    this.#drop(() => new ResnetError(code, `resnet: the worker stopped: ${why}; the next call starts a new one`));
  }
}

// Takes the worker that the page's boot script has started, or gives it up if it was asked for something else.
function adopt(wanted: WorkerParts & Settings): Booted | undefined {
  const booted = globalThis.resnetBooted;
  if (!booted) return undefined;
  globalThis.resnetBooted = undefined;
  const { op, id, guess, warmsLater, ...asked } = booted.request;
  const { worker, warmsLater: _, ...ours } = wanted;
  const text = (x: object) => JSON.stringify(Object.entries(x).filter(([, value]) => value !== undefined).sort());
  if (text(asked) === text(ours)) return booted;
  booted.worker.terminate();
  return undefined;
}

const isAnswer = <K extends Op>(answer: Answer, op: K): answer is Answer & { value: Answers[K] } => answer.op === op;

function post(worker: Worker, message: ToWorker, transfer: Transferable[] = []) {
  worker.postMessage(message, transfer);
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

function deepFreeze<T>(x: T): T {
  if (typeof x === 'object' && x !== null) Object.values(Object.freeze(x)).forEach(deepFreeze);
  return x;
}
