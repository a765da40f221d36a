// Pictures as rows of pixels, from whatever the page has sent.

import type { Picture, Pixels } from '../api/protocol.ts';
import { Failure } from '../lib/failure.ts';
import { describe } from './describe.ts';
import { imageSize, read } from './imagesize.ts';

/** A decoded, upright picture. */
export interface Decoded {
  width: number;
  height: number;
  /** Whether red and blue have changed places. */
  swapped: boolean;
  /** The pixels of a rectangle, four bytes each; they hold until the next call. */
  rows(x: number, y: number, width: number, height: number): Promise<ImageData | Uint8Array | Uint8ClampedArray>;
  close(): void;
}

/** Decodes a picture; check throws for a size that is refused, if possible before anything is decoded. */
export async function decode(
  picture: Picture | OffscreenCanvas, check: (width: number, height: number) => void,
): Promise<Decoded> {
  if (!(picture instanceof Blob)) return 'data' in picture ? fromPixels(picture) : fromCanvas(picture);
  const head = new Uint8Array(await read(picture, 0, 64));
  if (picture.size === 0) throw new Failure('image-decode', 'the picture file is empty; choose another, or copy it again');
  const size = await imageSize(picture, head);
  if (size) check(size.width, size.height);
  let bitmap;
  try {
    // A JPEG without a colour profile looks the same without the last two options, which take Chromium twice as long.
    bitmap = await createImageBitmap(picture, {
      imageOrientation: 'from-image',
      ...(!size?.plain && { colorSpaceConversion: 'none', premultiplyAlpha: 'none' }),
    });
  } catch {
    const found = describe(head, picture.size);
    throw new Failure('image-decode', `want a picture, got ${picture.type || 'a file'} of ${found}; ${advice(head)}`);
  }
  try {
    check(bitmap.width, bitmap.height);
  } catch (e) {
    bitmap.close();
    throw e;
  }
  return (size?.upright && fromFrame(bitmap)) || fromCanvas(bitmap);
}

function advice(head: Uint8Array) {
  const text = String.fromCharCode(...head);
  if (/^....ftyp(hei|hev|mif1|msf1)/s.test(text)) return 'this browser cannot read HEIC photographs: save it as JPEG';
  if (/^....ftypavi/s.test(text)) return 'this browser cannot read this AVIF file: save it as JPEG or PNG';
  if (/<svg/i.test(text)) return 'an SVG drawing has no pixels: draw it on a canvas and pass that';
  if (/^\s*<(!doctype|html)/i.test(text)) return 'this is a web page: pass the address of the picture itself';
  return 'it is damaged or of a kind this browser does not read: use JPEG, PNG, WebP, GIF or BMP';
}

// The pixels of an opaque bitmap as they are, in a tenth of the time that a canvas takes: in Chromium, which alone has
// userAgentData. Firefox copies the whole frame for each rectangle of it. Frames are not turned upright.
function fromFrame(bitmap: ImageBitmap): Decoded | null {
  if (!('userAgentData' in navigator)) return null;
  const { width, height } = bitmap;
  let frame: VideoFrame;
  try {
    frame = new VideoFrame(bitmap, { timestamp: 0, alpha: 'discard' });
  } catch {
    return null;
  }
  if (!/^(RGB|BGR)[AX]$/.test(frame.format ?? '') || frame.codedWidth !== width || frame.codedHeight !== height) {
    frame.close();
    return null;
  }
  let buffer = new Uint8Array(0);
  return {
    width,
    height,
    swapped: frame.format?.startsWith('BGR') ?? false,
    async rows(x, y, w, h) {
      if (buffer.length < w * h * 4) buffer = new Uint8Array(w * h * 4);
      const rows = buffer.subarray(0, w * h * 4);
      await frame.copyTo(rows, { rect: { x, y, width: w, height: h } });
      return rows;
    },
    close() {
      frame.close();
      bitmap.close();
    },
  };
}

const canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(1, 1) : null;
const context = canvas?.getContext('2d', { willReadFrequently: true });

/** Whether pixels of bitmaps can be read here. */
export const hasCanvas = Boolean(context);

function fromCanvas(bitmap: ImageBitmap | OffscreenCanvas): Decoded {
  return {
    width: bitmap.width,
    height: bitmap.height,
    swapped: false,
    async rows(x, y, width, height) {
      if (!canvas || !context) {
        throw new Failure('wasm-unsupported',
          'this browser has no OffscreenCanvas to read pixels with; pass ImageData, or use a current browser');
      }
      if (canvas.width !== width || canvas.height < height) {
        canvas.width = width;
        canvas.height = height;
        context.globalCompositeOperation = 'copy';
        context.imageSmoothingEnabled = false;
      }
      context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
      return context.getImageData(0, 0, width, height);
    },
    close() {
      if ('close' in bitmap) bitmap.close();
    },
  };
}

// Pixels go to Go without a canvas, which would round the colours of transparent ones.
function fromPixels({ data, width: stride, height: all }: Pixels): Decoded {
  return {
    width: stride,
    height: all,
    swapped: false,
    async rows(x, y, width, height) {
      if (width === stride) return data.subarray(y * stride * 4, (y + height) * stride * 4);
      const rows = new Uint8Array(width * height * 4);
      for (let i = 0; i < height; i++) {
        const from = ((y + i) * stride + x) * 4;
        rows.set(data.subarray(from, from + width * 4), i * width * 4);
      }
      return rows;
    },
    close() {},
  };
}

/** Whether the browser changes pixels that are read back, as some do against fingerprinting. */
export function isNoisy() {
  if (!canvas || !context) return false;
  const drawn = new ImageData(32, 32);
  for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (i * 2654435761) >>> 24;
  canvas.width = canvas.height = 32;
  context.putImageData(drawn, 0, 0);
  const back = context.getImageData(0, 0, 32, 32);
  canvas.width = canvas.height = 1;
  return back.data.some((x, i) => x !== drawn.data[i]);
}
