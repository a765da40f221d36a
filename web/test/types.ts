// Checked by tsc, never run: what the API accepts and gives, and what it refuses.
import type * as api from '../types/resnet.d.ts';
import type { Classifier, ErrorCode, Progress, Result, Source } from '../types/resnet.d.ts';
import * as made from '../api/resnet.ts';

declare const { createClassifier, createClassifierFrom, ResnetError }: typeof api;

/** Fails the type check unless A and B are each assignable to the other. */
export type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : { but: A }) : { but: B };

// resnet.js is what resnet.d.ts says.
export const described: Same<typeof made, typeof api> = true;

export async function accepted(
  file: File, image: HTMLImageElement, video: HTMLVideoElement, data: ImageData, signal: AbortSignal,
) {
  const c: Classifier = await createClassifier();
  await createClassifier({
    model: 'a.msgpack',
    threads: 'auto',
    simd: 'fixed',
    lang: 'zh',
    signal,
    onProgress: ({ phase, loaded, total }: Progress) => [phase, loaded / total],
  });
  await createClassifier({ model: new ArrayBuffer(8), threads: 4 });
  const parts = { worker: 'blob:x', wasm: new ArrayBuffer(8), model: new Uint8Array(8) };
  await createClassifierFrom(parts, { simd: 'none' });

  const canvas = document.createElement('canvas');
  const bitmap = await createImageBitmap(file);
  const url = new URL('cat.jpg', location.href);
  const sources: Source[] = [file, image, video, data, canvas, bitmap, 'cat.jpg', url];
  for (const source of sources) await c.classify(source);
  const r: Result = await c.classify(file, {
    topK: 3, threshold: 0.1, allow: [1, 'n02123045', 'cat'], deny: [], heatmap: 0, signal,
  });
  const [best] = r.predictions;
  const line: string | undefined = best && `${best.index} ${best.id} ${best.label} ${best.probability.toFixed(3)}`;
  const sure: boolean = r.sure;
  const heat: Float32Array | undefined = r.heatmap?.data;
  const at: number | undefined = r.heatmap?.box.x;
  const ms: number = r.timings.decode + r.timings.preprocess + r.timings.inference + r.timings.total;
  const features: Float32Array = await c.embed(file, { signal });
  const { median, min, max, perOp } = await c.benchmark({ runs: 5 });
  const macs: number = perOp.reduce((sum, op) => sum + op.macs / op.ms, 0);
  const labels: string[] = c.info.classes.map((k) => k.label);
  const size: number = c.info.inputSize + c.info.threads + c.info.bytes;
  if (c.info.simd === 'none' || c.info.noise) c.close();
  return [line, sure, heat, at, ms, features, median, min, max, macs, labels, size, c.info.model, c.info.architecture];
}

export function failed(error: unknown): ErrorCode | null {
  if (!(error instanceof ResnetError)) return null;
  switch (error.code) {
    case 'aborted':
      return error.name === 'AbortError' ? error.code : null;
    default:
      return error.code;
  }
}

export async function refused(c: Classifier, file: File) {
  // @ts-expect-error: no such instruction set
  await createClassifier({ simd: 'avx' });
  // @ts-expect-error: a misspelt option
  await c.classify(file, { topk: 3 });
  // @ts-expect-error: heatmap is no name
  await c.classify(file, { heatmap: 'best' });
  // @ts-expect-error: an element without pixels
  await c.classify(document.createElement('div'));
  // @ts-expect-error: info is read only
  c.info.threads = 2;
  // @ts-expect-error: no such code
  throw new ResnetError('teapot', 'short and stout');
}
