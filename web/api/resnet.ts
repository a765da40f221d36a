// The public interface: createClassifier. A call takes its picture from the page and waits in a queue; one worker decodes
// and computes. This module has no dependencies, asks for no special headers, and may be imported from another origin.
// What it exports is described in ../types/resnet.d.ts.

import { isBytes, isKind, kind } from '../lib/kind.ts';
import { promised } from '../lib/promised.ts';
import { setSize } from '../lib/size.ts';
import { messageOf } from '../lib/thrown.ts';
import type {
  Benchmark, BenchmarkOptions, CallOptions, Classifier, ClassifyOptions, CreateOptions, Heatmap, Parts, Rectangle,
  Result, Source, ViewOptions,
} from '../types/resnet.d.ts';
import { all } from './all.ts';
import { ResnetError, aborted, clip, closed } from './error.ts';
import { Link } from './link.ts';
import type { WorkerParts } from './link.ts';
import {
  BENCHMARK, CALL, CLASSIFY, CREATE, PARTS, SIMD, VIEW, check, checkClasses, checkOptions, checkSignal, isCount, isIndex,
  look, rectangle, viewOf,
} from './options.ts';
import { BEST, NONE } from './protocol.ts';
import type { Picture, Question, Settings } from './protocol.ts';
import { Queue } from './queue.ts';
import { absolute, take, transferable } from './source.ts';

export { ResnetError };

/** Loads the runtime and a model and returns a classifier. */
export async function createClassifier(options: CreateOptions = {}): Promise<Classifier> {
  return createClassifierFrom({
    // Each URL is written out so that bundlers see it.
    worker: new URL('./worker.js', import.meta.url).href,
    kernel: new URL('./kernel.js', import.meta.url).href,
    wasm: new URL('./resnet.wasm', import.meta.url).href,
    manifest: new URL('./manifest.json', import.meta.url).href,
  }, options);
}

/**
 * The same from given parts, for a page that carries everything inside it: worker and kernel are URLs (blob: too), wasm
 * a URL, bytes or a WebAssembly.Module, model bytes. Without a model, manifest names it.
 */
export async function createClassifierFrom(parts: Parts, options: CreateOptions = {}): Promise<Classifier> {
  checkEnvironment();
  const its = checkParts(parts);
  const { model, threads = 'auto', simd = 'auto', lang = 'en', onProgress, signal } = checkOptions(options, CREATE);
  check(threads === 'auto' || isCount(threads), 'threads', "'auto' or a whole number from 1", threads);
  check(SIMD.includes(simd), 'simd', SIMD.map((s) => `'${s}'`).join(', '), simd);
  check(typeof lang === 'string', 'lang', "a language such as 'en'", lang);
  check(onProgress == null || typeof onProgress === 'function', 'onProgress', 'a function', onProgress);
  checkSignal(signal);
  return WorkerClassifier.open({ ...its, ...modelPart(model) }, { threads, simd, lang }, onProgress, signal);
}

// What every browser has, but not Node or jsdom. What pictures need is told by the call that needs it: see need.ts.
const NEEDED = ['AbortController', 'Blob', 'Worker', 'fetch'] as const;

function checkEnvironment() {
  const missing = NEEDED.filter((name) => typeof globalThis[name] !== 'function');
  if (missing.length === 0) return;
  throw new ResnetError('environment', `resnet: want a browser, but there is no ${missing.join(', ')} here; `
    + 'call createClassifier in the page itself, not where it is rendered on a server or tested without a browser');
}

const WASM = 'an address as a string, bytes or a WebAssembly.Module';

function checkParts(parts: Parts): WorkerParts {
  const { worker, kernel, wasm, model, manifest, warmsLater } = checkOptions(parts, PARTS);
  check(typeof worker === 'string', 'worker', 'an address as a string', worker);
  for (const [name, part] of Object.entries({ kernel, manifest })) {
    check(part === undefined || typeof part === 'string', name, 'an address as a string', part);
  }
  check(warmsLater === undefined || typeof warmsLater === 'boolean', 'warmsLater', 'true or false', warmsLater);
  check(wasm !== undefined, 'wasm', WASM, wasm);
  if (typeof wasm !== 'string' && !isBytes(wasm)) look('wasm', WASM, wasm, () => WebAssembly.Module.exports(wasm));
  check(model == null || isBytes(model) || isKind(model, 'Blob', 'File'), 'model', 'a Blob or an ArrayBuffer', model);
  if (isBytes(model)) modelPart(model); // throws for bytes that were handed over
  return {
    worker, kernel, wasm,
    model, // bytes stay bytes: no worker of a file: page reads a Blob in WebKit
    manifest: manifest && look('manifest', 'an address', manifest, () => absolute(manifest)),
    warmsLater,
  };
}

// The option model in the form in which the worker takes it.
function modelPart(model: CreateOptions['model']) {
  if (model == null) return {};
  const bytes = isBytes(model);
  check(bytes || typeof model === 'string' || isKind(model, 'URL'), 'model', 'a URL or an ArrayBuffer', model);
  try {
    if (bytes) void new Uint8Array(ArrayBuffer.isView(model) ? model.buffer : model); // throws if it was handed over
    // A Blob keeps bytes outside this page's heap and is handed to a worker without a copy.
    return { model: bytes ? new Blob([model]) : absolute(model) };
  } catch (cause) {
    const got = bytes ? kind(model) : clip(model);
    throw new ResnetError('bad-option',
      `resnet: model: want a URL or bytes of its own, got ${got}: ${messageOf(cause)}`, { cause });
  }
}

class WorkerClassifier implements Classifier {
  readonly #link: Link;
  readonly #queue: Queue;
  #results = new WeakMap<Result, { worker: Worker | null; number: number; box: Rectangle }>(); // for heat maps

  private constructor(link: Link) {
    this.#link = link;
    this.#queue = new Queue(link);
  }

  /** Makes a classifier with its worker. */
  static async open(
    parts: WorkerParts, settings: Settings, onProgress: CreateOptions['onProgress'], signal: CreateOptions['signal'],
  ) {
    if (signal?.aborted) throw aborted(signal);
    const link = new Link(parts, settings);
    const { promise, reject } = promised<never>();
    const abort = () => signal && reject(aborted(signal));
    signal?.addEventListener('abort', abort);
    try {
      await Promise.race([link.start(onProgress), promise]);
    } catch (error) {
      link.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    if (link.info.noise) {
      console.warn('resnet: this browser changes the pixels that a page reads from a canvas, to hinder fingerprinting; '
        + 'results may differ a little from those of other browsers');
    }
    return new WorkerClassifier(link);
  }

  get info() {
    return this.#link.info;
  }

  async classify(source: Source, options: ClassifyOptions = {}): Promise<Result> {
    const start = performance.now();
    const its = checkOptions(options, CLASSIFY);
    return this.#classify(source, this.#question(its), its.signal, start);
  }

  classifyAll<S extends Source | PromiseLike<Source>>(
    sources: Iterable<S> | AsyncIterable<S>, options: ClassifyOptions = {},
  ) {
    const its = checkOptions(options, CLASSIFY);
    const question = this.#question(its);
    const wanted = 'an array of sources, or what else for await can go through';
    const isMany = look('sources', wanted, sources, () => typeof sources === 'object' && sources !== null
      && (Symbol.iterator in sources || Symbol.asyncIterator in sources));
    check(isMany, 'sources', wanted, sources);
    if (this.#link.isClosed) throw closed();
    return all(sources, (source, signal) => this.#classify(source, question, signal), its.signal);
  }

  /** Checks what classify and classifyAll are asked. */
  #question(its: Partial<ClassifyOptions>): Question {
    const { topK = 5, threshold = 0, heatmap = false, features = false, signal } = its;
    const allow = checkClasses('allow', its.allow);
    const deny = checkClasses('deny', its.deny);
    check(isCount(topK), 'topK', 'a whole number from 1', topK);
    check(typeof threshold === 'number' && threshold >= 0 && threshold <= 1,
      'threshold', 'a number from 0 to 1', threshold);
    const { classes } = this.info;
    check(typeof heatmap === 'boolean' || isIndex(heatmap, classes.length),
      'heatmap', `true, false or a class index from 0 to ${classes.length - 1}`, heatmap);
    check(typeof features === 'boolean', 'features', 'true or false', features);
    checkSignal(signal);
    const of = heatmap === true ? BEST : heatmap === false ? NONE : heatmap;
    return { topK, threshold, allow, deny, heatmap: of, features, ...viewOf(its) };
  }

  async #classify(
    source: Source, question: Question, signal: CallOptions['signal'], start = performance.now(),
  ): Promise<Result> {
    const { classes } = this.info;
    const { worker, ...r } = await this.#look(source, async (picture) => ({
      worker: this.#link.worker,
      ...await this.#link.ask({ op: 'classify', ...question, picture }, transferable(picture)),
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
    setSize(result, { width: r.width, height: r.height });
    this.#results.set(result, { worker, number: r.number, box: r.box });
    return result;
  }

  async embed(source: Source, options: ViewOptions = {}) {
    const its = checkOptions(options, VIEW);
    checkSignal(its.signal);
    const view = viewOf(its);
    return this.#look(source, (picture) => this.#link.ask(
      { op: 'embed', picture, ...view }, transferable(picture)), its.signal);
  }

  async heatmap(result: Result, index: number, options: CallOptions = {}): Promise<Heatmap> {
    const { signal } = checkOptions(options, CALL);
    checkSignal(signal);
    const { classes } = this.info;
    check(isIndex(index, classes.length), 'index', `a class index from 0 to ${classes.length - 1}`, index);
    if (this.#link.isClosed) throw closed();
    const known = typeof result === 'object' && result !== null ? this.#results.get(result) : undefined;
    check(known !== undefined, 'result', 'a result of this classifier', result);
    const { worker, number, box } = known;
    const checkWorker = () => {
      if (worker === this.#link.worker) return;
      throw new ResnetError('bad-option',
        'resnet: result: its feature map is gone with the worker that was lost; classify the picture again');
    };
    checkWorker();
    return this.#ask(async () => {
      checkWorker();
      return { ...await this.#link.ask({ op: 'heatmap', number, index }), box: rectangle(box) };
    }, signal);
  }

  /** The network's input, size × size × (red, green, blue, 0) of 7 bits. For tests; not part of the interface. */
  async _input(source: Source, options: ViewOptions = {}): Promise<Uint8Array> {
    return this.#look(source, (picture) => this.#link.ask(
      { op: 'input', picture, ...viewOf(options) }, transferable(picture)), options.signal);
  }

  async benchmark(options: BenchmarkOptions = {}): Promise<Benchmark> {
    const { runs = 10, signal } = checkOptions(options, BENCHMARK);
    check(isCount(runs) && runs <= 10_000, 'runs', 'a whole number from 1 to 10,000', runs);
    checkSignal(signal);
    return this.#ask(() => this.#link.ask({ op: 'benchmark', runs }), signal);
  }

  close() {
    if (this.#link.isClosed) return;
    this.#link.close();
    this.#queue.clear(closed);
  }

  // Has the worker do something with a picture, in its turn.
  #look<T>(source: Source, send: (picture: Picture) => Promise<T>, signal: CallOptions['signal']): Promise<T> {
    if (this.#link.isClosed) throw closed();
    return this.#queue.add({ take: (stop) => take(source, stop), send }, signal);
  }

  // The same without a picture.
  #ask<T>(send: () => Promise<T>, signal: CallOptions['signal']): Promise<T> {
    if (this.#link.isClosed) throw closed();
    return this.#queue.add({ take: async () => null, send }, signal);
  }
}

/** Says how alike the features of two pictures are. */
export function similarity(a: ArrayLike<number>, b: ArrayLike<number>) {
  const wanted = 'the features of two pictures, from one model';
  const [x, y] = [a, b].map((f) => look('similarity', wanted, f, () => Array.from(f)));
  check(x.length > 0 && x.length === y.length, 'similarity', wanted, `${x.length} and ${y.length} numbers`);
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < x.length; i++) {
    for (const value of [x[i], y[i]]) check(typeof value === 'number', 'similarity', 'numbers', value);
    ab += x[i] * y[i];
    aa += x[i] * x[i];
    bb += y[i] * y[i];
  }
  return ab / Math.sqrt(aa * bb) || 0; // 0 if one of them is all zeros
}
