import type { Prediction } from '../../types/resnet.d.ts';
import type { Entry } from './entry.ts';

/** A picture with its answer, as exports have it. */
export interface Sorted {
  readonly entry: Entry;
  readonly bytes: number | null; // null if the file could not be opened
  readonly width: number; // of the upright picture, in pixels; 0 if it could not be read
  readonly height: number;
  /** Best first, with labels in the language of the page; none if there is an error. */
  readonly predictions: readonly Prediction[];
  /** What the picture is: what the visitor said, or else the best prediction's label; '' if there is neither. */
  readonly label: string;
  readonly isCorrected: boolean; // the visitor said it
  readonly sure: boolean;
  readonly error: string; // a message, or ''
}
