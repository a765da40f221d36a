// Types of embed.js, which defines <resnet-classifier>.

import type { Info, Progress, Result } from './resnet.js';

/** A button until it is pressed, then a frame that classifies pictures on the visitor's device. */
export class ResnetClassifierElement extends HTMLElement {
  /**
   * Attribute model: the address of a model file, relative to embed.html and on its origin; '' for the built-in one.
   */
  get model(): string;
  set model(address: string | null);
  /** Attribute top-k: the most predictions to give, 1 to 100. */
  get topK(): number;
  set topK(k: number | null);
  /** Attribute threshold: the least probability of a prediction, 0 to 1. */
  get threshold(): number;
  set threshold(probability: number | null);
  /** Attribute heatmap: shows where the network found the best class, and puts the heat map into results. */
  heatmap: boolean;
  /** Attribute theme: 'auto' follows the visitor's system. */
  get theme(): string;
  set theme(theme: 'auto' | 'light' | 'dark' | null);
  /** null until ready. */
  readonly info: Info | null;

  /** Does what the button does; resolves when pictures can be classified. */
  load(): Promise<Info>;
  /** Classifies an image file of at most 64 MiB and shows it, after doing what the button does. */
  classify(image: Blob | ArrayBuffer, options?: { signal?: AbortSignal | null }): Promise<Result>;

  addEventListener<K extends keyof ResnetClassifierEventMap>(
    type: K,
    listener: (this: ResnetClassifierElement, event: ResnetClassifierEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof ResnetClassifierEventMap>(
    type: K,
    listener: (this: ResnetClassifierElement, event: ResnetClassifierEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions,
  ): void;
}

/**
 * Where a picture is among those that the visitor has given together, as several files or a folder; index counts from
 * 0. Both are missing of a picture that came alone, and of those of classify().
 */
export interface Place {
  index?: number;
  count?: number;
}

/**
 * They bubble, but for error. result tells of every picture, the visitor's own too; error of all that fails but what
 * was aborted.
 */
export interface ResnetClassifierEventMap extends Omit<HTMLElementEventMap, 'progress' | 'error'> {
  ready: CustomEvent<Info>;
  progress: CustomEvent<Progress>;
  result: CustomEvent<Result & Place>;
  /** code: one of resnet.js, or 'embed-unreachable' or 'embed-refused'. */
  error: CustomEvent<Error & { code: string } & Place>;
}

/** What JSX may write in <resnet-classifier>. */
export interface ResnetClassifierAttributes {
  model?: string;
  'top-k'?: number | string;
  threshold?: number | string;
  heatmap?: boolean;
  lang?: string;
  theme?: 'auto' | 'light' | 'dark';
  id?: string;
  class?: string;
  className?: string;
  style?: unknown;
  hidden?: boolean;
  key?: unknown;
  ref?: unknown;
  children?: unknown;
}

/**
 * The element for JSX. Where that looks for elements in a module instead of a global namespace, as in React 19:
 * declare module 'react' { namespace JSX { interface IntrinsicElements extends ResnetClassifierElements {} } }
 */
export interface ResnetClassifierElements {
  'resnet-classifier': ResnetClassifierAttributes;
}

declare global {
  interface HTMLElementTagNameMap {
    'resnet-classifier': ResnetClassifierElement;
  }
  namespace JSX {
    interface IntrinsicElements extends ResnetClassifierElements {}
  }
}
