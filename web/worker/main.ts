// The worker behind resnet.js: it loads the Go program and a model, decodes pictures, and passes pixels to Go.

import { BEST, protocol } from '../api/protocol.ts';
import type {
  Answer, Answers, FromWorker, Opened, Picture, Program, ProgramSettings, Question, Request, Requests, ToWorker, View,
} from '../api/protocol.ts';
import { Failure } from '../lib/failure.ts';
import { nearest } from '../lib/labels.ts';
import { promised } from '../lib/promised.ts';
import { isOutOfMemory, messageOf } from '../lib/thrown.ts';
import type { Progress, Timings } from '../types/resnet.d.ts';
import { decode, isNoisy } from './decode.ts';
import type { Decoded } from './decode.ts';
import { obituary, start, unwrap } from './go.ts';
import { keep, loadModel, loadModule } from './load.ts';
import type { Model } from './load.ts';
import { Listings } from './manifest.ts';

/** A request under way. */
interface Job {
  id: number;
  cancelled: boolean;
}

const lock = holdLock();
let go: Program;
let lost = 0; // kernel threads that could not be loaded
const jobs = new Map<number, Job>();
let turn = Promise.resolve(); // resolves when all requests so far are done
let busy = 0; // ms that the machine has worked
const rehearsal: Job = { id: 0, cancelled: false }; // what nobody waits for: the first picture ends it

const send = (message: FromWorker, transfer: Transferable[] = []) => postMessage(message, transfer);

onmessage = ({ data: m }: MessageEvent<ToWorker | null>) => {
  if (m?.op === 'kernel-lost') lost++;
  else if (m?.op === 'cancel') {
    const job = jobs.get(m.id);
    if (job) job.cancelled = true;
  } else if (typeof m?.id === 'number') serve(m);
};

// Requests take the machine one after another, in their order. While one has it, the picture of the next is decoded.
async function serve(request: Request) {
  const job = { id: request.id, cancelled: false };
  jobs.set(job.id, job);
  if (request.op !== 'open') rehearsal.cancelled = true;
  const before = turn;
  let done = () => {};
  turn = Promise.all([before, new Promise<void>((resolve) => { done = resolve; })]).then(() => {});
  try {
    send(await perform(request, job, before));
  } catch (e) {
    const code = e instanceof Failure ? e.code : isOutOfMemory(e) ? 'out-of-memory' : undefined;
    const message = e instanceof Failure ? e.message : `resnet: ${messageOf(e)}`;
    if (code) send({ op: 'error', id: job.id, error: { code, message } });
    else crashOf(e);
  } finally {
    if ('picture' in request && 'close' in request.picture) request.picture.close();
    jobs.delete(job.id);
    done();
  }
}

async function perform(m: Request, job: Job, before: Promise<void>): Promise<Answer> {
  const { id } = m;
  switch (m.op) {
    case 'open': return { op: m.op, id, value: await open(m, job) };
    case 'classify': return { op: m.op, id, value: await classify(m, m.picture, job, before) };
    case 'embed': {
      const question = { ...PLAIN, ...viewOf(m) };
      const { value } = await look(question, m.picture, job, before, (number) => unwrap(go.embed(number)));
      return { op: m.op, id, value };
    }
    case 'input': { // for tests
      const question = { ...PLAIN, ...viewOf(m) };
      const { value } = await look(question, m.picture, job, before, (number) => unwrap(go.input(number)));
      return { op: m.op, id, value };
    }
  }
  await before;
  switch (m.op) {
    case 'heatmap': return { op: m.op, id, value: unwrap(go.heatmap(m.number, m.index)) };
    case 'benchmark': return { op: m.op, id, value: unwrap(go.benchmark(m.runs)) };
  }
}

const viewOf = ({ region, squash }: View): View => ({ region, squash });

async function open(m: Requests['open'], { id }: Job): Promise<Answers['open']> {
  if (typeof WebAssembly !== 'object') {
    throw new Failure('wasm-unsupported', 'this browser has no WebAssembly; use a current one');
  }
  const simd = simdFor(m.simd);
  const listings = new Listings(m.manifest);
  const fastest = promised<string | undefined>();
  const loading = loadModel(m, listings, reporter(id, 'model'), fastest.resolve);
  const nothing = () => fastest.resolve(undefined);
  loading.then(nothing, nothing); // an error is looked at below, unless the runtime fails first
  const compiling = loadModule(m, listings, reporter(id, 'runtime'));
  void lock.then((name) => name && send({ op: 'lock', name }));
  send({ op: 'alive', protocol });
  const module = await compiling;
  go = await start(module, crash);
  if (go.protocol !== protocol) {
    throw new Failure('wasm-unsupported', 'resnet.wasm and worker.js are not of one build; '
      + 'put all files of the same dist/ on the server, and load the page again past the cache');
  }
  // While the model is on its way:
  const kernels = m.kernel && {
    start: (count: number) => send({ op: 'kernels', count }),
    spawn: (machine: WebAssembly.Module, memory: WebAssembly.Memory) => {
      send({ op: 'kernel', work: { module: machine, memory } });
    },
    lost: () => lost,
  };
  const known = await fastest.promise;
  const isKnown = simd.simd === 'auto' && simd.fixed && simd.relaxed && (known === 'fixed' || known === 'relaxed');
  unwrap(go.prepare({ ...simd, ...isKnown && { simd: known }, threads: m.threads, ...kernels }));
  const noise = isNoisy() ? { noise: true as const } : {};
  const warmup = reporter(id, 'warmup');
  const first = await loading;
  warmup(0, 1);
  const woken = wake();
  const { model: { name: from, entry, bytes, digest }, opened } = await openModel(first);
  const { ids, labels, ...info } = opened;
  const length = bytes.length;
  if (info.simd !== 'none') {
    if (m.warmsLater) setTimeout(async () => warm(await woken, breath).catch(crashOf));
    else await warm(await woken);
  }
  warmup(1, 1);
  const chosen = m.simd === 'auto' && info.simd !== 'none' ? info.simd : undefined;
  settle(from, entry && digest ? bytes : null, chosen).then(() => release(bytes.buffer));
  return {
    info: { model: from, ...info, classes: classesOf(ids, labels, m.lang), bytes: length, ...noise },
    module,
    address: from ? { model: from, entry } : null,
  };
}

// Takes a lock that nobody gives back, so that the page hears of this worker's end, which no event tells. Some contexts
// have no locks: http: and file: addresses, sandboxes without an origin.
async function holdLock(): Promise<string | null> {
  const name = `resnet worker ${crypto.getRandomValues(new Uint32Array(4)).join('-')}`;
  try {
    return await new Promise((resolve, reject) => {
      navigator.locks.request(name, () => {
        resolve(name);
        return new Promise(() => {});
      }).catch(reject);
    });
  } catch {
    return null;
  }
}

// Hands a model to Go; one that is not what it should be is fetched once more, past the HTTP cache.
async function openModel(model: Model): Promise<{ model: Model; opened: Opened }> {
  try {
    // Hashing runs beside Go, which looks at every length in the file anyway.
    const damage = model.digest?.then(() => null, (e: unknown) => e);
    const opened = await go.open(model.bytes, model.digest !== undefined);
    const damaged = await damage;
    if (damaged) throw damaged;
    return { model, opened: unwrap(opened, model.name) };
  } catch (e) {
    const isWrong = e instanceof Failure && (e.code === 'model-integrity' || e.code === 'model-format');
    const other = isWrong && await model.renew?.();
    if (!other) throw e;
    return openModel(other);
  }
}

// Keeps the model for the next visit, once nothing has been asked for a while: that is slow where disks are.
async function settle(name: string, bytes: Uint8Array<ArrayBuffer> | null, fastest: string | undefined) {
  do await new Promise((resolve) => { setTimeout(resolve, 500); });
  while (jobs.size > 0);
  if (bytes) await keep(name, bytes, fastest);
}

// The classes with their labels in all languages, and in one.
function classesOf(ids: string, labels: Record<string, string>, wanted: string) {
  const lang = nearest(Object.keys(labels), wanted);
  const texts = Object.entries(labels).map(([language, joined]) => ({ language, list: joined.split('\0') }));
  return ids.split('\0').map((id, index) => {
    const all = Object.fromEntries(texts.map(({ language, list }) => [language, list[index]]));
    return { index, id, label: all[lang], labels: all };
  });
}

// Gives back memory that is no longer used at once, in browsers that can (ES2024).
function release(buffer: ArrayBuffer & { transfer?: (length: number) => ArrayBuffer }) {
  buffer.transfer?.(0);
}

/** Milliseconds so far. */
type Laps = Omit<Timings, 'total'>;

// Takes a picture as far as the network's input, when its turn comes, and there does what is asked for.
async function look<T>(
  question: Question, picture: Picture, job: Job, before: Promise<void>, what: (number: number) => T,
): Promise<{ value: T; timings: Laps; width: number; height: number }> {
  const number = unwrap(go.picture(question));
  try {
    const start = performance.now() - busy;
    const decoded = await decode(picture, (width, height) => unwrap(go.check(width, height)), before);
    try {
      const timings = { decode: performance.now() - busy - start, preprocess: 0, inference: 0 };
      await before;
      await fill(number, decoded, job, timings);
      const begin = performance.now();
      const value = what(number);
      timings.inference = performance.now() - begin;
      busy += timings.preprocess + timings.inference;
      return { value, timings, width: decoded.width, height: decoded.height };
    } finally {
      decoded.close();
    }
  } finally {
    go.drop(number);
  }
}

async function classify(
  question: Question, picture: Picture, job: Job, before: Promise<void>,
): Promise<Answers['classify']> {
  const { value, ...rest } = await look(question, picture, job, before, (number) => unwrap(go.run(number)));
  return { ...value, ...rest };
}

const PLAIN: Question = {
  topK: 5, threshold: 0, allow: null, deny: null, heatmap: BEST, features: false, region: null, squash: false,
};

// Passes a picture to Go, strip by strip.
async function fill(number: number, decoded: Decoded, job: Job, timings: Laps) {
  let mark = performance.now();
  const lap = (name: keyof typeof timings) => {
    const now = performance.now();
    timings[name] += now - mark;
    mark = now;
  };
  const checkCancelled = () => {
    if (job.cancelled) throw new Failure('aborted', 'aborted by the caller');
  };
  checkCancelled();
  const { x, y, width, height, rows, strip } = unwrap(go.begin(number, decoded.width, decoded.height));
  lap('preprocess');
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    const pixels = await decoded.rows(x, y + top, width, count, strip);
    if (pixels && pixels.data.length < width * count * 4) {
      throw new Failure('image-decode',
        `want ${count} rows of ${width} pixels from the decoder, got ${pixels.data.length} bytes`);
    }
    checkCancelled();
    lap('decode');
    unwrap(go.write(number, count, decoded.format, pixels));
    lap('preprocess');
  }
}

// A grey JPEG of 16×16 pixels, in base64.
const JPEG = '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hn'
  + 'Pk1xeXBkeFxlZ2P/wAALCAAQABABAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AAP/Z';

// Has the browser start its decoder while the model is on its way; returns a picture for rehearse.
async function wake(): Promise<Blob | null> {
  try {
    const blob = new Blob([Uint8Array.from(atob(JPEG), (c) => c.charCodeAt(0))], { type: 'image/jpeg' });
    (await createImageBitmap(blob)).close();
    return blob;
  } catch {
    return null; // the first picture will say what is wrong
  }
}

// Does all that the first picture would be the first to do, so that it need not wait for compilers. A request that comes
// in a pause goes first, and then does the same.
async function warm(picture: Blob | null, pause?: () => Promise<void>) {
  try {
    while (!rehearsal.cancelled && unwrap(go.warm())) await pause?.();
    if (picture && !rehearsal.cancelled) await classify(PLAIN, picture, rehearsal, Promise.resolve());
  } catch (e) {
    if (!(e instanceof Failure)) throw e; // Go's state cannot be trusted after it
  }
}

// Lets messages in.
function breath() {
  const { port1, port2 } = new MessageChannel();
  return new Promise<void>((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
}

// An error without a code is a trap or a bug: Go's state cannot be trusted after it.
const crashOf = (e: unknown) => crash(e instanceof Error ? `${e.name}: ${e.message}` : String(e));

function crash(message: string) {
  send({ op: 'crash', ...obituary(message) });
}

// Tells the page how far a phase of loading is, at most 25 times a second, and the last of it without fail.
function reporter(id: number, phase: Progress['phase']) {
  let last = -Infinity;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (loaded: number, total: number) => {
    const tell = () => {
      last = performance.now();
      send({ op: 'progress', id, progress: { phase, loaded, total } });
    };
    clearTimeout(timer);
    const wait = last + 40 - performance.now();
    if (wait > 0 && loaded > 0 && loaded < total) timer = setTimeout(tell, wait);
    else tell();
  };
}

// Modules that use one instruction of SIMD each, of the fixed and of the relaxed set. A module that validates
// is supported, even where a policy forbids compiling it.
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0]; // one function that returns a v128
const FIXED = [...HEAD, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const RELAXED = [...HEAD, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];

function simdFor(wanted: ProgramSettings['simd']) {
  const fixed = WebAssembly.validate(new Uint8Array(FIXED));
  const relaxed = WebAssembly.validate(new Uint8Array(RELAXED));
  if ((wanted === 'fixed' && !fixed) || (wanted === 'relaxed' && !relaxed)) {
    throw new Failure('wasm-unsupported', `this browser has no ${wanted} SIMD; leave simd at 'auto'`);
  }
  return { simd: wanted, fixed, relaxed };
}
