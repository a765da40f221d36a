// The options of each call, and how they are checked.

import { isKind, kind } from '../lib/kind.ts';
import { unknownOption } from '../lib/options.ts';
import { messageOf } from '../lib/thrown.ts';
import type {
  BenchmarkOptions, CallOptions, ClassifyOptions, CreateOptions, Parts, Rectangle, Simd, ViewOptions,
} from '../types/resnet.d.ts';
import { ResnetError, show } from './error.ts';

export const SIMD: readonly ('auto' | Simd)[] = ['auto', 'relaxed', 'fixed', 'none'];

// The options of each call, by name.
export const PARTS = names<Parts>({ worker: 1, kernel: 1, wasm: 1, model: 1, manifest: 1, warmsLater: 1 });
export const CREATE = names<CreateOptions>({ model: 1, threads: 1, simd: 1, lang: 1, onProgress: 1, signal: 1 });
export const CALL = names<CallOptions>({ signal: 1 });
export const VIEW = names<ViewOptions>({ region: 1, fit: 1, signal: 1 });
export const CLASSIFY = names<ClassifyOptions>({
  topK: 1, threshold: 1, allow: 1, deny: 1, heatmap: 1, features: 1, region: 1, fit: 1, signal: 1,
});
const RECTANGLE = names<Rectangle>({ x: 1, y: 1, width: 1, height: 1 });
export const BENCHMARK = names<BenchmarkOptions>({ runs: 1, signal: 1 });

function names<T>(all: Record<string & keyof T, 1>) {
  return Object.keys(all) as (string & keyof T)[];
}

export const isIndex = (x: unknown, count: number): x is number => (
  typeof x === 'number' && Number.isInteger(x) && x >= 0 && x < count
);
export const isCount = (x: unknown) => typeof x === 'number' && Number.isSafeInteger(x) && x >= 1;

export function check(ok: boolean, name: string, wanted: string, got: unknown): asserts ok {
  if (!ok) throw new ResnetError('bad-option', `resnet: ${name}: want ${wanted}, got ${show(got)}`);
}

/** What look finds in something somebody passed; its getters may throw, and so may a Proxy. */
export function look<T>(name: string, wanted: string, got: unknown, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    const message = `resnet: ${name}: want ${wanted}, got ${show(got)} that cannot be read: ${messageOf(cause)}`;
    throw new ResnetError('bad-option', message, { cause });
  }
}

/** Checks the names of options and gives a copy, so that each is read once. */
export function checkOptions<T extends object>(options: T, known: readonly (string & keyof T)[]): Partial<T> {
  check(options !== null && typeof options === 'object', 'options', 'an object', options);
  const { unknown, copy } = look('options', 'an object', options, () => {
    const copy: Partial<T> = {};
    for (const name of known) copy[name] = options[name];
    return { unknown: unknownOption(options, known), copy };
  });
  if (unknown) throw new ResnetError('bad-option', `resnet: ${unknown}`);
  return copy;
}

export const rectangle = ({ x, y, width, height }: Rectangle): Rectangle => ({ x, y, width, height });

// Checks the options that say which part of a picture is looked at.
export function viewOf({ region = null, fit = 'crop' }: ViewOptions) {
  check(fit === 'crop' || fit === 'squash', 'fit', "'crop' or 'squash'", fit);
  if (region === null) return { region, squash: fit === 'squash' };
  const { x = NaN, y = NaN, width = NaN, height = NaN } = checkOptions(region, RECTANGLE);
  check([x, y, width, height].every(Number.isSafeInteger) && x >= 0 && y >= 0 && width >= 1 && height >= 1,
    'region', '{ x, y, width, height } in whole pixels, a part of the picture',
    `${kind(region)} ${[x, y, width, height].map(show).join(', ')}`);
  return { region: { x, y, width, height }, squash: fit === 'squash' };
}

/** A copy of a list of classes, as the call may have to wait. */
export function checkClasses<T>(name: string, list: readonly T[] | null | undefined): T[] | null {
  if (list == null) return null;
  const wanted = 'an array of class indices, ids or labels';
  const copy = look(name, wanted, list, () => (Array.isArray(list) ? [...list] : null));
  check(copy?.every((x) => typeof x === 'string' || Number.isInteger(x)) ?? false, name, wanted, list);
  return copy;
}

export function checkSignal(signal: unknown) {
  check(signal == null || isKind(signal, 'AbortSignal'), 'signal', 'an AbortSignal', signal);
}
