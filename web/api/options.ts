// The options of each call, and how they are checked.

import { isKind, kind } from '../lib/kind.ts';
import { unknownOption } from '../lib/options.ts';
import type {
  BenchmarkOptions, CallOptions, ClassifyOptions, CreateOptions, Parts, Rectangle, Simd, ViewOptions,
} from '../types/resnet.d.ts';
import { ResnetError, clip } from './error.ts';

export const SIMD: readonly ('auto' | Simd)[] = ['auto', 'relaxed', 'fixed', 'none'];

// The options of each call, by name.
export const PARTS = names<Parts>({ worker: 1, kernel: 1, exec: 1, wasm: 1, model: 1, manifest: 1 });
export const CREATE = names<CreateOptions>({ model: 1, threads: 1, simd: 1, lang: 1, onProgress: 1, signal: 1 });
export const CALL = names<CallOptions>({ signal: 1 });
export const VIEW = names<ViewOptions>({ region: 1, fit: 1, signal: 1 });
export const CLASSIFY = names<ClassifyOptions>({
  topK: 1, threshold: 1, allow: 1, deny: 1, heatmap: 1, features: 1, region: 1, fit: 1, signal: 1,
});
const RECTANGLE = names<Rectangle>({ x: 1, y: 1, width: 1, height: 1 });
export const BENCHMARK = names<BenchmarkOptions>({ runs: 1, signal: 1 });

function names<T>(all: Record<keyof T, 1>) {
  return Object.keys(all);
}

export const isIndex = (x: unknown, count: number): x is number => (
  typeof x === 'number' && Number.isInteger(x) && x >= 0 && x < count
);
export const isCount = (x: unknown) => typeof x === 'number' && Number.isSafeInteger(x) && x >= 1;

export function check(ok: boolean, name: string, wanted: string, got: unknown): asserts ok {
  if (ok) return;
  const shown = typeof got === 'string' ? `'${clip(got)}'`
    : typeof got === 'object' && got !== null ? kind(got)
    : String(got);
  throw new ResnetError('bad-option', `resnet: ${name}: want ${wanted}, got ${shown}`);
}

export function checkOptions(options: unknown, known: readonly string[]) {
  check(options !== null && typeof options === 'object', 'options', 'an object', options);
  const unknown = unknownOption(options, known);
  if (unknown) throw new ResnetError('bad-option', `resnet: ${unknown}`);
}

export const rectangle = ({ x, y, width, height }: Rectangle): Rectangle => ({ x, y, width, height });

// Checks the options that say which part of a picture is looked at.
export function viewOf({ region = null, fit = 'crop' }: ViewOptions) {
  check(fit === 'crop' || fit === 'squash', 'fit', "'crop' or 'squash'", fit);
  if (region === null) return { region, squash: fit === 'squash' };
  checkOptions(region, RECTANGLE);
  const { x, y, width, height } = region;
  check([x, y, width, height].every(Number.isSafeInteger) && x >= 0 && y >= 0 && width >= 1 && height >= 1,
    'region', '{ x, y, width, height } in whole pixels, a part of the picture',
    `${kind(region)} ${[x, y, width, height].map(String).join(', ')}`);
  return { region: rectangle(region), squash: fit === 'squash' };
}

export function checkClasses(name: string, list: unknown) {
  check(list == null || (Array.isArray(list) && list.every((x) => typeof x === 'string' || Number.isInteger(x))),
    name, 'an array of class indices, ids or labels', list);
}

export function checkSignal(signal: unknown) {
  check(signal == null || isKind(signal, 'AbortSignal'), 'signal', 'an AbortSignal', signal);
}
