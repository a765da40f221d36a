import { kind } from '../lib/kind.ts';
import { messageOf } from '../lib/thrown.ts';
import type { ErrorCode } from '../types/resnet.d.ts';

/** What every failure rejects with; ../types/resnet.d.ts tells more. */
export class ResnetError extends Error {
  readonly code: ErrorCode;
  override name: 'ResnetError' | 'AbortError';

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = code === 'aborted' ? 'AbortError' : 'ResnetError';
    this.code = code;
  }
}

/** The beginning of what somebody passed, for a message. */
export function clip(x: unknown) {
  const s = messageOf(x);
  return s.length > 200 ? `${s.slice(0, 200)}…` : s;
}

/** What somebody passed in place of what was wanted, for a message; of an object the class, as its text may throw. */
export const show = (x: unknown) => (typeof x === 'string' ? `'${clip(x)}'`
  : (typeof x === 'object' && x !== null) || typeof x === 'function' ? kind(x)
  : clip(x));

export function aborted(signal: AbortSignal) {
  return new ResnetError('aborted', 'resnet: aborted by the caller', { cause: signal.reason });
}

export function closed() {
  return new ResnetError('closed', 'resnet: the classifier is closed; create another');
}
