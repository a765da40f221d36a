// The pictures of Sort as a grid of small ones or as a table, with keys, pointer and fingers.

import { all } from '../app/app.ts';
import type { Unmount } from '../app/app.ts';
import { heading } from '../parts/answer.ts';
import { icon, make } from '../parts/dom.ts';
import type { Section } from './arrange.ts';
import { DONE, FAILED } from './collection.ts';
import { percentOf } from './desk.ts';
import type { Desk } from './desk.ts';
import { List } from './list.ts';
import type { Geometry, Painter } from './list.ts';
import type { Place } from './place.ts';
import { Thumbs } from './thumbs.ts';

const HELD = 450; // ms after which a finger that rests chooses
const STILL = 10; // CSS pixels that it may move
const SETTLED = 150; // ms after the last scrolling

const BROKEN = [
  ['path', { d: 'M6 3.5h8.5L19 8v12.5H6z' }], ['path', { d: 'm9.5 12 5 5M14.5 12l-5 5' }],
] satisfies Parameters<typeof icon>[2][];

type Order = Place['order'];
const COLUMNS = ['picture', 'label', 'confidence', 'pixels', 'bytes', 'name'] as const;

export interface Pictures {
  /** Shows other pictures, or these anew. */
  show(sections: readonly Section[]): void;
  /** Brings a picture into view. */
  reveal(id: number): void;
  /** Shows again which are chosen. */
  mark(): void;
  focus(): void;
  unmount: Unmount;
}

export function mountPictures(root: HTMLElement, desk: Desk, covered: () => { top: number; bottom: number }): Pictures {
  const { collection, t } = desk;
  const { place, columns: data } = collection;
  const end = new AbortController();
  const { signal } = end;
  const head = make('div', { class: 'table-head', role: 'row', 'aria-rowindex': 1 });
  const lines = make('div', { class: 'lines', role: 'presentation' });
  root.replaceChildren(head, lines);
  const thumbs = new Thumbs(collection, (id) => {
    const tile = document.getElementById(`picture-${id}`);
    if (tile) drawThumb(tile, id);
  });
  const percent = percentOf(desk.lang);
  let sections: readonly Section[] = [];
  let drawn: Place['layout'] | null = null;

  const drawThumb = (tile: HTMLElement, id: number) => {
    const box = tile.querySelector('.thumb');
    const canvas = thumbs.get(id);
    if (!box) return;
    if (canvas) {
      if (box.firstChild !== canvas) box.replaceChildren(canvas);
    } else if (data.state[id] !== FAILED) box.replaceChildren();
    else if (!(box.firstChild instanceof SVGElement)) box.replaceChildren(icon(40, 24, ...BROKEN));
  };

  /** What a tile or a row says of a picture. */
  const wordsOf = (id: number) => {
    const state = data.state[id];
    const key = collection.key(id);
    const name = heading(collection.name(key, desk.lang));
    const first = state === DONE && data.count[id] > 0 ? collection.prediction(id, 0).probability : null;
    const likeness = desk.likeness(id);
    const isCorrected = collection.isCorrected(id);
    return {
      label: state === FAILED && key === null ? t.isUnreadable : name || (state === DONE ? t.nothing : ''),
      part: likeness ?? (isCorrected ? null : first),
      value: likeness !== undefined ? t.alike(percent(likeness)) : isCorrected ? t.isCorrected
        : first !== null ? percent(first) : state === FAILED ? '' : t.waitsFor,
      kind: state === FAILED ? 'failed' : isCorrected ? 'corrected' : collection.isUnsure(id) ? 'unsure'
        : state === DONE ? 'sure' : 'waiting',
      file: collection.entry(id).path,
    };
  };
  const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

  const check = () => make('span', { class: 'check', 'aria-hidden': 'true' },
    icon(18, 20, ['path', { d: 'm4.5 10.5 3.5 3.5 7.5-8' }]));
  const makeTile = () => make('div', { class: 'tile', role: 'gridcell' },
    make('div', { class: 'thumb', 'aria-hidden': 'true' }), check(),
    make('span', { class: 'meter', 'aria-hidden': 'true' }, make('i')),
    make('p', { class: 'tile-label', dir: 'auto' }),
    make('p', { class: 'tile-more' }, make('b'), ' ', make('span', { class: 'mark-unsure' }), ' ',
      make('span', { class: 'file', dir: 'auto' })));
  const makeRow = () => {
    const cell = (name: string, ...children: Node[]) => make('div',
      { class: `cell ${name}`, role: 'gridcell' }, ...children);
    return make('div', { class: 'line row', role: 'row' },
      cell('picture', make('div', { class: 'thumb', 'aria-hidden': 'true' }), check()),
      cell('label', make('span', { class: 'text', dir: 'auto' }), make('span', { class: 'file', dir: 'auto' })),
      cell('confidence', make('span', { class: 'meter', 'aria-hidden': 'true' }, make('i')), make('b'),
        make('span', { class: 'mark-unsure' })),
      cell('pixels'), cell('bytes'), cell('path', make('span', { class: 'text', dir: 'auto' })));
  };
  const text = (root: Element, selector: string, value: string) => {
    const found = root.querySelector(selector);
    if (found && found.textContent !== value) found.textContent = value;
  };
  const fillCommon = (element: HTMLElement, id: number) => {
    const words = wordsOf(id);
    element.id = `picture-${id}`;
    element.dataset.picture = String(id);
    element.dataset.kind = words.kind;
    element.title = words.file;
    text(element, 'b', words.value);
    text(element, '.mark-unsure', words.kind === 'unsure' ? t.isUnsure : '');
    text(element, '.file', nameOf(words.file));
    element.style.setProperty('--p', String(words.part ?? 0));
    element.toggleAttribute('data-bare', words.part === null);
    drawThumb(element, id);
    mark(element, id);
    return words;
  };
  const mark = (element: HTMLElement, id: number) => {
    element.setAttribute('aria-selected', String(place.chosen.has(id)));
    element.classList.toggle('active', id === place.active);
  };

  const tiles: Painter = {
    make: (isHead) => (isHead ? makeHead() : make('div', { class: 'line tiles', role: 'row' })),
    fill(line, ids, row) {
      line.setAttribute('aria-rowindex', String(row + 1));
      while (line.children.length < ids.length) line.append(makeTile());
      [...line.children].forEach((tile, i) => {
        if (!(tile instanceof HTMLElement)) return;
        tile.hidden = i >= ids.length;
        if (tile.hidden) {
          tile.removeAttribute('id');
          return;
        }
        tile.setAttribute('aria-colindex', String(i + 1));
        text(tile, '.tile-label', fillCommon(tile, ids[i]).label);
      });
    },
    fillHead: (line, section, row) => fillHead(line, section, row + 1),
  };
  const rows: Painter = {
    make: (isHead) => (isHead ? makeHead() : makeRow()),
    fill(line, [id], row) {
      line.setAttribute('aria-rowindex', String(row + 2));
      const words = fillCommon(line, id);
      text(line, '.label .text', words.label);
      text(line, '.pixels', data.width[id] ? `${data.width[id]} × ${data.height[id]}` : '');
      text(line, '.bytes', data.bytes[id] >= 0 ? t.bytes(data.bytes[id]) : '');
      text(line, '.path .text', words.file);
    },
    fillHead: (line, section, row) => fillHead(line, section, row + 2),
  };
  const makeHead = () => make('div', { class: 'line section', role: 'row' },
    make('div', { role: 'gridcell' }, make('h3'), make('span', { class: 'amount' })));
  const fillHead = (line: HTMLElement, { key, ids }: Section, row: number) => {
    line.setAttribute('aria-rowindex', String(row));
    const isTwins = place.show === 'twins';
    text(line, 'h3', isTwins ? t.twinsOf(ids.length)
      : key === null ? t.noKind : heading(collection.name(key, desk.lang)));
    text(line, '.amount', isTwins ? '' : t.pictures(ids.length));
  };

  const list = new List(lines, {
    make: (isHead) => (place.layout === 'grid' ? tiles : rows).make(isHead),
    fill: (line, ids, row) => (place.layout === 'grid' ? tiles : rows).fill(line, ids, row),
    fillHead: (line, section, row) => (place.layout === 'grid' ? tiles : rows).fillHead(line, section, row),
  });

  let measured = 0; // the width for which sizes are
  const measure = (): Geometry & { tile: number } => {
    measured = lines.clientWidth;
    const width = measured || 350;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    if (place.layout === 'table') {
      return { columns: 1, line: Math.round(Math.max(56, 3.5 * rem)), head: Math.round(3 * rem), tile: 48 };
    }
    const isSmall = width < 560;
    const gap = isSmall ? 8 : 16;
    const columns = Math.max(1, Math.floor((width + gap) / ((isSmall ? 6.4 * rem : 9.4 * rem) + gap)));
    const tile = (width - gap * (columns - 1)) / columns;
    const line = Math.ceil(tile + 3.25 * rem + gap);
    lines.style.setProperty('--columns', String(columns));
    lines.style.setProperty('--gap', `${gap}px`);
    lines.style.setProperty('--tile', `${tile}px`);
    return { columns, line, head: Math.round(3.25 * rem), tile };
  };

  let geometry = measure();
  const wanted = () => {
    thumbs.want(visibleFirst(), Math.min(320, Math.ceil(geometry.tile * Math.min(devicePixelRatio, 2))));
  };
  // Those in the window before those beyond it.
  const visibleFirst = () => {
    const { top } = list; // asking the document anew costs another layout
    const isSeen = (id: number) => {
      const spot = list.spot(id);
      return spot !== null && spot.y + spot.height + top > 0 && spot.y + top < innerHeight;
    };
    const { near } = list;
    return [...near.filter(isSeen), ...near.filter((id) => !isSeen(id))];
  };
  const point = () => {
    const isThere = place.active !== null && document.getElementById(`picture-${place.active}`);
    if (isThere) root.setAttribute('aria-activedescendant', `picture-${place.active}`);
    else root.removeAttribute('aria-activedescendant');
  };
  const markAll = () => {
    for (const element of lines.querySelectorAll<HTMLElement>('[id^="picture-"]')) {
      mark(element, Number(element.dataset.picture));
    }
    point();
  };

  const drawHead = () => {
    head.replaceChildren(...COLUMNS.map((name, i) => {
      const its = make('div',
        { class: `cell ${name === 'name' ? 'path' : name}`, role: 'columnheader', 'aria-colindex': i + 1 });
      if (name === 'picture') its.append(make('span', { class: 'hidden' }, t.columns.picture));
      else {
        const button = make('button', { type: 'button', 'data-order': name }, t.columns[name],
          icon(14, 20, ['path', { d: 'm5.5 8 4.5 4.5L14.5 8' }]));
        its.append(button);
        const isOn = place.order === name && place.like === null;
        its.setAttribute('aria-sort', !isOn ? 'none' : place.isDown ? 'descending' : 'ascending');
      }
      return its;
    }));
  };
  head.addEventListener('click', ({ target }) => {
    const order = target instanceof Element ? target.closest<HTMLElement>('[data-order]')?.dataset.order : undefined;
    if (!order) return;
    const name = COLUMNS.find((c): c is Exclude<typeof c, 'picture'> & Order => c === order);
    if (!name) return;
    const isOn = place.order === name && place.like === null;
    // First the surest, the largest; names from the beginning of the alphabet.
    const isDown = isOn ? !place.isDown : !['label', 'name'].includes(name);
    desk.set({ order: name, isDown, like: null });
    head.querySelector<HTMLElement>(`[data-order="${name}"]`)?.focus();
  });

  const show = (next: readonly Section[]) => {
    sections = next;
    const isOther = drawn !== place.layout;
    if (isOther) {
      list.clear();
      drawn = place.layout;
      root.dataset.layout = place.layout;
    }
    const isTable = place.layout === 'table';
    head.hidden = !isTable;
    if (isTable) drawHead();
    if (isOther) geometry = measure();
    list.set(sections, geometry);
    if (isOther && lines.clientWidth !== measured) { // a scroll bar has come
      geometry = measure();
      list.set(sections, geometry);
    }
    root.setAttribute('aria-rowcount', String(list.rows + Number(isTable)));
    root.setAttribute('aria-colcount', String(isTable ? COLUMNS.length : geometry.columns));
    point();
    wanted();
  };

  let settle: ReturnType<typeof setTimeout> | undefined;
  let isDue = false;
  addEventListener('scroll', () => {
    clearTimeout(settle);
    settle = setTimeout(() => {
      list.render(true); // in the order of the document
      point();
      wanted();
    }, SETTLED);
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (signal.aborted) return;
      list.render();
      wanted();
    });
  }, { passive: true, signal });
  const resized = new ResizeObserver(() => {
    if (lines.clientWidth === measured) return;
    drawn = null; // sizes are others
    show(sections);
  });
  resized.observe(lines);

  const reveal = (id: number) => {
    const spot = list.spot(id);
    if (!spot) return;
    const top = lines.getBoundingClientRect().top + spot.y;
    const { top: above, bottom: below } = covered();
    if (top < above + 8) scrollBy({ top: top - above - 8 });
    else if (top + spot.height > innerHeight - below) scrollBy({ top: top + spot.height - innerHeight + below });
    list.render();
    list.settle();
  };

  // What is chosen by a step to a picture: it alone, the range from the anchor, or nothing else than before.
  const step = (id: number, how: 'one' | 'range' | 'move') => {
    if (how === 'range') {
      const anchor = place.anchor !== null && list.has(place.anchor) ? place.anchor : id;
      const [from, to] = [list.place(anchor), list.place(id)].sort((a, b) => a - b);
      place.anchor = anchor;
      desk.choose(list.flat.slice(from, to + 1), id);
      return;
    }
    place.anchor = id;
    desk.choose(how === 'one' && !place.isChoosing ? [id] : place.chosen, id);
  };
  const toggle = (id: number) => {
    const chosen = new Set(place.chosen);
    if (!chosen.delete(id)) chosen.add(id);
    place.anchor = id;
    desk.choose(chosen, id);
  };

  root.addEventListener('keydown', (e) => {
    if (e.target !== root || e.altKey || list.flat.length === 0) return;
    const isCtrl = e.ctrlKey || e.metaKey;
    const page = Math.max(1, Math.floor(innerHeight / geometry.line) - 1);
    const isRight = document.dir === 'rtl' ? -1 : 1;
    const moves: Record<string, [across: number, down: number]> = {
      ArrowLeft: [-isRight, 0], ArrowRight: [isRight, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
      PageUp: [0, -page], PageDown: [0, page], Home: [-list.flat.length, 0], End: [list.flat.length, 0],
    };
    const active = place.active !== null && list.has(place.active) ? place.active : null;
    const how = e.shiftKey ? 'range' : isCtrl ? 'move' : 'one';
    if (Object.hasOwn(moves, e.key)) {
      const [across, down] = moves[e.key];
      const first = e.key === 'End' ? list.flat.length - 1 : 0;
      step(active === null ? list.flat[first] : list.from(active, across, down), how);
    } else if (e.key === ' ' && active !== null) toggle(active);
    else if (e.key === 'Enter' && active !== null) desk.open(active);
    else if (isCtrl && e.key.toLowerCase() === 'a') desk.choose(list.flat, active ?? list.flat[0]);
    else return;
    e.preventDefault();
  }, { signal });

  let pointer = 'mouse';
  let held: ReturnType<typeof setTimeout> | undefined;
  let wasHeld = false;
  let start = { x: 0, y: 0 };
  const idAt = (target: EventTarget | null) => {
    const found = target instanceof Element ? target.closest<HTMLElement>('[data-picture]') : null;
    return found ? Number(found.dataset.picture) : null;
  };
  root.addEventListener('pointerdown', (e) => {
    pointer = e.pointerType;
    wasHeld = false;
    start = { x: e.clientX, y: e.clientY };
    const id = idAt(e.target);
    if (id === null || pointer === 'mouse') return;
    held = setTimeout(() => {
      wasHeld = true;
      desk.set({ isChoosing: true });
      toggle(id);
    }, HELD);
  }, { signal });
  for (const type of ['pointerup', 'pointercancel', 'pointermove'] as const) {
    root.addEventListener(type, (e) => {
      if (type !== 'pointermove' || Math.hypot(e.clientX - start.x, e.clientY - start.y) > STILL) clearTimeout(held);
    }, { signal });
  }
  root.addEventListener('contextmenu', (e) => {
    if (pointer === 'touch' && idAt(e.target) !== null) e.preventDefault();
  }, { signal });
  root.addEventListener('click', (e) => {
    const id = idAt(e.target);
    if (id === null || wasHeld) return;
    if (place.isChoosing || e.ctrlKey || e.metaKey) toggle(id);
    else if (e.shiftKey) step(id, 'range');
    else if (pointer === 'touch') desk.open(id);
    else step(id, 'one');
  }, { signal });
  root.addEventListener('dblclick', (e) => {
    const id = idAt(e.target);
    if (id !== null && pointer !== 'touch' && !e.ctrlKey && !e.shiftKey && !e.metaKey) desk.open(id);
  }, { signal });

  return {
    show, reveal, mark: markAll,
    focus: () => root.focus({ preventScroll: true }),
    unmount: all(() => end.abort(), () => thumbs.end(), () => resized.disconnect(), () => clearTimeout(settle),
      () => clearTimeout(held)),
  };
}
