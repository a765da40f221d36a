// @ts-nocheck
// What the page and the embedded frame share: how pictures come in, the bars, the crop and its heat map.

export function make(tag, className, attributes = {}, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

/** Calls take with the DataTransfer of whatever is let go over the document or pasted into it. */
export function receive(take) {
  let depth = 0; // of drag events; they come for every element entered and left
  let own = false; // what is dragged is a part of this page
  const drag = (on) => document.body.classList.toggle('dragging', on);
  const isText = (e, transfer) => e.target.matches?.('input') && !transfer.types.includes('Files');
  const on = (type, act) => addEventListener(type, (e) => {
    if (own || isText(e, e.dataTransfer)) return;
    e.preventDefault();
    act(e);
  });
  addEventListener('dragstart', () => { own = true; });
  // What is dragged may be gone at the end, and then tells nothing; while something is dragged, the pointer is silent.
  for (const type of ['dragend', 'pointermove']) addEventListener(type, () => { own = false; });
  on('dragenter', (e) => {
    if (++depth === 1) drag(e.dataTransfer.types.includes('Files'));
  });
  on('dragleave', () => {
    if (--depth <= 0) drag(depth = 0);
  });
  on('dragover', (e) => { e.dataTransfer.dropEffect = 'copy'; });
  on('drop', (e) => {
    drag(depth = 0);
    take(e.dataTransfer);
  });
  addEventListener('paste', (e) => {
    if (isText(e, e.clipboardData)) return;
    e.preventDefault();
    take(e.clipboardData);
  });
}

/** Makes one report of those on the runtime and the model, which load together: { phase: 'download' | 'warmup', loaded, total }. */
export function download() {
  const last = {};
  return (p) => {
    last[p.phase] = p;
    const { runtime, model } = last;
    if (p.phase === 'warmup') return p;
    const known = runtime?.total > 0 && model?.total > 0;
    return { phase: 'download', loaded: known ? runtime.loaded + model.loaded : 0, total: known ? runtime.total + model.total : 0 };
  };
}

/** The picture among the files of a DataTransfer, or else the first file; undefined if there is none. */
export function pictureOf(transfer) {
  const files = [...transfer.files];
  return files.find((f) => f.type.startsWith('image/')) ?? files[0];
}

/** Resolves with a decoded image element. */
export function load(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(Object.assign(new Error('the browser cannot decode this picture'), { code: 'image-decode' }));
    image.src = url;
  });
}

const SIDE = 512; // pixels at which a drawing becomes a picture

/** Resolves with a canvas that shows a drawing (SVG), which has no pixels until somebody says how many. */
export async function drawing(url) {
  const image = await load(url);
  const w = image.naturalWidth || 1;
  const h = image.naturalHeight || 1;
  const scale = Math.min(SIDE / Math.min(w, h), 4 * SIDE / Math.max(w, h));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  const g = canvas.getContext('2d');
  g.fillStyle = '#fff';
  g.fillRect(0, 0, canvas.width, canvas.height);
  g.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

const PREVIEW_PIXELS = 100e6; // larger pictures are not decoded here before the classifier has checked them

/** The square in the middle, to show before the classifier says what it saw; null for a picture too large to show. */
export function middle(image) {
  const width = image.naturalWidth ?? image.width;
  const height = image.naturalHeight ?? image.height;
  if (width * height > PREVIEW_PIXELS) return null;
  const side = Math.min(width, height);
  return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
}

export function percent(p, lang) {
  return new Intl.NumberFormat(lang, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(p);
}

/** A class's label as a heading has it: with a capital, but iPod as it is. */
export function heading(label) {
  return label.replace(/^\p{Ll}(?!\p{Lu})/u, (letter) => letter.toUpperCase());
}

/** A list item with a button that shows one prediction as a bar. */
export function bar({ index, id, label, probability }, rank, lang) {
  const button = make('button', 'bar', { type: 'button', title: id });
  Object.assign(button.dataset, { index, id });
  button.append(make('span', 'bar-label', {}, heading(label)), make('span', 'bar-value', {}, percent(probability, lang)), make('span', 'track', {}, make('span', 'fill')));
  button.style.setProperty('--p', probability);
  button.style.setProperty('--rank', rank);
  return make('li', '', {}, button);
}

/** Draws the box of an image: at most one canvas pixel per device pixel, and no more than 1024 a side. */
export function drawCrop(canvas, image, box) {
  const most = Math.round(canvas.clientWidth * devicePixelRatio) || 512;
  canvas.width = canvas.height = Math.min(most, 1024);
  const g = canvas.getContext('2d');
  g.fillStyle = '#fff';
  g.fillRect(0, 0, canvas.width, canvas.height);
  g.imageSmoothingQuality = 'high';
  g.drawImage(image, box.x, box.y, box.width, box.height, 0, 0, canvas.width, canvas.height);
}

// Dark violet, red, orange, pale yellow: lightness rises all along, so it reads without colour too.
const RAMP = [[30, 12, 60], [120, 28, 109], [207, 68, 70], [251, 155, 30], [252, 255, 190]];

/** Draws a heat map, to be laid over the crop. */
export function drawHeat(canvas, { width, height, data }) {
  const side = 96;
  canvas.width = canvas.height = side;
  const most = Math.max(1e-6, ...data);
  const at = (x, y) => Math.max(0, data[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))]) / most;
  const g = canvas.getContext('2d');
  const pixels = g.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    // Cell centres of the map lie at half cells of the crop; between them, bilinear.
    const x = ((i % side) + 0.5) / side * width - 0.5;
    const y = (Math.floor(i / side) + 0.5) / side * height - 0.5;
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    const [fx, fy] = [x - x0, y - y0];
    const v = (at(x0, y0) * (1 - fx) + at(x0 + 1, y0) * fx) * (1 - fy) + (at(x0, y0 + 1) * (1 - fx) + at(x0 + 1, y0 + 1) * fx) * fy;
    const p = v * (RAMP.length - 1);
    const k = Math.min(RAMP.length - 2, Math.floor(p));
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = RAMP[k][c] + (RAMP[k + 1][c] - RAMP[k][c]) * (p - k);
    pixels.data[4 * i + 3] = 165 - 60 * v;
  }
  g.putImageData(pixels, 0, 0);
}
