// What the frames of a video come to, in words and bars.

import type { PartsTexts } from '../../lib/strings/en.ts';
import type { Info, Prediction, Result } from '../../types/resnet.d.ts';
import type { App } from '../app/app.ts';
import { shared } from '../app/groups.ts';
import { languageOf } from '../app/language.ts';
import { labelOf } from '../app/state.ts';
import { heading } from '../parts/answer.ts';
import { make } from '../parts/dom.ts';
import { follow, places } from './smooth.ts';
import type { Smoothed } from './smooth.ts';

const BARS = 5;
const LEAST = 0.5; // probability of a class that a frame may be said to look like, as for pictures
const PERIOD = 125; // ms between two changes of numbers: more often they cannot be read
const SPOKEN = 2500; // ms between two headlines that screen readers are told

export interface Verdict {
  /** Takes in the answer for the frame of a time. */
  take(result: Result, info: Info, time: number): Smoothed;
  /** Shows what has been taken in. */
  write(info: Info): void;
  /** Begins anew, with a word on what is waited for. */
  clear(text: string): void;
}

export function mountVerdict(element: HTMLElement, { store, announce }: App, t: PartsTexts): Verdict {
  const eyebrow = make('p', { class: 'eyebrow', id: 'live-eyebrow' });
  const best = make('h2', { id: 'live-best', dir: 'auto' });
  const bars = make('ol', { class: 'bars', id: 'live-bars' });
  element.replaceChildren(eyebrow, best, bars);
  let smoothed: Smoothed | null = null;
  let shown: number[] = []; // classes of the bars
  let rows: Row[] = [];
  let writtenAt = 0;
  let said = '';
  let saidAt = -SPOKEN;

  const speak = (text: string, now: number) => {
    if (text === said || now - saidAt < SPOKEN) return;
    said = text;
    saidAt = now;
    announce(`${text}.`);
  };

  return {
    take({ predictions, sure }, info, time) {
      const all = new Float32Array(info.classes.length);
      for (const { index, probability } of predictions) all[index] = probability;
      const isSure = sure && predictions.length > 0 && predictions[0].probability >= LEAST;
      smoothed = follow(smoothed, all, isSure, time);
      return smoothed;
    },
    write(info) {
      if (!smoothed) return;
      const { lang } = store.state;
      const { mean, head, isSure } = smoothed;
      const label = (index: number) => labelOf(info.classes[index], info, lang);
      const before = shown;
      shown = places(before, smoothed, Math.min(BARS, mean.length));
      if (rows.length !== shown.length) {
        rows = shown.map(row);
        bars.replaceChildren(...rows.map((r) => r.item));
      }
      shown.forEach((index, i) => {
        rows[i].bar.style.setProperty('--p', String(mean[index]));
        if (index !== before[i]) rows[i].label.textContent = heading(label(index));
      });
      const now = performance.now();
      if (head === before[0] && now - writtenAt < PERIOD) return;
      writtenAt = now;
      shown.forEach((index, i) => {
        rows[i].value.textContent = mean[index].toLocaleString(lang, { style: 'percent', maximumFractionDigits: 0 });
      });
      const ranked = shown.map((i): Prediction => ({ ...info.classes[i], probability: mean[i] }))
        .sort((a, b) => b.probability - a.probability);
      const one = isSure || info.multiLabel ? undefined : shared(ranked)?.one?.[languageOf(lang)];
      element.dataset.sure = isSure ? 'true' : one ? 'kind' : 'false';
      set(eyebrow, isSure ? info.multiLabel ? t.contains : t.looksLike : one ? t.kind(one) : t.unsure);
      set(best, heading(label(head)));
      speak(`${eyebrow.textContent} ${label(head)}`, now);
    },
    clear(text) {
      smoothed = null;
      shown = [];
      rows = [];
      said = '';
      element.dataset.sure = 'true';
      for (const e of [best, bars]) e.replaceChildren();
      set(eyebrow, text);
    },
  };
}

interface Row { item: HTMLElement; bar: HTMLElement; label: HTMLElement; value: HTMLElement }

function row(): Row {
  const label = make('span', { class: 'bar-label', dir: 'auto' });
  const value = make('span', { class: 'bar-value' });
  const track = make('span', { class: 'track' }, make('span', { class: 'fill' }));
  const bar = make('div', { class: 'bar' }, label, value, track);
  return { item: make('li', {}, bar), bar, label, value };
}

// Writes a text only where it is another, so that the layout can rest.
function set(e: HTMLElement, text: string) {
  if (e.textContent !== text) e.textContent = text;
}
