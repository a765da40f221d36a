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

/** The name of the class of x, also if it comes from another frame, whose classes are others. */
export const kind = (x: unknown): string => Object.prototype.toString.call(x).slice(8, -1);

export function isKind<K extends keyof Kinds>(x: unknown, ...names: K[]): x is Kinds[K] {
  const its = kind(x);
  return names.some((name) => name === its);
}

export const isBytes = (x: unknown): x is BufferSource => isKind(x, 'ArrayBuffer')
  || (ArrayBuffer.isView(x) && isKind(x.buffer, 'ArrayBuffer'));
