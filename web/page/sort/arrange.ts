// Which pictures are shown, in which order and groups.

import type { Collection } from './collection.ts';
import { DONE, FAILED } from './collection.ts';
import type { Place } from './place.ts';

/** Pictures under one heading. */
export interface Section {
  key: number | null; // what they are, if they are grouped by that
  isHeaded: boolean;
  ids: number[];
}

/** How many pictures there are of each kind. */
export interface Counts {
  all: number;
  unsure: number;
  corrected: number;
  failed: number;
  keys: Map<number, number>; // by what they are
}

export const plain = (s: string) => s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

export function count(c: Collection): Counts {
  const counts: Counts = { all: c.size, unsure: 0, corrected: 0, failed: 0, keys: new Map() };
  const { isGone, state } = c.columns;
  for (let id = 0; id < c.end; id++) {
    if (isGone[id]) continue;
    const key = c.key(id);
    if (key !== null) counts.keys.set(key, (counts.keys.get(key) ?? 0) + 1);
    if (c.isUnsure(id)) counts.unsure++;
    if (c.isCorrected(id)) counts.corrected++;
    if (state[id] === FAILED) counts.failed++;
  }
  return counts;
}

/** Keys with their names, in the order of these. */
export function named(c: Collection, keys: Iterable<number>, lang: string): { key: number; name: string }[] {
  const order = new Intl.Collator(lang, { numeric: true });
  return [...keys].map((key) => ({ key, name: c.name(key, lang) })).sort((a, b) => order.compare(a.name, b.name));
}

/**
 * The pictures that place asks for. alike are those like the one of place, likest first; twins the groups of near
 * duplicates: either may be there instead of an order.
 */
export function arrange(
  c: Collection, place: Place, lang: string, alike: readonly number[] | null, twins: readonly (readonly number[])[],
): Section[] {
  const fits = filter(c, place, lang);
  if (alike) return [{ key: null, isHeaded: false, ids: alike.filter(fits) }];
  if (place.show === 'twins') {
    const groups = twins.map((ids) => ({ key: null, isHeaded: true, ids: ids.filter(fits) }));
    return groups.filter(({ ids }) => ids.length > 1);
  }
  const ids: number[] = [];
  for (let id = 0; id < c.end; id++) if (fits(id)) ids.push(id);
  sort(c, place, lang, ids);
  if (!place.isGrouped) return [{ key: null, isHeaded: false, ids }];
  const groups = new Map<number | null, number[]>();
  for (const id of ids) {
    const key = c.key(id);
    const group = groups.get(key);
    if (group) group.push(id);
    else groups.set(key, [id]);
  }
  const order = named(c, [...groups.keys()].filter((key) => key !== null), lang);
  return [...order.map(({ key }) => key), null].flatMap((key) => {
    const own = groups.get(key);
    return own ? [{ key, isHeaded: true, ids: own }] : [];
  });
}

function filter(c: Collection, { show, key, text }: Place, lang: string): (id: number) => boolean {
  const { isGone, state } = c.columns;
  const words = plain(text.trim()).split(/\s+/).filter((word) => word !== '');
  const names = new Map<number | null, string>();
  const nameOf = (key: number | null) => {
    const known = names.get(key);
    if (known !== undefined) return known;
    const name = plain(c.name(key, lang));
    names.set(key, name);
    return name;
  };
  const has = {
    all: () => true, twins: () => true, unsure: (id: number) => c.isUnsure(id),
    corrected: (id: number) => c.isCorrected(id), failed: (id: number) => state[id] === FAILED,
  }[show];
  return (id) => {
    if (isGone[id] || !has(id)) return false;
    const its = c.key(id);
    if (key !== null && its !== key) return false;
    if (words.length === 0) return true;
    const path = plain(c.entry(id).path);
    const name = nameOf(its);
    return words.every((word) => path.includes(word) || name.includes(word));
  };
}

// What has no answer yet comes last, whichever way the order goes.
function sort(c: Collection, { order, isDown }: Place, lang: string, ids: number[]) {
  if (order === 'given') {
    if (isDown) ids.reverse();
    return;
  }
  const { state, width, height, bytes } = c.columns;
  const values = new Map<number, number>();
  if (order === 'name') {
    const collator = new Intl.Collator(lang, { numeric: true });
    const names = ids.map((id) => c.entry(id).path);
    [...ids.keys()].sort((a, b) => collator.compare(names[a], names[b])).forEach((at, i) => values.set(ids[at], i));
  } else if (order === 'label') {
    const ranks = new Map(named(c, new Set(ids.map((id) => c.key(id)).filter((key) => key !== null)), lang)
      .map(({ key }, rank) => [key, rank]));
    for (const id of ids) {
      const key = c.key(id);
      values.set(id, key === null ? NaN : ranks.get(key) ?? NaN);
    }
  } else {
    const value = {
      confidence: (id: number) => c.prediction(id, 0).probability,
      pixels: (id: number) => width[id] * height[id],
      bytes: (id: number) => bytes[id],
    }[order];
    for (const id of ids) {
      const isKnown = order === 'bytes' ? bytes[id] >= 0 : state[id] === DONE;
      values.set(id, isKnown ? value(id) : NaN);
    }
  }
  const sign = isDown ? -1 : 1;
  ids.sort((a, b) => {
    const x = values.get(a) ?? NaN;
    const y = values.get(b) ?? NaN;
    if (x !== x || y !== y) return Number(x !== x) - Number(y !== y) || a - b;
    return sign * (x - y) || a - b;
  });
}
