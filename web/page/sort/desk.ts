import type { PartsTexts } from '../../lib/strings/en.ts';
import type { PageApp } from '../app/app.ts';
import type { SortTexts } from '../views/sort.en.ts';
import type { Collection } from './collection.ts';
import type { Place } from './place.ts';

/** What the parts of Sort share. */
export interface Desk {
  app: PageApp;
  collection: Collection;
  t: PartsTexts & SortTexts;
  lang: string;
  /** The pictures on show, in their order. */
  readonly shown: readonly number[];
  /** Those of them that are chosen, in their order. */
  readonly chosen: number[];
  /** How like the picture of place.like another is, 0 to 1. */
  likeness(id: number): number | undefined;
  /** Shows the pictures in another way. */
  set(change: Partial<Place>): void;
  /** Chooses pictures, and brings one of them into view. */
  choose(ids: Iterable<number>, active?: number | null): void;
  /** Opens a picture in Look. */
  open(id: number): void;
  /** Says what pictures are, or has the visitor type it if there is no key. */
  label(ids: readonly number[], key?: number | null): void;
  remove(ids: readonly number[]): void;
  undo(): void;
  /** Tells something for a while. */
  tell(title: string, advice?: string): void;
}

export const percentOf = (lang: string) => {
  const format = new Intl.NumberFormat(lang, { style: 'percent', maximumFractionDigits: 0 });
  return (p: number) => format.format(p);
};
