// Stands in for resnet.js in the offline page: whatever that fetches lies in data blocks of the page itself. Addresses of
// other files of dist/ are in globalThis.inlined.

import { createClassifierFrom } from './resnet.js';

const block = (id) => document.getElementById(id).textContent;

globalThis.inlined = JSON.parse(block('inlined'));

function unpack(id) {
  const text = block(id);
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')));
}

const worker = URL.createObjectURL(new Blob([block('worker')], { type: 'text/javascript' }));
const wasm = unpack('wasm').arrayBuffer();
const model = unpack('model').blob();
Promise.all([wasm, model]).then(() => {
  for (const id of ['wasm', 'model']) document.getElementById(id).remove(); // as much memory as the file is long
}, () => {}); // told below

export async function createClassifier(options) {
  return createClassifierFrom({ worker, wasm: await wasm, model: await model }, options);
}
