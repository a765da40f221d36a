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

export type Unmount = () => void;

/** Ends several things as one. */
export const all = (...ends: Unmount[]): Unmount => () => ends.forEach((end) => end());
