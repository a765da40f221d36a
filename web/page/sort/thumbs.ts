// Small pictures of rows that are on screen, and of some that were a moment ago.

import { make } from '../parts/dom.ts';
import { fromFile } from '../parts/picture.ts';
import type { Collection } from './collection.ts';
import { DONE } from './collection.ts';

const MOST = 160; // small pictures that are kept, or twice as many as are wanted
const AT_ONCE = 2; // pictures that are being decoded; the classifier decodes, too
const LARGEST = 64e6; // pixels; decoded, such a picture takes 256 MB
const LONGEST = 8; // times as long as wide, or the small one would be a large one

export class Thumbs {
  readonly #collection: Collection;
  readonly #made: (id: number) => void;
  readonly #kept = new Map<number, HTMLCanvasElement | null>(); // the one asked for last is last; null if there is none
  readonly #busy = new Set<number>();
  #wanted: readonly number[] = [];
  #side = 192; // pixels of the shorter side
  #isOver = false;

  /** made is told when there is a new one. */
  constructor(collection: Collection, made: (id: number) => void) {
    this.#collection = collection;
    this.#made = made;
  }

  /** The small picture of a row; null if it cannot be made, undefined if it is not there yet. */
  get(id: number): HTMLCanvasElement | null | undefined {
    const found = this.#kept.get(id);
    if (found === undefined) return undefined;
    this.#kept.delete(id);
    this.#kept.set(id, found);
    return found;
  }

  /** Has those of some rows made, in this order, and no others that were wanted before. */
  want(ids: readonly number[], side: number) {
    if (side > this.#side) {
      this.#side = side;
      this.#kept.clear();
    }
    this.#wanted = ids;
    this.#go();
  }

  end() {
    this.#isOver = true;
    this.#kept.clear();
  }

  #go() {
    const { state } = this.#collection.columns;
    for (const id of this.#wanted) {
      if (this.#isOver || this.#busy.size >= AT_ONCE) return;
      if (state[id] !== DONE || this.#kept.has(id) || this.#busy.has(id)) continue;
      this.#busy.add(id);
      void this.#make(id).catch(() => null).then((canvas) => {
        this.#busy.delete(id);
        if (this.#isOver) return;
        this.#kept.set(id, canvas);
        const [oldest] = this.#kept.keys();
        if (this.#kept.size > Math.max(MOST, 2 * this.#wanted.length)) this.#kept.delete(oldest);
        this.#made(id);
        this.#go();
      });
    }
  }

  async #make(id: number): Promise<HTMLCanvasElement | null> {
    const { width, height } = this.#collection.columns;
    const [w, h] = [width[id], height[id]];
    if (w * h > LARGEST) return null;
    const file = await this.#collection.entry(id).file();
    if (/^image\/svg\+xml\b/.test(file.type)) {
      const drawn = await fromFile(file).drawable;
      return drawn instanceof HTMLCanvasElement ? drawn : null;
    }
    const short = Math.min(w, h);
    const side = Math.min(this.#side, short);
    const isLong = Math.max(w, h) > LONGEST * short;
    const size = { resizeWidth: Math.round(w * side / short), resizeHeight: Math.round(h * side / short) };
    const bitmap = await createImageBitmap(file, {
      imageOrientation: 'from-image', resizeQuality: 'medium', ...short > 0 && !isLong && size,
    });
    const canvas = make('canvas', { width: bitmap.width, height: bitmap.height });
    canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
    return canvas;
  }
}
