// Checked by tsc, never run: <resnet-classifier> as a page uses it.
import type * as made from '../embed/embed.ts';
import type { ResnetClassifierElement } from '../types/embed.d.ts';
import type { Same } from './types.ts';

// The element has no public member that embed.d.ts does not describe, but for what browsers call; it says itself that
// it has all of those.
type Called = 'connectedCallback' | 'disconnectedCallback' | 'attributeChangedCallback';
export const described: Same<Exclude<keyof made.ResnetClassifierElement, Called>, keyof ResnetClassifierElement> = true;

export async function accepted(blob: Blob, signal: AbortSignal) {
  const c = document.createElement('resnet-classifier');
  const same: ResnetClassifierElement = c;
  same.topK = 3;
  same.topK = null;
  same.theme = 'dark';
  same.heatmap = true;
  c.addEventListener('result', ({ detail }) => detail.predictions[0]?.label.trim());
  c.addEventListener('result', ({ detail: { index, count } }) => index === undefined || count === undefined || index < count);
  c.addEventListener('error', ({ detail }) => detail.code === 'embed-refused' && detail.message);
  c.addEventListener('progress', ({ detail }) => detail.loaded / detail.total);
  c.addEventListener('ready', ({ detail }) => detail.classes.length, { once: true });
  c.addEventListener('click', (e) => e.clientX);
  const { classes } = await c.load();
  const { predictions, sure } = await c.classify(await blob.arrayBuffer(), { signal });
  return [classes, predictions, sure, c.info?.threads];
}

export async function refused(c: ResnetClassifierElement) {
  // @ts-expect-error: addresses are not taken
  await c.classify('https://example.org/cat.png');
  // @ts-expect-error: no such theme
  c.theme = 'blue';
  // @ts-expect-error: read only
  c.info = null;
}
