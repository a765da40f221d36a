// Checked by tsc, never run: <resnet-classifier> in JSX.
import type { ResnetClassifierElements } from '../types/embed.d.ts';

declare namespace React {
  function createElement(tag: string, attributes: unknown, ...children: unknown[]): unknown;
}

export const accepted = [
  <resnet-classifier />,
  <resnet-classifier top-k={3} threshold="0.1" heatmap lang="zh" theme="dark" className="wide">What is it?</resnet-classifier>,
];

export const refused = [
  // @ts-expect-error: no such theme
  <resnet-classifier theme="blue" />,
  // @ts-expect-error: no such attribute
  <resnet-classifier topk={3} />,
];

export type Elements = keyof ResnetClassifierElements;
