// Types of resnet.js.

/** How alike the features of two pictures are: the cosine of the angle between them, −1 to 1. */
export function similarity(a: ArrayLike<number>, b: ArrayLike<number>): number;

/** Loads the runtime and a model. Rejects with a {@link ResnetError}. */
export function createClassifier(options?: CreateOptions): Promise<Classifier>;

export interface CreateOptions {
  /** A model file: its address, or its bytes. Default: the one shipped beside resnet.js. */
  model?: string | URL | ArrayBuffer | ArrayBufferView;
  /** Threads to compute with. More than 1 needs a cross-origin isolated page; elsewhere 1 is used. Default: 'auto'. */
  threads?: 'auto' | number;
  /**
   * Instructions to compute with; all give the same bits. 'none' is plain Go, and slow. Default: 'auto', the fastest
   * here.
   */
  simd?: 'auto' | Simd;
  /** Language of the labels, such as navigator.language; English where the model has none in it. Default: 'en'. */
  lang?: string;
  /** Called while loading, at most 25 times a second for each phase. */
  onProgress?: (progress: Progress) => void;
  /** Ends loading; the promise then rejects with the code 'aborted'. */
  signal?: AbortSignal | null;
}

export type Simd = 'relaxed' | 'fixed' | 'none';

/** runtime and model load side by side, in bytes; total is 0 while it is unknown. warmup goes from 0 to 1. */
export interface Progress {
  phase: 'runtime' | 'model' | 'warmup';
  loaded: number;
  total: number;
}

/**
 * What can be classified. A string is a URL, relative to the page; an ArrayBuffer has the bytes of a picture file. It
 * stays the caller's: frames and bitmaps are not closed, buffers not detached.
 *
 * Files are what the browser decodes; of an animation the first picture counts. A file that is cut short is refused,
 * unless nothing but its end marker is missing. Colour profiles are ignored, and so is the orientation that a WebP file
 * may have (Exif), as browsers ignore it; that of JPEG and PNG is followed.
 *
 * Elements must be readable (CORS). An image element is waited for, at the address it has at the time of the call; one
 * that loads lazily is set to load now. A video must have a frame. Canvases, frames and pixels in another colour space,
 * such as display-p3, are converted to sRGB. A WebGL or WebGPU canvas loses its picture once it has been shown, and is
 * then classified as empty: call in the function that draws, or create the context with `preserveDrawingBuffer: true`.
 */
export type Source =
  | Blob
  | ArrayBuffer
  | ImageBitmap
  | ImageData
  | VideoFrame
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | string
  | URL;

/** Calls run one after another, in the order they were made, each with its source as it was when the call was made. */
export interface Classifier {
  readonly info: Info;
  classify(source: Source, options?: ClassifyOptions): Promise<Result>;
  /**
   * Classifies many pictures, in their order: `for await (const { index, source, result, error } of …)`. Of each there is
   * a result or an error; one bad picture does not end it. Few are taken from `sources` ahead of the answers, and none
   * while the loop's body takes its time, so that memory does not grow with their number. Leaving the loop, or the
   * signal, gives up what is under way; the signal makes the loop throw the error 'aborted'.
   */
  classifyAll<S extends Source | PromiseLike<Source>>(
    sources: Iterable<S> | AsyncIterable<S>, options?: ClassifyOptions,
  ): AsyncGenerator<Outcome<S>, void, undefined>;
  /** The features before the last layers: an average of each channel of the last feature map. */
  embed(source: Source, options?: ViewOptions): Promise<Float32Array>;
  /**
   * Where the network saw another class, without another run; for the latest results of this classifier, 8 or more.
   * Rejects with 'bad-option' for those that are too old.
   */
  heatmap(result: Result, index: number, options?: CallOptions): Promise<Heatmap>;
  /** Times the network alone, on a fixed picture. */
  benchmark(options?: BenchmarkOptions): Promise<Benchmark>;
  /** Frees everything. Calls that wait, and later ones, reject with the code 'closed'. */
  close(): void;
}

export interface Info {
  /** The model's address; '' for one given as bytes. */
  readonly model: string;
  readonly architecture: string;
  readonly classes: readonly ModelClass[];
  /** Side of the square that the network sees, in pixels. */
  readonly inputSize: number;
  /**
   * Whether the classes do not exclude each other: each probability is then one of its own, they need not sum to 1, and
   * `sure` says that the best class is there.
   */
  readonly multiLabel: boolean;
  readonly simd: Simd;
  readonly threads: number;
  /** Size of the model file. */
  readonly bytes: number;
  /** Present if this browser alters pixels that are read from a canvas, which may alter results a little. */
  readonly noise?: true;
}

export interface Class {
  readonly index: number;
  /** WordNet id, or ''. */
  readonly id: string;
  /** In the language of the classifier. */
  readonly label: string;
}

export interface ModelClass extends Class {
  /** By language: 'en' and, where the model has them, others. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface CallOptions {
  /** Ends the call; its promise then rejects at once with the code 'aborted'. */
  signal?: AbortSignal | null;
}

/** What of a picture the network looks at. */
export interface ViewOptions extends CallOptions {
  /**
   * The part to look at, in whole pixels of the upright source: cut out first, then treated as if it were the picture.
   * Default: all of it.
   */
  region?: Rectangle | null;
  /**
   * 'crop' scales the shorter side and takes the centre square, as torchvision does; 'squash' scales the whole region
   * to a square. Default: 'crop'.
   */
  fit?: 'crop' | 'squash';
}

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface ClassifyOptions extends ViewOptions {
  /** The most predictions to give, from 1. Default: 5. */
  topK?: number;
  /** The least probability of a prediction, 0 to 1. Default: 0. */
  threshold?: number;
  /**
   * Only these classes: index, id or label; all, if the list is empty. Probabilities remain those among all classes.
   */
  allow?: readonly (number | string)[] | null;
  /** Not these classes. */
  deny?: readonly (number | string)[] | null;
  /** Where the network saw the best class (true), or the class of an index. Default: false. */
  heatmap?: boolean | number;
  /** Adds what embed() gives, from the same run. Default: false. */
  features?: boolean;
}

export interface Result {
  /** Best first. */
  predictions: Prediction[];
  /** Whether the first prediction is likely enough to be told as fact; the model knows the limit. */
  sure: boolean;
  heatmap?: Heatmap;
  features?: Float32Array;
  timings: Timings;
}

/** What classifyAll says of one of its sources. */
export type Outcome<S = Source> = {
  /** Its place among the sources, from 0. */
  readonly index: number;
  readonly source: S;
} & ({ readonly result: Result; readonly error?: undefined } | { readonly result?: undefined; readonly error: ResnetError });

export interface Prediction extends Class {
  /** 0 to 1, among all classes of the model; of its own where classes do not exclude each other. */
  readonly probability: number;
}

export interface Heatmap {
  /** The class. */
  index: number;
  width: number;
  height: number;
  /** width × height values, row by row; their mean is the class's logit less what does not depend on the place. */
  data: Float32Array;
  /** The part of the picture that the network saw and the map lies on, in upright pixels of the source. */
  box: Rectangle;
}

/** Milliseconds. */
export interface Timings {
  /** Reading and decoding the picture, but for the time in which the one before was scaled and computed. */
  decode: number;
  /** Scaling to the network's input. */
  preprocess: number;
  /** The network. */
  inference: number;
  /** From the call to its result, waiting and messages included. */
  total: number;
}

export interface BenchmarkOptions extends CallOptions {
  /** Default: 10. */
  runs?: number;
}

/** Milliseconds of one inference. */
export interface Benchmark {
  median: number;
  min: number;
  max: number;
  /** Each op alone, on one thread. macs: multiply-adds. */
  perOp: { name: string; ms: number; macs: number }[];
}

export type ErrorCode =
  | 'environment'
  | 'model-fetch'
  | 'model-integrity'
  | 'model-format'
  | 'image-fetch'
  | 'image-tainted'
  | 'image-decode'
  | 'image-too-large'
  | 'bad-option'
  | 'out-of-memory'
  | 'worker-crashed'
  | 'aborted'
  | 'closed'
  | 'wasm-unsupported';

/** What every failure rejects with. The message says what was wanted, what came, and what to do. */
export class ResnetError extends Error {
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown });
  readonly code: ErrorCode;
  /** 'AbortError' for the code 'aborted'. */
  name: 'ResnetError' | 'AbortError';
  cause?: unknown;
}

/**
 * The same as createClassifier from given parts, for a page that carries everything inside it and makes no requests.
 */
export function createClassifierFrom(parts: Parts, options?: CreateOptions): Promise<Classifier>;

export interface Parts {
  /** Address (blob: too) of worker.js. */
  worker: string;
  /** Address of kernel.js, for threads. */
  kernel?: string;
  wasm: string | BufferSource | WebAssembly.Module;
  model?: Blob | BufferSource;
  /** Address of manifest.json, which names the model if neither parts nor options give one. */
  manifest?: string;
  /** Whether it may be ready before it has warmed up, as nobody has a picture at hand yet: a call at once is slower then. */
  warmsLater?: boolean;
}
