import type { Picture } from '../parts/picture.ts';
import type { Collection } from '../sort/collection.ts';
import type { Session } from './session.ts';
import type { State } from './state.ts';
import type { Store } from './store.ts';

/** What every view and part is given. */
export interface App {
  store: Store<State>;
  session: Session;
  /** Has screen readers say a text. */
  announce(text: string): void;
  /** Lets the visitor choose a picture file. */
  choose(): void;
  /** Lets the visitor choose several picture files. */
  chooseMany(): void;
  /** Lets the visitor choose a folder. */
  chooseFolder(): void;
  /** Opens the camera of a phone. */
  photograph(): void;
}

/** What the views of the page are given beside. */
export interface PageApp extends App {
  /** Look as index.html has it; another view may take its place before it is first mounted. */
  readonly start: HTMLElement;
  /** What Sort has; null before it is first asked for. */
  collection: Collection | null;
  /** Opens a view. */
  go(view: string): void;
  /** Opens Look for a picture of another view, to which Back leads. */
  lookFrom(view: string, picture: Picture): void;
}

export type Unmount = () => void;

/** Ends several things as one. */
export const all = (...ends: Unmount[]): Unmount => () => ends.forEach((end) => end());
