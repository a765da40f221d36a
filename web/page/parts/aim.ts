// The square that the network sees, moved and zoomed over the picture by pointer, wheel, fingers and keys.

import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App } from '../app/app.ts';
import type { Answer } from '../app/state.ts';
import { icon, make } from './dom.ts';
import { middle, sizeOf } from './picture.ts';
import type { Box } from './picture.ts';

const STEP = 0.08; // of the square's side for an arrow key
const ZOOM = 1.25; // for a key or a button
const LEAST = 24; // pixels of a picture that the square has at least

/** What of a picture is looked at, and what of that the network sees: some models leave out the margin. */
interface View {
  answer: Answer;
  width: number;
  height: number;
  margin: number; // side of the part that is looked at, for each pixel of what is seen
  side: number; // of what is seen, and its corner
  x: number;
  y: number;
}

export interface Aim {
  /** Begins with a picture, or goes on with another answer for it. Returns what is seen. */
  follow(answer: Answer): Box | null;
  /** Ends with the picture. */
  leave(): void;
}

/** Lets the visitor move the square over the picture in frame; draw shows a part of it at once. */
export function mountAim(
  frame: HTMLElement, whole: HTMLElement, { store, session }: App, t: PartsTexts, draw: (box: Box) => void,
): Aim {
  const button = (id: string, title: string, d: string) => make('button',
    { type: 'button', class: 'icon', id, 'aria-label': title, title }, icon(20, 20, ['path', { d }]));
  const zoomIn = button('zoom-in', t.zoomIn, 'M10 4v12M4 10h12');
  const zoomOut = button('zoom-out', t.zoomOut, 'M4 10h12');
  const reset = button('reset', t.reset, 'M4 10a6 6 0 1 0 2-4.5L4 7.5M4 3.5v4h4');
  const pad = make('div',
    { id: 'aim', class: 'aim', role: 'application', tabindex: 0, 'aria-label': t.aim, title: t.aimHint });
  const buttons = make('div', { class: 'zoom', id: 'zoom' }, zoomOut, zoomIn, reset);
  frame.append(pad, buttons);
  let view: View | null = null;
  const fingers = new Map<number, { x: number; y: number }>();

  const box = ({ x, y, side }: View): Box => ({ x, y, width: side, height: side });
  const largest = ({ width, height, margin }: View) => Math.min(width, height) / margin;
  const isWhole = (v: View) => v.side > 0.999 * largest(v)
    && Math.abs(v.x + v.side / 2 - v.width / 2) <= 0.005 * v.side + 1
    && Math.abs(v.y + v.side / 2 - v.height / 2) <= 0.005 * v.side + 1;
  const show = () => {
    pad.hidden = buttons.hidden = !view;
    if (!view) return;
    const isLargest = view.side > 0.999 * largest(view);
    zoomOut.disabled = isLargest;
    zoomIn.disabled = view.side * view.margin <= LEAST;
    reset.disabled = isWhole(view);
    // A finger scrolls the page where the square cannot follow it.
    const isFree = !isLargest || view.height > view.width;
    pad.style.setProperty('touch-action', isFree ? 'none' : 'pan-y');
  };

  /** Puts the square where it is wanted, as far as there is picture, and has it looked at. */
  const move = (x: number, y: number, side: number) => {
    if (!view) return;
    const { width, height, margin } = view;
    const whole = Math.min(Math.max(side * margin, Math.min(LEAST, width, height)), width, height);
    const within = (at: number, end: number) => Math.min(Math.max(at, 0), end - whole);
    const edge = (whole - whole / margin) / 2;
    const left = within(x - edge, width);
    const top = within(y - edge, height);
    const next = { ...view, side: whole / margin, x: left + edge, y: top + edge };
    if (next.x === view.x && next.y === view.y && next.side === view.side) return;
    view = next;
    draw(box(view));
    show();
    const pixels = Math.max(1, Math.floor(whole));
    const region = { x: Math.floor(left), y: Math.floor(top), width: pixels, height: pixels };
    if (store.state.show.state === 'result') void session.aim(isWhole(view) ? null : region);
  };
  /** Zooms about a point of the square, in parts of its side. */
  const zoom = (by: number, fx = 0.5, fy = 0.5) => {
    if (!view) return;
    const { x, y, side } = view;
    const next = Math.min(Math.max(side / by, LEAST / view.margin), largest(view));
    move(x + fx * (side - next), y + fy * (side - next), next);
  };
  const pan = (dx: number, dy: number) => view && move(view.x + dx * view.side, view.y + dy * view.side, view.side);
  const centre = () => {
    if (!view) return;
    const side = largest(view);
    move((view.width - side) / 2, (view.height - side) / 2, side);
  };

  /** Where a pointer is, in parts of the frame's side. */
  const at = ({ clientX, clientY }: MouseEvent) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  };
  pad.addEventListener('pointerdown', (e) => {
    if (e.button !== 0) return;
    pad.setPointerCapture(e.pointerId);
    fingers.set(e.pointerId, at(e));
  });
  pad.addEventListener('pointermove', (e) => {
    const before = fingers.get(e.pointerId);
    if (!before) return;
    const now = at(e);
    fingers.set(e.pointerId, now);
    const other = [...fingers].find(([id]) => id !== e.pointerId)?.[1];
    if (!other) return void pan(before.x - now.x, before.y - now.y);
    const [was, is] = [before, now].map((p) => Math.hypot(p.x - other.x, p.y - other.y));
    pan((before.x - now.x) / 2, (before.y - now.y) / 2);
    if (was > 0.01) zoom(is / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
  });
  for (const type of ['pointerup', 'pointercancel'] as const) {
    pad.addEventListener(type, (e) => void fingers.delete(e.pointerId));
  }
  // Two fingers are ours, also where one scrolls the page.
  for (const type of ['touchstart', 'touchmove'] as const) {
    pad.addEventListener(type, (e) => {
      if (e.touches.length > 1 && e.cancelable) e.preventDefault();
    }, { passive: false });
  }
  pad.addEventListener('wheel', (e) => {
    if (!view) return;
    const isEnd = e.deltaY > 0 && view.side > 0.999 * largest(view); // then the page is scrolled
    if (isEnd && !e.ctrlKey) return;
    e.preventDefault();
    const { x, y } = at(e);
    const lines = e.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    zoom(Math.exp(-Math.min(Math.max(e.deltaY * lines, -100), 100) * (e.ctrlKey ? 0.01 : 0.002)), x, y);
  }, { passive: false });
  pad.addEventListener('dblclick', (e) => {
    const { x, y } = at(e);
    zoom(2, x, y);
  });
  const keys: Record<string, () => void> = {
    ArrowLeft: () => pan(-STEP, 0),
    ArrowRight: () => pan(STEP, 0),
    ArrowUp: () => pan(0, -STEP),
    ArrowDown: () => pan(0, STEP),
    '+': () => zoom(ZOOM),
    '=': () => zoom(ZOOM),
    '-': () => zoom(1 / ZOOM),
    0: centre,
    Home: centre,
  };
  pad.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !Object.hasOwn(keys, e.key)) return;
    e.preventDefault();
    keys[e.key]();
  });
  zoomIn.addEventListener('click', () => zoom(ZOOM));
  zoomOut.addEventListener('click', () => zoom(1 / ZOOM));
  reset.addEventListener('click', centre);
  const point = (e: MouseEvent) => { // on the small view of the whole
    if (!view) return;
    const { left, top, width, height } = whole.getBoundingClientRect();
    const x = (e.clientX - left) / width * view.width;
    const y = (e.clientY - top) / height * view.height;
    move(x - view.side / 2, y - view.side / 2, view.side);
  };
  whole.addEventListener('pointerdown', (e) => {
    whole.setPointerCapture(e.pointerId);
    point(e);
  });
  whole.addEventListener('pointermove', (e) => e.buttons > 0 && point(e));
  show();

  return {
    follow(answer) {
      const { drawn, result, region } = answer;
      const seen = result.heatmap?.box ?? (drawn && middle(drawn));
      if (!drawn || !seen) {
        view = null;
        show();
        return seen;
      }
      const { width, height } = sizeOf(drawn);
      const isSame = view?.answer.drawn === drawn;
      const looked = region ?? { width: Math.min(width, height) };
      const side = Math.min(seen.width, seen.height); // rounding may leave them different
      // While the visitor moves the square, answers come for where it was.
      if (isSame && view && (fingers.size > 0 || session.isAiming)) {
        view = { ...view, answer };
        return box(view);
      }
      view = {
        answer, width, height, side, margin: Math.max(1, looked.width / side),
        x: seen.x + (seen.width - side) / 2, y: seen.y + (seen.height - side) / 2,
      };
      show();
      return seen;
    },
    leave() {
      view = null;
      fingers.clear();
      show();
    },
  };
}
