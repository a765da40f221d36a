// Stands in for resnet.js in the offline page: whatever that fetches lies in data blocks of the page itself.

import { createClassifierFrom, ResnetError } from '../api/resnet.ts';
import type { Classifier, ClassifyOptions, CreateOptions, Source } from '../types/resnet.d.ts';

declare global {
  interface Uint8ArrayConstructor {
    fromBase64?(text: string): Uint8Array<ArrayBuffer>; // ES2026
  }
}

const text = (id: string) => document.getElementById(id)?.textContent ?? '';

globalThis.inlined = JSON.parse(text('inlined'));

// Joins and unpacks the blocks of a class. It takes them out of the page, where they hold as much memory as they are
// long.
function unpack(name: string) {
  const pieces = [...document.getElementsByClassName(name)].map((block) => {
    block.remove();
    const base64 = block.textContent ?? '';
    return Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  });
  return new Response(new Blob(pieces).stream().pipeThrough(new DecompressionStream('gzip')));
}

const script = (source: string) => URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));

// In WebKit no worker of a file: page can read a Blob: it gets bytes, and pictures that are decoded here.
const readsBlobs = new Promise<boolean>((resolve) => {
  const probe = new Worker(script("new Blob(['x']).text().then(() => postMessage(true), () => postMessage(false))"));
  probe.onmessage = ({ data }) => {
    probe.terminate();
    resolve(data);
  };
  probe.onerror = () => resolve(true); // the classifier's own worker then says why
});

async function decode(blob: Blob) {
  try {
    return await createImageBitmap(blob, {
      imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none',
    });
  } catch (cause) {
    throw new ResnetError('image-decode', `resnet: want a picture, got ${blob.type || 'a file'} of ${blob.size} bytes `
      + 'that is none, is damaged or of a kind this browser does not read; use JPEG, PNG, WebP, GIF or BMP', { cause });
  }
}

const worker = script(text('worker'));
const wasm = unpack('wasm').arrayBuffer();
const model = unpack('model').blob();

export async function createClassifier(options?: CreateOptions): Promise<Classifier> {
  const blobs = await readsBlobs;
  const bytes = blobs ? await model : await (await model).arrayBuffer();
  const parts = { worker, wasm: await wasm, model: bytes, warmsLater: true };
  const classifier = await createClassifierFrom(parts, options);
  if (!blobs) {
    const taken = async (source: Source | PromiseLike<Source>) => {
      const its = await source;
      return its instanceof Blob ? decode(its) : its;
    };
    const classify = classifier.classify.bind(classifier);
    classifier.classify = async (source, o) => classify(await taken(source), o);
    const classifyAll = classifier.classifyAll.bind(classifier);
    classifier.classifyAll = async function* <S extends Source | PromiseLike<Source>>(
      sources: Iterable<S> | AsyncIterable<S>, o?: ClassifyOptions,
    ) {
      const given: S[] = [];
      const from = Symbol.asyncIterator in sources ? sources[Symbol.asyncIterator]() : sources[Symbol.iterator]();
      const decoded: AsyncIterable<Promise<Source>> = { [Symbol.asyncIterator]: () => ({
        async next() {
          const { done, value } = await from.next();
          if (done) return { done, value: undefined };
          given.push(value);
          return { value: taken(value) };
        },
        async return() {
          await from.return?.();
          return { done: true, value: undefined };
        },
      }) };
      for await (const outcome of classifyAll(decoded, o)) yield Object.assign(outcome, { source: given[outcome.index] });
    };
  }
  return classifier;
}
