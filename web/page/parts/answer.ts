import type { PartsTexts } from '../../lib/strings/en.ts';
import type { Prediction, Result } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import { labelOf } from '../app/state.ts';
import type { Answer, State } from '../app/state.ts';
import { make } from './dom.ts';

/** What the network says of the picture: the best class, and bars; with notes on them, if wanted, and rest below. */
export function mountAnswer(
  element: HTMLElement, app: App, t: PartsTexts, hasNotes: boolean, rest: HTMLElement,
): Unmount {
  const { store, session, announce } = app;
  const eyebrow = make('p', { class: 'eyebrow', id: 'eyebrow' });
  const best = make('h2', { id: 'best', tabindex: -1 });
  const unsure = make('p', { class: 'unsure-note', id: 'unsure-note' }, t.unsureNote);
  const bars = make('ol', { class: 'bars', id: 'bars' });
  const hint = make('p', { class: 'bars-hint', id: 'bars-hint' }, t.barsHint);
  element.replaceChildren(eyebrow, best, ...hasNotes ? [unsure, bars, hint] : [bars], rest);
  let shown: Result | null = null;

  bars.addEventListener('click', async ({ target }) => {
    const button = target instanceof Element ? target.closest<HTMLElement>('.bar') : null;
    const { show, heat } = store.state;
    if (!button || show.state !== 'result') return;
    const index = Number(button.dataset.index);
    if (heat && index === show.answer.heatmap?.index) return store.set({ heat: false });
    await session.locate(index);
    const now = store.state;
    if (now.show.state !== 'result' || !now.heat) return;
    const found = now.show.answer.result.predictions.find((p) => p.index === index);
    if (found) announce(t.heatCaption(labelOf(found, now.show.answer.info, now.lang)));
  });

  const list = ({ result: { predictions, sure }, info }: Answer, lang: string, isFresh: boolean) => {
    const [first] = predictions;
    const label = (p: Prediction) => labelOf(p, info, lang);
    element.dataset.sure = String(sure);
    eyebrow.textContent = sure ? t.looksLike : t.unsure;
    eyebrow.hidden = !first;
    best.textContent = first ? heading(label(first)) : t.nothing;
    unsure.hidden = sure;
    bars.replaceChildren(...predictions.map((p, rank) => bar(p, label(p), rank, lang)));
    bars.classList.toggle('fresh', isFresh);
    if (!isFresh) return;
    announce(first ? t.announce(label(first), percent(first.probability, lang), sure) : t.nothing);
  };

  const render = (state: State, before?: State) => {
    const { show, heat } = state;
    if (show.state !== 'result') {
      shown = null;
      return;
    }
    const { result, heatmap } = show.answer;
    if (result !== shown) list(show.answer, state.lang, before !== undefined);
    shown = result;
    for (const button of bars.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(heat && Number(button.dataset.index) === heatmap?.index));
    }
  };
  render(store.state);
  return store.subscribe(render);
}

/** A list item with a button that shows one prediction as a bar. */
function bar({ index, id, probability }: Prediction, label: string, rank: number, lang: string) {
  const button = make('button', { class: 'bar', type: 'button', title: id, 'data-index': index, 'data-id': id },
    make('span', { class: 'bar-label' }, heading(label)),
    make('span', { class: 'bar-value' }, percent(probability, lang)),
    make('span', { class: 'track' }, make('span', { class: 'fill' })));
  button.style.setProperty('--p', String(probability));
  button.style.setProperty('--rank', String(rank));
  return make('li', {}, button);
}

function percent(p: number, lang: string) {
  return p.toLocaleString(lang, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** A class's label as a heading has it: with a capital, but iPod as it is. */
export function heading(label: string) {
  return label.replace(/^\p{Ll}(?!\p{Lu})/u, (letter) => letter.toUpperCase());
}
