// Takes pictures from the page, from whatever a caller passes, in the form in which the worker takes them.

import { Failure } from '../lib/failure.ts';
import { isKind, kind } from '../lib/kind.ts';
import { need } from '../lib/need.ts';
import { patience } from '../lib/patience.ts';
import { isOutOfMemory, messageOf } from '../lib/thrown.ts';
import type { Source } from '../types/resnet.d.ts';
import { ResnetError, clip } from './error.ts';
import { MAX_PIXELS, MAX_SIDE } from './protocol.ts';
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
    if (cause instanceof Failure) throw new ResnetError(cause.code, cause.message, { cause });
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

// Sizes are checked before anything is copied.
async function picture(source: Source, stop: AbortController): Promise<Picture> {
  if (isKind(source, 'String', 'URL')) return download(source, stop);
  if (isKind(source, 'Blob', 'File')) return source;
  if (isKind(source, 'ArrayBuffer')) return new Blob([source]);
  if (isKind(source, 'ImageData')) {
    checkSize(source, source.width, source.height);
    return pixels(source) ?? bitmap(source);
  }
  if (isKind(source, 'HTMLImageElement')) {
    await loaded(source, stop.signal);
    if (!source.complete || !source.naturalWidth) {
      throw new ResnetError('image-decode', 'resnet: the image element has no picture '
        + `(src ${clip(source.src)}); wait for its load event, or check the address`);
    }
    checkSize(source, source.naturalWidth, source.naturalHeight);
    return bitmap(source, 'none'); // as files are read
  }
  if (isKind(source, 'HTMLVideoElement')) {
    if (source.readyState < 2) {
      throw new ResnetError('image-decode', 'resnet: the video has no frame yet; wait for its loadeddata event');
    }
    if (!source.videoWidth) {
      throw new ResnetError('image-decode', 'resnet: the video has sound alone; pass one with a picture');
    }
    checkSize(source, source.videoWidth, source.videoHeight);
    return frame(source);
  }
  if (isKind(source, 'VideoFrame')) {
    if (!source.codedWidth) {
      throw new ResnetError('image-decode', 'resnet: the VideoFrame is closed; pass one that is open');
    }
    checkSize(source, source.displayWidth, source.displayHeight);
    return bitmap(source);
  }
  if (isKind(source, 'HTMLCanvasElement', 'OffscreenCanvas', 'ImageBitmap')) {
    if (!source.width || !source.height) {
      throw new ResnetError('image-decode', `resnet: the ${kind(source)} is ${source.width}×${source.height}; `
        + 'it needs at least one pixel, and must not be closed');
    }
    checkSize(source, source.width, source.height);
    return bitmap(source);
  }
  throw new ResnetError('bad-option', 'resnet: source: want a Blob, File, ArrayBuffer, ImageBitmap, ImageData, '
    + `VideoFrame, image, video or canvas element, or a URL string; got ${kind(source)}`);
}

function checkSize(source: Source, width: number, height: number) {
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS) return;
  throw new ResnetError('image-too-large', `resnet: image is too large: want at most ${MAX_SIDE} pixels a side and `
    + `${MAX_PIXELS / 1e6} million in all, got ${kind(source)} of ${width}×${height}; scale it down first`);
}

// Waits for the picture of an image element's present address. Its decode method cannot tell that: in Firefox it
// speaks of the picture before, as long as that is shown.
async function loaded(image: HTMLImageElement, signal: AbortSignal) {
  if (image.complete) return;
  if (image.loading === 'lazy') image.loading = 'eager'; // else it may never come
  const end = performance.now() + ELEMENT_STALL;
  while (!image.complete && !signal.aborted && performance.now() < end) {
    await new Promise((resolve) => {
      for (const event of ['load', 'error']) image.addEventListener(event, resolve, { once: true });
      setTimeout(resolve, 200);
    });
  }
}

// Draws a video's frame, as phones turn their videos by a flag that createImageBitmap leaves aside in Firefox.
function frame(video: HTMLVideoElement) {
  need('OffscreenCanvas');
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext('2d');
  if (!context) throw new RangeError('memory for a canvas was refused');
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.transferToImageBitmap();
}

// A copy of the bytes of ImageData, unless its colours are to be converted.
function pixels({ width, height, data, colorSpace }: ImageData): Pixels | null {
  if (!isKind(data, 'Uint8ClampedArray') || colorSpace === 'display-p3') return null;
  return { width, height, data: data.slice() };
}

// An upright copy with straight alpha. Colours are left as they are with 'none'; else those of a canvas, a frame or
// pixels that are in another colour space, such as display-p3, become sRGB.
async function bitmap(source: ImageBitmapSource, colorSpaceConversion: ColorSpaceConversion = 'default') {
  need('createImageBitmap');
  try {
    return await createImageBitmap(source, {
      imageOrientation: 'from-image', colorSpaceConversion, premultiplyAlpha: 'none',
    });
  } catch (cause) {
    if (isOutOfMemory(cause)) throw cause;
    if (cause instanceof DOMException && cause.name === 'SecurityError') throw tainted(cause);
    throw new ResnetError('image-decode', `resnet: the browser gives no pixels of the ${kind(source)}; `
      + 'its picture may be damaged, have no size of its own (SVG), or need more memory than there is', { cause });
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
    const scheme = clip(url).replace(/:.*/s, '').toLowerCase();
    const advice = scheme === 'blob' ? 'it may have been revoked, or be from another page: pass the Blob itself'
      : scheme === 'data' ? 'the address is malformed, or the policy of the page (CSP) forbids it: pass a Blob'
      : 'check the address; a picture on another site must allow this one (CORS)';
    throw new ResnetError('image-fetch', `resnet: ${clip(url)}: ${messageOf(cause)}; ${advice}`, { cause });
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
