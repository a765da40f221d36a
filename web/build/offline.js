// Stands in for resnet.js in the offline page: whatever that fetches lies in data blocks of the page itself. Addresses of
// other files of dist/ are in globalThis.inlined.

import { createClassifierFrom } from './resnet.js';

const text = (id) => document.getElementById(id).textContent;

globalThis.inlined = JSON.parse(text('inlined'));

// Takes the block out of the page as well, where it holds as much memory as it is long.
function unpack(id) {
  const base64 = text(id);
  document.getElementById(id).remove();
  const bytes = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')));
}

const worker = URL.createObjectURL(new Blob([text('worker')], { type: 'text/javascript' }));
const wasm = unpack('wasm').arrayBuffer();
const model = unpack('model').blob();

export async function createClassifier(options) {
  return createClassifierFrom({ worker, wasm: await wasm, model: await model }, options);
}
