// Pictures as rows of pixels, from whatever the page has sent.

import type { Picture, PixelFormat, Pixels, Strip } from '../api/protocol.ts';
import { Failure } from '../lib/failure.ts';
import { need } from '../lib/need.ts';
import { isOutOfMemory, messageOf } from '../lib/thrown.ts';
import { complete } from './complete.ts';
import { advice, describe } from './describe.ts';
import { HEAD, imageSize, read } from './imagesize.ts';

/** A decoded, upright picture. */
export interface Decoded {
  width: number;
  height: number;
  format: PixelFormat;
  /**
   * The pixels of a rectangle, four bytes each: written to the beginning of strip, or else returned, which hold until
   * the next call.
   */
  rows(x: number, y: number, width: number, height: number, strip: Strip): Promise<ImageData | null>;
  close(): void;
}

/** Pictures of more pixels, or of an unknown number, are decoded one at a time: they may take 400 MB each. */
const LARGE = 1 << 24;

/**
 * Decodes a picture; check throws for a size that is refused, if possible before anything is decoded. A large one waits
 * for its turn.
 */
export async function decode(
  picture: Picture, check: (width: number, height: number) => void, turn: Promise<void>,
): Promise<Decoded> {
  if (!(picture instanceof Blob)) {
    check(picture.width, picture.height);
    return 'data' in picture ? fromPixels(picture) : await fromBitmap(picture, true, undefined);
  }
  const head = new Uint8Array(await read(picture, 0, HEAD));
  if (picture.size === 0) {
    throw new Failure('image-decode', 'the picture file is empty; choose another, or copy it again');
  }
  const size = await imageSize(picture, head);
  if (size) check(size.width, size.height);
  if (!size || size.width * size.height > LARGE) await turn;
  need('createImageBitmap');
  let bitmap;
  try {
    // A JPEG without a colour profile looks the same without the last two options, which take Chromium twice as long.
    bitmap = await bitmapOf(picture, head, {
      imageOrientation: 'from-image',
      ...(!size?.plain && { colorSpaceConversion: 'none', premultiplyAlpha: 'none' }),
    });
  } catch (e) {
    if (isOutOfMemory(e) || e instanceof Failure) throw e;
    const found = describe(head, picture.size);
    throw new Failure('image-decode', `want a picture, got ${picture.type || 'a file'} of ${found}; ${advice(head)}`);
  }
  try {
    check(bitmap.width, bitmap.height);
    return await fromBitmap(bitmap, !size?.opaque, size?.upright);
  } catch (e) {
    bitmap.close();
    throw e;
  }
}

// Decodes a file that is not cut short. Chromium refuses those that are, so there the end of a large file, which takes a
// millisecond to read, is looked at only after that.
async function bitmapOf(file: Blob, head: Uint8Array<ArrayBuffer>, options: ImageBitmapOptions) {
  if (!isChromium || file.size <= HEAD) return createImageBitmap(await complete(file, head), options);
  try {
    return await createImageBitmap(file, options);
  } catch (e) {
    if (isOutOfMemory(e)) throw e;
    const whole = await complete(file, head);
    if (whole === file) throw e;
    return createImageBitmap(whole, options);
  }
}

// Chromium alone has userAgentData, though not on plain http, where pictures are read as in other browsers.
const isChromium = 'userAgentData' in navigator;

/**
 * Reads a bitmap through a frame or a canvas. Frames have the pixels as they are. A canvas keeps those of opaque
 * bitmaps, but rounds the colours of others, as it multiplies them by their alpha. Frames are faster in Chromium, in a
 * tenth of the time; Firefox copies the whole frame for each rectangle, so there a frame is read at once, where alpha
 * calls for one. mayHaveAlpha is false for opaque pictures, isUpright for those that the file turns.
 */
async function fromBitmap(
  bitmap: ImageBitmap, mayHaveAlpha: boolean, isUpright: boolean | undefined,
): Promise<Decoded> {
  if (mayHaveAlpha || (isChromium && isUpright !== false)) {
    const frame = frameOf(bitmap, mayHaveAlpha);
    if (frame && isChromium && !isTurned(frame, bitmap)) return fromFrame(frame, bitmap);
    if (frame?.format?.endsWith('A')) return fromWholeFrame(frame, bitmap);
    frame?.close();
  }
  return fromCanvas(bitmap);
}

function frameOf(bitmap: ImageBitmap, mayHaveAlpha: boolean): VideoFrame | null {
  let frame: VideoFrame;
  try {
    frame = new VideoFrame(bitmap, { timestamp: 0, alpha: mayHaveAlpha ? 'keep' : 'discard' });
  } catch {
    return null;
  }
  // A canvas converts colours that are not sRGB's.
  if (isFormat(frame.format) && (frame.colorSpace.primaries ?? 'bt709') === 'bt709') return frame;
  frame.close();
  return null;
}

const isFormat = (format: string | null): format is PixelFormat => /^(RGB|BGR)[AX]$/.test(format ?? '');

/** What the specification has since 2024, and the types not yet: a frame is turned clockwise, then mirrored. */
type Turned = VideoFrame & { rotation?: number; flip?: boolean };

function isTurned(frame: Turned, { width, height }: ImageBitmap) {
  return Boolean(frame.rotation || frame.flip) || frame.codedWidth !== width || frame.codedHeight !== height;
}

// Fails as a picture that cannot be read, unless memory is short.
function unreadable(e: unknown): unknown {
  if (isOutOfMemory(e) || e instanceof Failure) return e;
  return new Failure('image-decode',
    `the pixels of the picture could not be read: ${messageOf(e)}; try again, or save it anew`);
}

function fromFrame(frame: VideoFrame, bitmap: ImageBitmap): Decoded {
  return {
    width: bitmap.width,
    height: bitmap.height,
    format: isFormat(frame.format) ? frame.format : 'RGBA',
    async rows(x, y, width, height, strip) {
      try {
        await frame.copyTo(strip.subarray(0, width * height * 4), { rect: { x, y, width, height } });
      } catch (e) {
        throw unreadable(e);
      }
      return null;
    },
    close() {
      frame.close();
      bitmap.close();
    },
  };
}

// Reads a frame at once, and turns it upright.
async function fromWholeFrame(frame: Turned, bitmap: ImageBitmap): Promise<Decoded> {
  const { codedWidth: width, codedHeight: height, rotation = 0, flip = false } = frame;
  const format = isFormat(frame.format) ? frame.format : 'RGBA';
  try {
    const data = new Uint8ClampedArray(width * height * 4);
    await frame.copyTo(data, { rect: { x: 0, y: 0, width, height } });
    return fromPixels(upright({ width, height, data }, rotation, flip), format);
  } catch (e) {
    throw unreadable(e);
  } finally {
    frame.close();
    bitmap.close();
  }
}

// Turns pixels clockwise by a multiple of 90 degrees, then mirrors them.
function upright(pixels: Pixels, rotation: number, flip: boolean): Pixels {
  if (!rotation && !flip) return pixels;
  const { width, height } = pixels;
  const quarter = rotation % 180 !== 0;
  const [w, h] = quarter ? [height, width] : [width, height];
  const from = new Uint32Array(pixels.data.buffer);
  const to = new Uint32Array(from.length);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const u = flip ? w - 1 - x : x;
      const [i, j] = rotation === 90 ? [y, height - 1 - u]
        : rotation === 180 ? [width - 1 - u, height - 1 - y]
        : rotation === 270 ? [width - 1 - y, u]
        : [u, y];
      to[y * w + x] = from[j * width + i];
    }
  }
  return { width: w, height: h, data: new Uint8ClampedArray(to.buffer) };
}

const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(1, 1) : null;
const context = canvas?.getContext('2d', { willReadFrequently: true });

function fromCanvas(bitmap: ImageBitmap): Decoded {
  return {
    width: bitmap.width,
    height: bitmap.height,
    format: 'RGBA',
    async rows(x, y, width, height) {
      need('OffscreenCanvas');
      try {
        if (!canvas || !context) throw new Error('there is no 2D context');
        if (canvas.width !== width || canvas.height < height) {
          canvas.width = width;
          canvas.height = height;
        }
        context.globalCompositeOperation = 'copy';
        context.imageSmoothingEnabled = false;
        context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
        return context.getImageData(0, 0, width, height);
      } catch (e) {
        throw unreadable(e);
      }
    },
    close() {
      bitmap.close();
    },
  };
}

// Pixels go to Go without a canvas, which would round the colours of transparent ones.
function fromPixels({ data, width: stride, height: all }: Pixels, format: PixelFormat = 'RGBA'): Decoded {
  if (data.length !== stride * all * 4) {
    throw new Failure('image-decode', `want ${stride * all * 4} bytes for ${stride}×${all} pixels, got ${data.length}`);
  }
  return {
    width: stride,
    height: all,
    format,
    async rows(x, y, width, height, strip) {
      for (let i = 0; i < height; i++) {
        const from = ((y + i) * stride + x) * 4;
        strip.set(data.subarray(from, from + width * 4), i * width * 4);
      }
      return null;
    },
    close() {},
  };
}

/** Whether the browser changes pixels that are read back, as some do against fingerprinting. */
export function isNoisy() {
  if (!canvas || !context) return false;
  const drawn = context.createImageData(32, 32);
  for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (i * 2654435761) >>> 24;
  canvas.width = canvas.height = 32;
  context.putImageData(drawn, 0, 0);
  const back = context.getImageData(0, 0, 32, 32);
  canvas.width = canvas.height = 1;
  return back.data.some((x, i) => x !== drawn.data[i]);
}
