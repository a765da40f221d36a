// Takes pictures from the page, from whatever a caller passes, in the form in which the worker takes them.

import { isKind, kind } from '../lib/kind.ts';
import { patience } from '../lib/patience.ts';
import { isOutOfMemory, messageOf } from '../lib/thrown.ts';
import type { Source } from '../types/resnet.d.ts';
import { ResnetError, clip } from './error.ts';
import type { Picture, Pixels } from './protocol.ts';

const ELEMENT_STALL = 30_000; // ms that an image element's download may take

export const base = () => globalThis.document?.baseURI ?? location.href;
export const absolute = (url: string | URL) => new URL(url, base()).href;

/** Turns a source into what a worker takes. */
export async function take(source: Source, stop: AbortController): Promise<Picture> {
  try {
    return await picture(source, stop);
  } catch (cause) {
    if (cause instanceof ResnetError) throw cause;
    if (isOutOfMemory(cause)) {
      throw new ResnetError('out-of-memory',
        `resnet: no memory for a copy of the ${kind(source)}: ${messageOf(cause)}; `
        + 'close other pages, or use a smaller picture', { cause });
    }
    throw new ResnetError('image-decode',
      `resnet: the ${kind(source)} cannot be read: ${messageOf(cause)}; `
      + 'it may have been closed, or its buffer handed to somebody else', { cause });
  }
}

async function picture(source: Source, stop: AbortController): Promise<Picture> {
  if (isKind(source, 'String', 'URL')) return download(source, stop);
  if (isKind(source, 'Blob', 'File')) return source;
  if (isKind(source, 'ArrayBuffer')) return new Blob([source]);
  if (isKind(source, 'ImageData')) return pixels(source) ?? bitmap(source);
  if (isKind(source, 'HTMLImageElement')) {
    if (!source.complete) {
      const stalled = new Promise((resolve) => { setTimeout(resolve, ELEMENT_STALL); });
      await Promise.race([source.decode().catch(() => {}), stalled]);
    }
    if (!source.complete || !source.naturalWidth) {
      throw new ResnetError('image-decode', 'resnet: the image element has no picture '
        + `(src ${clip(source.currentSrc || source.src)}); wait for its load event, or check the address`);
    }
    return bitmap(source, 'none'); // as files are read
  }
  if (isKind(source, 'HTMLVideoElement')) {
    if (source.readyState < 2) {
      throw new ResnetError('image-decode', 'resnet: the video has no frame yet; wait for its loadeddata event');
    }
    return bitmap(source, 'none'); // as files are read
  }
  if (isKind(source, 'VideoFrame')) {
    if (!source.codedWidth) {
      throw new ResnetError('image-decode', 'resnet: the VideoFrame is closed; pass one that is open');
    }
    return bitmap(source);
  }
  if (isKind(source, 'HTMLCanvasElement', 'OffscreenCanvas', 'ImageBitmap')) {
    if (!source.width || !source.height) {
      throw new ResnetError('image-decode', `resnet: the ${kind(source)} is ${source.width}×${source.height}; `
        + 'it needs at least one pixel, and must not be closed');
    }
    return bitmap(source);
  }
  throw new ResnetError('bad-option', 'resnet: source: want a Blob, File, ArrayBuffer, ImageBitmap, ImageData, '
    + `VideoFrame, image, video or canvas element, or a URL string; got ${kind(source)}`);
}

// A copy of the bytes of ImageData, unless its colours are to be converted.
function pixels({ width, height, data, colorSpace }: ImageData): Pixels | null {
  if (!isKind(data, 'Uint8ClampedArray') || colorSpace === 'display-p3') return null;
  return { width, height, data: data.slice() };
}

// An upright copy with straight alpha. Colours are left as they are with 'none'; else those of a canvas, a frame or
// pixels that are in another colour space, such as display-p3, become sRGB.
async function bitmap(source: ImageBitmapSource, colorSpaceConversion: ColorSpaceConversion = 'default') {
  try {
    return await createImageBitmap(source, {
      imageOrientation: 'from-image', colorSpaceConversion, premultiplyAlpha: 'none',
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'SecurityError') throw tainted(cause);
    throw new ResnetError('image-decode',
      `resnet: no picture could be taken from the ${kind(source)}: ${messageOf(cause)}`, { cause });
  }
}

async function download(url: string | URL, stop: AbortController) {
  const { signal, alive, end } = patience(stop);
  try {
    url = absolute(url);
    const response = await fetch(url, { signal });
    if (!response.ok || !response.body) {
      throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    }
    const pieces = [];
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(pieces, { type: response.headers.get('Content-Type') ?? '' });
      pieces.push(value);
      alive();
    }
  } catch (cause) {
    throw new ResnetError('image-fetch', `resnet: ${clip(url)}: ${messageOf(cause)}; `
      + 'check the address; a picture on another site must allow this one (CORS)', { cause });
  } finally {
    end();
  }
}

/** What of a picture is handed over to the worker. */
export function transferable(picture: Picture): Transferable[] {
  if (isKind(picture, 'Blob', 'File')) return [];
  return [isKind(picture, 'ImageBitmap') ? picture : picture.data.buffer];
}

/** The error for a picture that another site keeps for itself. */
export function tainted(cause: unknown) {
  return new ResnetError('image-tainted',
    'resnet: the picture comes from another site that does not let this page read it; '
    + "load it with crossorigin='anonymous' from a server that allows that (CORS), or pass the file itself", { cause });
}
