// What page and frame know, in one store: which language is spoken, how the model is doing, and what is on show.

import { labelIn } from '../../lib/labels.ts';
import type { Class, Heatmap, Info, Result } from '../../types/resnet.d.ts';
import type { Box, Drawable, Picture } from '../parts/picture.ts';

export interface Problem {
  code: string; // of a ResnetError, or one of our own: see errors in lib/strings/en.ts
  message: string;
}

/** Runtime and model load side by side and make one report. total is 0 while it is unknown. */
export interface Loading {
  phase: 'download' | 'warmup';
  loaded: number;
  total: number;
}

export type Model =
  | { state: 'asleep' }
  | { state: 'loading'; progress: Loading }
  | { state: 'ready'; info: Info }
  | { state: 'failed'; problem: Problem };

/** A problem, or the name of a text in notes of lib/strings/en.ts, or a text of a view. */
export type Note = Pick<Problem, 'code'> & { title?: string; advice?: string };

/** A picture of this visit, small, with its latest result. */
export interface Seen {
  show: Show & { state: 'result' };
  small: HTMLCanvasElement;
}

/** A result with what is needed to show it. */
export interface Answer {
  result: Result;
  heatmap: Heatmap | undefined; // the one on show
  drawn: Drawable | null; // null if this document cannot decode the picture
  region: Box | null; // the part that was looked at, in whole pixels; null for all of the picture
  info: Info; // of the classifier that gave the result
}

/** A video that is classified as it runs: a file, or the camera if that is null. */
export interface Live {
  state: 'live';
  file: File | null;
  /** Why it waits for the visitor to go on, with the camera off; null while it runs. */
  held: 'hidden' | 'ended' | 'left' | null;
}

export type Show =
  | { state: 'empty' }
  | { state: 'film' } // the camera, for one picture
  | Live
  | { state: 'busy'; picture: Picture }
  | { state: 'result'; picture: Picture; answer: Answer }
  | { state: 'problem'; picture: Picture | null; problem: Problem };

export interface State {
  lang: string; // of texts and labels, such as 'en' or 'zh-Hans'
  model: Model;
  show: Show;
  heat: boolean; // whether heat maps are laid over pictures
  note: Note | null; // what is told beside what is on show
  seen: readonly Seen[]; // the pictures of this visit that the strip shows, oldest first
}

export const START: State = {
  lang: 'en',
  model: { state: 'asleep' },
  show: { state: 'empty' },
  heat: false,
  note: null,
  seen: [],
};

/** The picture on show, if there is one. */
export const pictureOn = (show: Show): Picture | null => ('picture' in show ? show.picture : null);

export const infoOf = (model: Model): Info | null => (model.state === 'ready' ? model.info : null);

/** Whether a problem lies in the picture itself, so that trying the same picture again would not help. */
export const isOfPicture = ({ code }: Problem) => /^(image-(?!fetch)|no-)/.test(code);

/** The label of a class of the model that info describes. */
export function labelOf({ index, label }: Class, { classes }: Info, lang: string): string {
  return index < classes.length ? labelIn(classes[index], lang) : label;
}
