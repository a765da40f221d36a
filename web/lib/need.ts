import { Failure } from './failure.ts';

/** What pictures need of a browser, and current ones have. */
const NEEDS = {
  createImageBitmap: 'to decode pictures',
  OffscreenCanvas: 'to read pixels',
};

/** Fails with the name of what this browser lacks. */
export function need(name: keyof typeof NEEDS) {
  if (globalThis[name]) return;
  throw new Failure('wasm-unsupported',
    `this browser has no ${name} ${NEEDS[name]}; pass ImageData, or use a current browser`);
}
