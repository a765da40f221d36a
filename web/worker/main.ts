// The worker behind resnet.js: it loads the Go program and a model, decodes pictures, and passes pixels to Go.

import { BEST, NONE } from '../api/protocol.ts';
import type {
  Answer, Answers, FromWorker, Picture, Program, ProgramSettings, Request, Requests, ToWorker,
} from '../api/protocol.ts';
import { Failure } from '../lib/failure.ts';
import { isOutOfMemory, messageOf } from '../lib/thrown.ts';
import type { Progress } from '../types/resnet.d.ts';
import { decode, hasCanvas, isNoisy } from './decode.ts';
import { loadGlue, obituary, start, unwrap } from './go.ts';
import { keep, loadModel, loadModule, readManifest } from './load.ts';

/** A request under way. */
interface Job {
  id: number;
  cancelled: boolean;
}

let go: Program;
let received = 0; // requests
let lost = 0; // kernel threads that could not be loaded
const jobs = new Map<number, Job>();

const send = (message: FromWorker, transfer: Transferable[] = []) => postMessage(message, transfer);

onmessage = ({ data: m }: MessageEvent<ToWorker | null>) => {
  if (m?.op === 'kernel-lost') lost++;
  else if (m?.op === 'cancel') {
    const job = jobs.get(m.id);
    if (job) job.cancelled = true;
  } else if (typeof m?.id === 'number') serve(m);
};

async function serve(request: Request) {
  received++;
  const job = { id: request.id, cancelled: false };
  jobs.set(job.id, job);
  try {
    const answer = await perform(request, job);
    if (answer) send(answer, answer.op === 'classify' && answer.value.heatmap ? [answer.value.heatmap.data.buffer] : []);
  } catch (e) {
    const code = e instanceof Failure ? e.code : isOutOfMemory(e) ? 'out-of-memory' : undefined;
    const message = e instanceof Failure ? e.message : `resnet: ${messageOf(e)}`;
    // An error without a code is a trap or a bug: Go's state cannot be trusted after it.
    if (code) send({ op: 'error', id: job.id, error: { code, message } });
    else crash(e instanceof Error ? `${e.name}: ${e.message}` : String(e));
  } finally {
    jobs.delete(job.id);
  }
}

async function perform(m: Request, job: Job): Promise<Answer | undefined> {
  const { id } = m;
  switch (m.op) {
    case 'open': return { op: m.op, id, value: await open(m, job) };
    case 'classify': return { op: m.op, id, value: await classify(m, job) };
    case 'embed': return { op: m.op, id, value: await embed(m, job) };
    case 'benchmark': return { op: m.op, id, value: unwrap(go.benchmark(m.runs)) };
  }
}

async function open(m: Requests['open'], { id }: Job): Promise<Answers['open']> {
  if (typeof WebAssembly !== 'object') {
    throw new Failure('wasm-unsupported', 'this browser has no WebAssembly; use a current one');
  }
  const simd = simdFor(m.simd);
  const manifest = readManifest(m.manifest);
  const loading = loadModel(m, manifest, reporter(id, 'model'));
  loading.catch(() => {}); // looked at below, unless the runtime fails first
  const compiling = loadModule(m, manifest, reporter(id, 'runtime'));
  compiling.catch(() => {});
  loadGlue(m.exec);
  send({ op: 'alive' });
  const module = await compiling;
  go = await start(module, crash);
  // While the model is on its way:
  const kernels = m.kernel && {
    start: (count: number) => send({ op: 'kernels', count }),
    spawn: (machine: WebAssembly.Module, memory: WebAssembly.Memory) => {
      send({ op: 'kernel', work: { module: machine, memory } });
    },
    lost: () => lost,
  };
  unwrap(go.prepare({ ...simd, threads: m.threads, ...kernels }));
  const noise = isNoisy() ? { noise: true as const } : {};
  const { name, entry, bytes, digest } = await loading;
  const warmup = reporter(id, 'warmup');
  warmup(0, 1);
  // Hashing runs beside Go, which looks at every length in the file anyway.
  const damage = digest?.then(() => null, (e: unknown) => e);
  const opened = await go.open(bytes, digest !== undefined, m.lang);
  const damaged = await damage;
  if (damaged) throw damaged;
  const { ids, labels, ...info } = unwrap(opened, name);
  const texts = labels.split('\0');
  const classes = ids.split('\0').map((wnid, index) => ({ index, id: wnid, label: texts[index] }));
  const length = bytes.length;
  warmup(1, 1);
  setTimeout(async () => {
    if (info.simd !== 'none') rehearse();
    if (entry && digest) await keep(name, bytes);
    release(bytes.buffer);
  });
  return {
    info: { model: name, ...info, classes, bytes: length, ...noise },
    module,
    address: name ? { model: name, entry } : null,
  };
}

// Gives memory back now that is not used any more, where browsers can (ES2024).
function release(buffer: ArrayBuffer & { transfer?: (length: number) => ArrayBuffer }) {
  buffer.transfer?.(0);
}

async function classify(m: Omit<Requests['classify'], 'picture'> & { picture: Picture | OffscreenCanvas }, job: Job) {
  const heatmap = m.heatmap === true ? BEST : m.heatmap === false ? NONE : m.heatmap;
  unwrap(go.choose(m.topK, m.threshold, m.allow, m.deny, heatmap));
  const timings = await fit(m.picture, job);
  const begin = performance.now();
  const found = unwrap(go.classify());
  return { ...found, timings: { ...timings, inference: performance.now() - begin } };
}

async function embed(m: Requests['embed'], job: Job) {
  await fit(m.picture, job);
  return unwrap(go.embed());
}

// Decodes a picture and passes it to Go, strip by strip; returns what that took in milliseconds.
async function fit(picture: Picture | OffscreenCanvas, job: Job) {
  let mark = performance.now();
  const timings = { decode: 0, preprocess: 0 };
  const lap = (name: keyof typeof timings) => {
    const now = performance.now();
    timings[name] += now - mark;
    mark = now;
  };
  const decoded = await decode(picture, (width, height) => unwrap(go.check(width, height)));
  try {
    if (job.cancelled) throw new Failure('aborted', 'aborted by the caller');
    lap('decode');
    const { x, y, width, height, rows } = unwrap(go.fit(decoded.width, decoded.height));
    for (let top = 0; top < height; top += rows) {
      const strip = await decoded.rows(x, y + top, width, Math.min(rows, height - top));
      lap('decode');
      unwrap(go.write(strip));
      lap('preprocess');
    }
    unwrap(go.finish(decoded.swapped));
    lap('preprocess');
  } finally {
    decoded.close();
  }
  return timings;
}

// Takes a picture through all that the first one would be the first to use, so that it need not wait for compilers. No
// message comes between its steps, none of which waits for more than a promise that is settled already.
function rehearse() {
  if (!hasCanvas || received > 1) return;
  const picture = new OffscreenCanvas(640, 480);
  picture.getContext('2d')?.fillRect(0, 0, 320, 240);
  classify({ picture, topK: 1, threshold: 0, allow: null, deny: null, heatmap: true }, { id: 0, cancelled: false })
    .catch((e) => crash(messageOf(e)));
}

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

// Modules that use one instruction of SIMD each, of the fixed and of the relaxed set. What validates is there, also where a
// policy forbids to compile.
const HEAD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0]; // one function without parameters to a v128
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
