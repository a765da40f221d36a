interface Kinds {
  String: string;
  URL: URL;
  ArrayBuffer: ArrayBuffer;
  Blob: Blob;
  File: File;
  ImageData: ImageData;
  ImageBitmap: ImageBitmap;
  OffscreenCanvas: OffscreenCanvas;
  VideoFrame: VideoFrame;
  HTMLImageElement: HTMLImageElement;
  HTMLVideoElement: HTMLVideoElement;
  HTMLCanvasElement: HTMLCanvasElement;
  AbortSignal: AbortSignal;
  Uint8ClampedArray: Uint8ClampedArray<ArrayBuffer>;
}

// What only a real one of a class has, whatever else calls itself so: a getter that refuses others, or a method.
const OWN: Record<keyof Kinds, string> = {
  String: 'valueOf', URL: 'href', ArrayBuffer: 'byteLength', Blob: 'size', File: 'lastModified', ImageData: 'width',
  ImageBitmap: 'width', OffscreenCanvas: 'width', VideoFrame: 'codedWidth', HTMLImageElement: 'complete',
  HTMLVideoElement: 'videoWidth', HTMLCanvasElement: 'width', AbortSignal: 'aborted', Uint8ClampedArray: 'length',
};

const isKnown = (name: string): name is keyof Kinds => Object.hasOwn(OWN, name);

/** The name of the class of x, also if it comes from another frame, whose classes are others. It never throws. */
export function kind(x: unknown): string {
  let name = 'unreadable object'; // such as a revoked Proxy
  try {
    name = Object.prototype.toString.call(x).slice(8, -1).slice(0, 100);
    if (!isKnown(name)) return name;
    const own: unknown = Reflect.get(Reflect.get(globalThis, name).prototype, OWN[name], x);
    if (typeof own === 'function') own.call(x);
    return name;
  } catch {
    return isKnown(name) ? `imitation of ${name}` : name;
  }
}

export function isKind<K extends keyof Kinds>(x: unknown, ...names: K[]): x is Kinds[K] {
  const its = kind(x);
  return names.some((name) => name === its);
}

export const isBytes = (x: unknown): x is BufferSource => isKind(x, 'ArrayBuffer')
  || (ArrayBuffer.isView(x) && isKind(x.buffer, 'ArrayBuffer'));
