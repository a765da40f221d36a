import type { PartsTexts } from '../../lib/strings/en.ts';
import type { Prediction, Result } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import type { Group } from '../app/groups.ts';
import { languageOf } from '../app/language.ts';
import { labelOf } from '../app/state.ts';
import type { Answer, State } from '../app/state.ts';
import { make } from './dom.ts';
import type { Picture } from './picture.ts';

const SETTLED = 700; // ms without another answer for the same picture, after which it is spoken
const LEAST = 0.5; // probability of a class that a picture may be said to look like, whatever the model calls sure

/** What the network says of the picture: the best class, and bars; with notes on them, if wanted, and rest below. */
export function mountAnswer(
  element: HTMLElement, app: App, t: PartsTexts, hasNotes: boolean, rest: HTMLElement,
): Unmount {
  const { store, session, announce } = app;
  let groups: typeof import('../app/groups.ts') | null = null; // for answers that are not sure
  let speaking: ReturnType<typeof setTimeout> | undefined;
  const eyebrow = make('p', { class: 'eyebrow', id: 'eyebrow' });
  const best = make('h2', { id: 'best', tabindex: -1, dir: 'auto' });
  const unsure = make('p', { class: 'unsure-note', id: 'unsure-note' }, t.unsureNote);
  const bars = make('ol', { class: 'bars', id: 'bars' });
  const hint = make('p', { class: 'bars-hint', id: 'bars-hint' }, t.barsHint);
  element.replaceChildren(eyebrow, best, ...hasNotes ? [unsure, bars, hint] : [bars], rest);
  let shown: Result | null = null;
  let picture: Picture | null = null;
  let isMoved = false; // the answer is for another part of the same picture than the one before

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

  const list = ({ result, info }: Answer, lang: string, isFresh: boolean) => {
    const { predictions } = result;
    const [first] = predictions;
    const label = (p: Prediction) => labelOf(p, info, lang);
    const sure = isSure(result);
    const { title, eyebrow: usual } = headline({ result, info }, lang, t);
    best.textContent = title;
    eyebrow.hidden = !first;
    unsure.hidden = sure;
    const say = (group: Group | null) => {
      const one = group?.one?.[languageOf(lang)];
      element.dataset.sure = sure ? 'true' : one ? 'kind' : 'false';
      eyebrow.textContent = one ? t.kind(one) : usual;
      unsure.textContent = one ? t.kindNote : t.unsureNote;
      if (!isFresh) return;
      const spoken = first && (info.multiLabel && sure ? `${usual} ${title}`
        : t.announce(eyebrow.textContent, label(first), percent(first.probability, lang)));
      speak(spoken ?? t.nothing);
    };
    if (sure || groups || info.multiLabel) say(sure || info.multiLabel ? null : groups?.shared(predictions) ?? null);
    else {
      say(null);
      import('../app/groups.ts').then((loaded) => {
        groups = loaded;
        if (shown === result) say(loaded.shared(predictions));
      }, () => {}); // without them the answer is less kind
    }
    const held = bars.querySelector<HTMLElement>('.bar:focus')?.dataset.index;
    bars.replaceChildren(...predictions.map((p, rank) => bar(p, label(p), rank, lang)));
    if (held) bars.querySelector<HTMLElement>(`[data-index="${held}"]`)?.focus();
  };
  const speak = (text: string) => {
    clearTimeout(speaking);
    speaking = setTimeout(() => announce(text), isMoved ? SETTLED : 0);
  };

  const render = (state: State, before?: State) => {
    const { show, heat } = state;
    if (show.state !== 'result') {
      shown = picture = null;
      clearTimeout(speaking);
      return;
    }
    const { result, heatmap } = show.answer;
    if (result !== shown) {
      isMoved = picture === show.picture;
      picture = show.picture;
      shown = result;
      bars.classList.toggle('fresh', before !== undefined && !isMoved);
      list(show.answer, state.lang, before !== undefined);
    }
    for (const button of bars.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(heat && Number(button.dataset.index) === heatmap?.index));
    }
  };
  render(store.state);
  const unsubscribe = store.subscribe(render);
  return () => {
    clearTimeout(speaking);
    unsubscribe();
  };
}

/**
 * What stands over the bars: the best class, or all that are there where classes do not exclude each other, and how sure
 * the network is of it.
 */
export function headline({ result, info }: Pick<Answer, 'result' | 'info'>, lang: string, t: PartsTexts) {
  const { predictions } = result;
  const sure = isSure(result);
  const there = predictions.filter((p, i) => i === 0 || (info.multiLabel && sure && p.probability >= LEAST));
  const names = there.map((p) => labelOf(p, info, lang));
  return {
    eyebrow: !sure ? t.unsure : info.multiLabel ? t.contains : t.looksLike,
    title: names.length > 0 ? heading(new Intl.ListFormat(lang).format(names)) : t.nothing,
  };
}

/** Whether a picture may be said to look like its first class. */
const isSure = ({ sure, predictions: [first] }: Result) => sure && first !== undefined
  && first.probability >= LEAST;

/** A list item with a button that shows one prediction as a bar. */
function bar({ index, id, probability }: Prediction, label: string, rank: number, lang: string) {
  const button = make('button', { class: 'bar', type: 'button', 'data-index': index, 'data-id': id },
    make('span', { class: 'bar-label', dir: 'auto' }, heading(label)),
    make('span', { class: 'bar-value' }, percent(probability, lang)),
    make('span', { class: 'track' }, make('span', { class: 'fill' })));
  button.style.setProperty('--p', String(probability));
  button.style.setProperty('--rank', String(rank));
  return make('li', {}, button);
}

export function percent(p: number, lang: string) {
  return p.toLocaleString(lang, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** A class's label as a heading has it: with a capital, but iPod as it is. */
export function heading(label: string) {
  return label.replace(/^\p{Ll}(?!\p{Lu})/u, (letter) => letter.toUpperCase());
}
