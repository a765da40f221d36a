// What is drawn on the canvases of the stage.

import type { Heatmap } from '../../types/resnet.d.ts';
import { context, onWhite, sizeOf } from './picture.ts';
import type { Box, Drawable } from './picture.ts';

/** Draws the box of an image: at most one canvas pixel per device pixel, and no more than 1024 a side. */
export function drawCrop(canvas: HTMLCanvasElement, image: Drawable, box: Box) {
  const most = Math.round(canvas.clientWidth * devicePixelRatio) || 512;
  drawBox(canvas, image, box, Math.min(most, 1024));
}

/** Draws the box of an image as a square of so many pixels a side. */
export function drawBox(canvas: HTMLCanvasElement, image: Drawable, box: Box, side: number) {
  canvas.width = canvas.height = side;
  const g = onWhite(canvas);
  g.imageSmoothingQuality = 'high';
  g.drawImage(image, box.x, box.y, box.width, box.height, 0, 0, canvas.width, canvas.height);
}

/** Draws a small view of an image with the box marked on it, or returns false if the box is nearly all of it. */
export function drawWhole(canvas: HTMLCanvasElement, image: Drawable, box: Box): boolean {
  const { width, height } = sizeOf(image);
  if (box.width > 0.96 * width && box.height > 0.96 * height) return false;
  const scale = 160 / Math.max(width, height);
  canvas.width = Math.max(24, Math.round(width * scale));
  canvas.height = Math.max(24, Math.round(height * scale));
  const sx = canvas.width / width;
  const sy = canvas.height / height;
  const g = onWhite(canvas);
  g.drawImage(image, 0, 0, canvas.width, canvas.height);
  g.fillStyle = 'rgb(0 0 0 / 0.55)';
  g.beginPath();
  g.rect(0, 0, canvas.width, canvas.height);
  g.rect(box.x * sx, box.y * sy, box.width * sx, box.height * sy);
  g.fill('evenodd');
  g.strokeStyle = '#fff';
  g.lineWidth = 3;
  g.strokeRect(box.x * sx + 1.5, box.y * sy + 1.5, box.width * sx - 3, box.height * sy - 3);
  return true;
}

// Dark violet, red, orange, pale yellow: lightness rises all along, so it reads without colour too.
const RAMP = [[30, 12, 60], [120, 28, 109], [207, 68, 70], [251, 155, 30], [252, 255, 190]];

/** Draws a heat map, to be laid over the crop. */
export function drawHeat(canvas: HTMLCanvasElement, { width, height, data }: Heatmap) {
  const side = 96;
  canvas.width = canvas.height = side;
  const most = Math.max(1e-6, ...data);
  const within = (i: number, n: number) => Math.min(n - 1, Math.max(0, i));
  const at = (x: number, y: number) => Math.max(0, data[within(y, height) * width + within(x, width)]) / most;
  const g = context(canvas);
  const pixels = g.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    // Cell centres of the map lie at half cells of the crop; between them, bilinear.
    const x = ((i % side) + 0.5) / side * width - 0.5;
    const y = (Math.floor(i / side) + 0.5) / side * height - 0.5;
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    const [fx, fy] = [x - x0, y - y0];
    const above = at(x0, y0) * (1 - fx) + at(x0 + 1, y0) * fx;
    const below = at(x0, y0 + 1) * (1 - fx) + at(x0 + 1, y0 + 1) * fx;
    const v = above * (1 - fy) + below * fy;
    const p = v * (RAMP.length - 1);
    const k = Math.min(RAMP.length - 2, Math.floor(p));
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = RAMP[k][c] + (RAMP[k + 1][c] - RAMP[k][c]) * (p - k);
    pixels.data[4 * i + 3] = 165 - 60 * v;
  }
  g.putImageData(pixels, 0, 0);
}
