// Every message that crosses a border of the browser's side: between page and worker, to kernel threads and to the
// service worker, and between a site and the frame of <resnet-classifier>; and the functions of the Go program, which
// wasm/main.go tells more about. Both ends import these types, so the type check finds an end that speaks otherwise.

import type {
  Benchmark, ErrorCode, Heatmap, Info, Parts, Progress, Rectangle, Result, Simd, Timings,
} from '../types/resnet.d.ts';

/**
 * Tells files of one build from those of another: the build derives it from this file and from what it imports. Page,
 * worker and Go program compare it before they speak.
 */
declare const PROTOCOL: string;
export const protocol = PROTOCOL;

// Page and worker. Each request has an id, by which its answers are known: several may be under way at once.

/** Straight RGBA, 4 bytes a pixel, row by row. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** How a VideoFrame names the order of a pixel's bytes; X has no meaning. */
export type PixelFormat = 'RGBA' | 'BGRA' | 'RGBX' | 'BGRX';

/** The machine's memory for rows of a picture, shared if there are threads. */
export type Strip = Uint8Array<ArrayBufferLike>;

/** What the worker takes as a picture. It closes bitmaps. */
export type Picture = Blob | ImageBitmap | Pixels;

// Limits of a picture, see resnet/prep.go.
export const MAX_SIDE = 32767;
export const MAX_PIXELS = 100_000_000;

/** A file as manifest.json describes it. */
export interface FileEntry {
  bytes: number;
  sha256: string;
}

/** manifest.json, see Manifest in web/build/main.go. */
export interface Manifest {
  version?: string;
  model?: string;
  files: Record<string, FileEntry>;
}

export interface Settings {
  threads: 'auto' | number;
  simd: 'auto' | Simd;
  lang: string; // of the labels
}

/** A model by its address; with entry, if the manifest vouches for it. */
export interface ModelAddress {
  model: string;
  entry: FileEntry | undefined;
}

/** A model that a manifest vouches for. */
export interface ListedModel extends ModelAddress {
  entry: FileEntry;
}

/** The part of a picture that is looked at, and how it is fitted to the network's input. */
export interface View {
  region: Rectangle | null;
  squash: boolean;
}

/** What a call asks about a picture. */
export interface Question extends View {
  topK: number;
  threshold: number;
  allow: readonly (number | string)[] | null;
  deny: readonly (number | string)[] | null;
  heatmap: number; // a class, BEST or NONE
  features: boolean;
}

export const BEST = -1;
export const NONE = -2;

/** A heat map without its place in the picture. */
export type HeatmapData = Omit<Heatmap, 'box'>;

/** What the network found. */
export interface Finding {
  number: number; // for heat maps of other classes
  indices: number[];
  probabilities: number[];
  sure: boolean;
  box: Rectangle;
  heatmap?: HeatmapData;
  features?: Float32Array<ArrayBuffer>;
}

export interface Requests {
  open: Settings & Omit<Parts, 'worker' | 'model'> & {
    model?: string | Parts['model'];
    entry?: FileEntry;
    module?: WebAssembly.Module; // what an earlier worker has compiled from wasm
    guess?: ListedModel; // what the manifest probably names, to be asked for beside it
  };
  classify: Question & { picture: Picture };
  heatmap: { number: number; index: number };
  embed: View & { picture: Picture };
  input: View & { picture: Picture };
  benchmark: { runs: number };
}

export interface Answers {
  open: { info: Info; module: WebAssembly.Module; address: ModelAddress | null };
  classify: Finding & { timings: Omit<Timings, 'total'>; width: number; height: number }; // of the upright picture
  heatmap: HeatmapData;
  embed: Float32Array<ArrayBuffer>;
  input: Uint8Array<ArrayBuffer>;
  benchmark: Benchmark;
}

export type Op = keyof Requests;

/** What fails in the worker arrives as a ResnetError in the page. */
export interface Problem {
  code: ErrorCode;
  message: string;
}

export type Request = { [K in Op]: { op: K; id: number } & Requests[K] }[Op];
export type Answer = { [K in Op]: { op: K; id: number; value: Answers[K] } }[Op];

export type ToWorker =
  | Request
  | { op: 'cancel'; id: number }
  | { op: 'kernel-lost' }; // a kernel thread could not be loaded

export type FromWorker =
  | Answer
  | { op: 'error'; id: number; error: Problem }
  | { op: 'progress'; id: number; progress: Progress }
  | { op: 'lock'; name: string } // which the worker holds until it ends, if this browser has locks (Web Locks)
  | { op: 'alive'; protocol: string } // all scripts of the worker have come
  | { op: 'kernels'; count: number } // so many kernel threads are to be started
  | { op: 'kernel'; work: KernelWork } // one of them is to do this work
  | { op: 'crash'; code: ErrorCode | undefined; message: string }; // the worker can no longer be used

/**
 * The worker that the page's boot script has started for the first classifier, if that asks the same of it: what it was
 * asked, and all that it has said since.
 */
export interface Booted {
  worker: Worker;
  request: Request & { op: 'open' };
  events: Event[];
}

declare global {
  var resnetBooted: Booted | undefined;
}

/** The machine and its shared memory, for a kernel thread to run. */
export interface KernelWork {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

// The Go program.

export type Reply<T> =
  | { value: T; error?: undefined }
  | { value?: undefined; error: { code: ErrorCode | ''; message: string } };

/** The global object resnet of the worker, once the program runs. */
export interface Program {
  protocol: string;
  prepare(settings: ProgramSettings): Reply<null>;
  open(bytes: Uint8Array, verified: boolean): Promise<Reply<Opened>>;
  warm(): Reply<boolean>;
  check(width: number, height: number): Reply<null>;
  picture(question: Question): Reply<number>;
  begin(picture: number, width: number, height: number): Reply<Part>;
  write(
    picture: number, rows: number, format: PixelFormat, pixels: ImageData | null,
  ): Reply<null>;
  run(picture: number): Reply<Finding>;
  embed(picture: number): Reply<Float32Array<ArrayBuffer>>;
  input(picture: number): Reply<Uint8Array<ArrayBuffer>>;
  drop(picture: number): Reply<null>;
  heatmap(number: number, index: number): Reply<HeatmapData>;
  benchmark(runs: number): Reply<Benchmark>;
}

export interface ProgramSettings {
  simd: 'auto' | Simd;
  fixed: boolean;
  relaxed: boolean;
  threads: 'auto' | number;
  start?: (count: number) => void;
  spawn?: (module: WebAssembly.Module, memory: WebAssembly.Memory) => void;
  lost?: () => number;
}

export interface Opened extends Pick<Info, 'architecture' | 'inputSize' | 'multiLabel' | 'simd' | 'threads'> {
  ids: string; // joined by NUL, in the order of classes
  labels: Record<string, string>; // by language; joined in the same way
}

/** The part of a picture that the network sees, and memory that takes so many of its rows. */
export interface Part extends Rectangle {
  rows: number;
  strip: Strip;
}

/** From the page to a new service worker that waits: it is to take over now. */
export type ToServiceWorker = 'activate';

// The element in somebody's page and the frame in it. Either may be of another version or somebody else's: each checks
// what it gets. web/README.md describes these messages for those who frame embed.html by hand.

/** A message of type M, or of one of the types of a union, before it is checked: any field may be missing or wrong. */
export type Unchecked<M> = { [K in M extends unknown ? keyof M : never]?: unknown };

export const VERSION = 1;
export const MOST_BYTES = 64 << 20; // of one picture

/** From the frame to the window around it. */
export interface Hello {
  resnet: 'hello';
  version: number;
}

/** The answer to Hello, with a MessagePort for all that follows. */
export interface Connect {
  resnet: 'connect';
  version: number;
  options: FrameOptions;
}

export interface FrameOptions {
  model?: string;
  topK?: number;
  threshold?: number;
  heatmap?: boolean;
  lang?: string;
  theme?: string;
  style?: Record<string, string>;
}

export type ToFrame =
  | { op: 'classify'; id: number; image: Blob | ArrayBuffer }
  | { op: 'cancel'; id: number }
  | { op: 'set'; options: FrameOptions }
  | { op: 'load' };

/** Where a picture is among those that the visitor gave together. */
interface Place {
  index?: number;
  count?: number;
}

export type FromFrame =
  | { event: 'size'; detail: number } // height of the content in CSS pixels
  | { event: 'progress'; detail: Progress }
  | { event: 'ready'; detail: Info }
  | { event: 'result'; id?: number; detail: Result & Place }
  | { event: 'error'; id?: number | 'load'; detail: { code: string; message: string } & Place };

