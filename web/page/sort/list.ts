// A long list of which only the lines near the window exist in the document.

import type { Section } from './arrange.ts';

const BEYOND = 0.6; // of the window's height, for which lines are there above and below it

/** Sizes in CSS pixels. */
export interface Geometry {
  columns: number; // pictures in a line
  line: number; // height of a line, with the space below it
  head: number; // height of a section's heading
}

/** What makes the elements of lines, and fills them. */
export interface Painter {
  make(isHead: boolean): HTMLElement;
  /** Gives a line its pictures; row is its number among all lines, from 0. */
  fill(line: HTMLElement, ids: readonly number[], row: number): void;
  fillHead(line: HTMLElement, section: Section, row: number): void;
}

/** A line by its place. */
interface Line {
  section: Section;
  from: number; // of the section's pictures; −1 for the heading
  y: number;
  row: number;
}

export class List {
  /** All pictures in their order. */
  flat: number[] = [];
  /** Where the list began in the window when it was rendered last. */
  top = 0;
  readonly #root: HTMLElement;
  readonly #painter: Painter;
  readonly #shown = new Map<number, { element: HTMLElement; ids: readonly number[] }>(); // by y
  readonly #spare: [lines: HTMLElement[], heads: HTMLElement[]] = [[], []];
  #places = new Map<number, number>(); // in flat, by picture
  #sections: { section: Section; y: number; row: number; start: number }[] = [];
  #geometry: Geometry = { columns: 1, line: 1, head: 1 };
  #height = 0;
  #rows = 0;

  constructor(root: HTMLElement, painter: Painter) {
    this.#root = root;
    this.#painter = painter;
  }

  /** How many lines there are, headings included. */
  get rows() {
    return this.#rows;
  }

  has(id: number) {
    return this.#places.has(id);
  }

  place(id: number) {
    return this.#places.get(id) ?? -1;
  }

  /** The pictures in the document, from top to bottom. */
  get near(): number[] {
    return [...this.#shown].sort(([a], [b]) => a - b).flatMap(([, { ids }]) => ids);
  }

  /** Shows other pictures. */
  set(sections: readonly Section[], geometry: Geometry) {
    const flat = sections.length === 1 ? sections[0].ids : sections.flatMap(({ ids }) => ids);
    const isPlain = ![...sections, ...this.#sections.map(({ section }) => section)].some(({ isHeaded }) => isHeaded);
    const isSame = isPlain && geometry === this.#geometry
      && flat.length === this.flat.length && flat.every((id, at) => id === this.flat[at]);
    if (isSame) return this.render(true);
    this.#geometry = geometry;
    this.flat = flat;
    this.#places = new Map(this.flat.map((id, at) => [id, at]));
    let [y, row, start] = [0, 0, 0];
    this.#sections = sections.map((section) => {
      const own = { section, y, row, start };
      const lines = Math.ceil(section.ids.length / geometry.columns);
      y += lines * geometry.line + (section.isHeaded ? geometry.head : 0);
      row += lines + Number(section.isHeaded);
      start += section.ids.length;
      return own;
    });
    this.#rows = row;
    if (y !== this.#height) this.#root.style.setProperty('height', `${y}px`);
    this.#height = y;
    this.render(true);
  }

  /** Has the lines near the window in the document, filled again if that is asked for. */
  render(isStale = false) {
    const { top } = this.#root.getBoundingClientRect();
    this.top = top;
    const beyond = innerHeight * BEYOND;
    const lines = this.#between(-top - beyond, innerHeight - top + beyond);
    const wanted = new Set(lines.map(({ y }) => y));
    for (const [y, { element }] of this.#shown) {
      if (wanted.has(y) && !(isStale && isHead(element) !== lines.some((l) => l.y === y && l.from < 0))) continue;
      element.hidden = true;
      this.#spare[Number(isHead(element))].push(element);
      this.#shown.delete(y);
    }
    for (const line of lines) {
      const old = this.#shown.get(line.y);
      if (old && !isStale) continue;
      const { section, from, y, row } = line;
      const element = old?.element ?? this.#element(from < 0);
      const ids = from < 0 ? [] : section.ids.slice(from, from + this.#geometry.columns);
      if (from < 0) this.#painter.fillHead(element, section, row);
      else this.#painter.fill(element, ids, row);
      element.style.setProperty('top', `${y}px`);
      element.hidden = false;
      this.#shown.set(y, { element, ids });
    }
    if (isStale) this.settle();
  }

  /** Puts lines into their order, in which assistive technology reads them. */
  settle() {
    let before: Element | null = null;
    for (const [, { element }] of [...this.#shown].sort(([a], [b]) => a - b)) {
      const next: Element | null = before ? before.nextElementSibling : this.#root.firstElementChild;
      if (next !== element) this.#root.insertBefore(element, next);
      before = element;
    }
  }

  /** Forgets all elements, as those of another layout are others. */
  clear() {
    this.#shown.clear();
    for (const list of this.#spare) list.length = 0;
    this.#root.replaceChildren();
  }

  /** Where the line of a picture is in the list. */
  spot(id: number): { y: number; height: number } | null {
    const place = this.#places.get(id);
    if (place === undefined) return null;
    const { section, y, start } = this.#at(place);
    const { columns, line, head } = this.#geometry;
    const top = y + (section.isHeaded ? head : 0) + Math.floor((place - start) / columns) * line;
    return { y: top, height: line };
  }

  /** The picture that lies so many pictures and lines from another one. */
  from(id: number, across: number, down: number): number {
    const place = this.#places.get(id) ?? 0;
    const last = this.flat.length - 1;
    if (down === 0) return this.flat[Math.min(Math.max(place + across, 0), last)];
    const { columns } = this.#geometry;
    let index = this.#sections.indexOf(this.#at(place));
    let { section, start } = this.#sections[index];
    const column = (place - start) % columns;
    let line = Math.floor((place - start) / columns) + down;
    for (;;) {
      const lines = Math.ceil(section.ids.length / columns);
      const isBefore = line < 0;
      if (!isBefore && line < lines) break;
      const next = this.#sections[index + (isBefore ? -1 : 1)];
      if (!next) { // the end of the list
        line = isBefore ? 0 : lines - 1;
        break;
      }
      if (!isBefore) line -= lines;
      index += isBefore ? -1 : 1;
      ({ section, start } = next);
      if (isBefore) line += Math.ceil(section.ids.length / columns);
    }
    return section.ids[Math.min(line * columns + column, section.ids.length - 1)];
  }

  #at(place: number) {
    let [low, high] = [0, this.#sections.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#sections[middle].start <= place) low = middle;
      else high = middle - 1;
    }
    return this.#sections[low];
  }

  #between(top: number, bottom: number): Line[] {
    const { columns, line, head } = this.#geometry;
    const lines: Line[] = [];
    for (const { section, y, row } of this.#sections) {
      if (y > bottom) break;
      const own = section.isHeaded ? head : 0;
      const count = Math.ceil(section.ids.length / columns);
      if (y + own + count * line < top) continue;
      if (own > 0 && y + own > top) lines.push({ section, from: -1, y, row });
      const first = Math.max(0, Math.floor((top - y - own) / line));
      const last = Math.min(count - 1, Math.floor((bottom - y - own) / line));
      for (let i = first; i <= last; i++) {
        lines.push({ section, from: i * columns, y: y + own + i * line, row: row + Number(section.isHeaded) + i });
      }
    }
    return lines;
  }

  #element(isHeadLine: boolean): HTMLElement {
    const spare = this.#spare[Number(isHeadLine)].pop();
    if (spare) return spare;
    const made = this.#painter.make(isHeadLine);
    made.dataset.head = String(isHeadLine);
    this.#root.append(made);
    return made;
  }
}

const isHead = (element: HTMLElement) => element.dataset.head === 'true';
