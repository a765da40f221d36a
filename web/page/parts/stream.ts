// Cameras: whether there may be one, why one is refused, and how its light goes out.

import { messageOf } from '../../lib/thrown.ts';
import type { Problem } from '../app/state.ts';

declare global {
  interface Document {
    featurePolicy?: { allowsFeature(name: string): boolean }; // Chromium's
  }
}

const isForbidden = () => document.featurePolicy?.allowsFeature('camera') === false;

/** Whether this page may ask for a camera at all. */
export const mayFilm = () => Boolean(navigator.mediaDevices?.getUserMedia) && !isForbidden();

/** Why getUserMedia gave no camera, or cannot even be asked. */
export function cameraProblem(error: unknown): Problem {
  const name = error instanceof DOMException ? error.name : 'Error';
  const code = !isSecureContext ? 'no-camera-secure'
    : isForbidden() ? 'no-camera-here'
    : name === 'NotAllowedError' || name === 'SecurityError' ? 'no-camera-allowed'
    : name === 'NotReadableError' || name === 'AbortError' ? 'no-camera-free'
    : 'no-camera';
  return { code, message: `${name}: ${messageOf(error)}` };
}

/** Stops all tracks; the light of the camera goes out. */
export function endStream(stream: MediaStream) {
  for (const track of stream.getTracks()) track.stop();
}
