// The size of a picture, which results have beside what types/resnet.d.ts promises, for our own page: out of sight of
// copies and comparisons.

import type { Result } from '../types/resnet.d.ts';

/** Of the upright picture, in pixels. */
export interface Size {
  width: number;
  height: number;
}

export function setSize(result: Result, size: Size) {
  Object.defineProperty(result, '_size', { value: size });
}

export function sizeIn(result: Result & { _size?: Size }): Size {
  return result._size ?? { width: 0, height: 0 };
}
