// A picture on its way in: what the classifier gets, and what can be drawn of it here.

import type { Source } from '../../types/resnet.d.ts';
import type { Live } from '../app/state.ts';

export type Drawable = HTMLImageElement | HTMLCanvasElement;

export interface Picture {
  name: string; // '' for one without
  source: Promise<Source>;
  drawable: Promise<Drawable>;
  place?: { index: number; count: number }; // among those that were given together; index counts from 0
  live?: Live; // what it is a frame of
}

/** Whether a file is a video, by what the browser or its name says. */
export const isVideo = ({ type, name }: File) => /^video\//.test(type)
  || (!type && /\.(mp4|m4v|mov|webm|mkv|ogv)$/i.test(name));

export function fromFile(file: Blob, name = file instanceof File ? file.name : ''): Picture {
  const url = URL.createObjectURL(file);
  const isDrawing = /^image\/svg\+xml\b/.test(file.type);
  const drawable: Promise<Drawable> = isDrawing ? draw(url) : load(url);
  const done = () => URL.revokeObjectURL(url);
  drawable.then(done, done); // on failure nothing more: the classifier says what is wrong
  return { name, source: isDrawing ? drawable : Promise.resolve(file), drawable };
}

export function fromDrawing(url: string, name: string): Picture {
  const drawable = draw(url);
  drawable.catch(() => {});
  return { name, source: drawable, drawable };
}

export function fromCanvas(canvas: HTMLCanvasElement): Picture {
  return { name: '', source: Promise.resolve(canvas), drawable: Promise.resolve(canvas) };
}

/** A decoded image element. */
function load(url: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => {
      reject(Object.assign(new Error('the browser cannot decode this picture'), { code: 'image-decode' }));
    };
    image.src = url;
  });
}

const SIDE = 512; // pixels at which a drawing becomes a picture

/** A canvas that shows a drawing (SVG), which has no pixels until somebody says how many. */
async function draw(url: string): Promise<HTMLCanvasElement> {
  const image = await load(url);
  const w = image.naturalWidth || 1;
  const h = image.naturalHeight || 1;
  const scale = Math.min(SIDE / Math.min(w, h), 4 * SIDE / Math.max(w, h));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  onWhite(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

export interface Box { x: number; y: number; width: number; height: number }

export function sizeOf(image: Drawable): { width: number; height: number } {
  return image instanceof HTMLImageElement ? { width: image.naturalWidth, height: image.naturalHeight } : image;
}

const PREVIEW_PIXELS = 100e6; // larger pictures are not decoded here before the classifier has checked them

/** The square in the middle, to show before the classifier says what it saw; null for a picture too large to show. */
export function middle(image: Drawable): Box | null {
  const { width, height } = sizeOf(image);
  if (width * height > PREVIEW_PIXELS) return null;
  const side = Math.min(width, height);
  return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
}

/** The drawing context of a canvas. */
export function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const g = canvas.getContext('2d');
  if (!g) throw new Error('this browser has no memory left to draw with');
  return g;
}

/** The same, after filling the canvas with white. */
export function onWhite(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const g = context(canvas);
  g.fillStyle = '#fff';
  g.fillRect(0, 0, canvas.width, canvas.height);
  return g;
}
