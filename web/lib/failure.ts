import type { ErrorCode } from '../types/resnet.d.ts';

/** A failure in a worker that has a code; the page makes a ResnetError of it. */
export class Failure extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(`resnet: ${message}`);
    this.code = code;
  }
}
