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
export const clip = (s: unknown) => (String(s).length > 200 ? `${String(s).slice(0, 200)}…` : String(s));

export function aborted(signal: AbortSignal) {
  return new ResnetError('aborted', 'resnet: aborted by the caller', { cause: signal.reason });
}

export function closed() {
  return new ResnetError('closed', 'resnet: the classifier is closed; create another');
}
