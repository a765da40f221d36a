// What can be done with the pictures that are chosen.

import { heading } from '../parts/answer.ts';
import { icon, make } from '../parts/dom.ts';
import { DONE, FAILED } from './collection.ts';
import { TOP } from './columns.ts';
import { percentOf } from './desk.ts';
import type { Desk } from './desk.ts';

/** Fills the bar anew with each call of render. */
export function mountBar(element: HTMLElement, desk: Desk) {
  const { collection, t } = desk;
  const percent = percentOf(desk.lang);
  const title = make('p', { class: 'bar-title', id: 'bar-title' });
  const note = make('span', { class: 'bar-file', dir: 'auto' });
  const close = button('bar-close', t.chooseNone, 'm5 5 10 10M15 5 5 15');
  const names = make('div', { class: 'bar-names' });
  const acts = make('div', { class: 'bar-acts' });
  const text = (id: string, label: string) => make('button', { type: 'button', class: 'secondary small', id }, label);
  const look = text('bar-look', t.look);
  const similar = text('bar-similar', t.similar);
  const again = text('bar-again', t.again);
  const unlabel = text('bar-unlabel', t.unlabel);
  const remove = text('bar-remove', t.remove);
  acts.append(look, similar, again, unlabel, remove);
  element.replaceChildren(make('div', { class: 'bar-head' }, title, note, close), names, acts);
  close.addEventListener('click', () => {
    desk.set({ isChoosing: false });
    desk.choose([]);
  });
  const first = () => desk.chosen.at(0);
  look.addEventListener('click', () => {
    const id = first();
    if (id !== undefined) desk.open(id);
  });
  similar.addEventListener('click', () => {
    const id = first();
    if (id !== undefined) desk.set({ like: id });
  });
  again.addEventListener('click', () => collection.again(desk.chosen));
  unlabel.addEventListener('click', () => desk.label(desk.chosen, null));
  remove.addEventListener('click', () => desk.remove(desk.chosen));
  names.addEventListener('click', ({ target }) => {
    const found = target instanceof Element ? target.closest<HTMLElement>('[data-key]') : null;
    if (!found) return;
    const { key } = found.dataset;
    desk.label(desk.chosen, key === '' ? undefined : Number(key));
  });
  let drawn = '';

  return {
    /** What the keys 1 to 5 stand for. */
    keys: (): number[] => best(desk).map(({ key }) => key),
    render() {
      const { chosen } = desk;
      const [id] = chosen;
      element.hidden = chosen.length === 0;
      document.body.classList.toggle('with-bar', chosen.length > 0);
      if (chosen.length === 0) {
        drawn = '';
        return;
      }
      const isOne = chosen.length === 1;
      title.textContent = isOne ? t.itIs : t.theyAre;
      const problem = isOne ? collection.problem(id) : undefined;
      const [why] = Object.entries(t.errors).find(([code]) => code === problem?.code)?.[1] ?? [];
      note.textContent = isOne ? [collection.entry(id).path, why].filter((s) => s).join(': ') : t.chosen(chosen.length);
      const { state } = collection.columns;
      look.hidden = !isOne || state[id] === FAILED;
      similar.hidden = !isOne || state[id] !== DONE;
      again.hidden = !chosen.some((c) => state[c] === FAILED);
      unlabel.hidden = !chosen.some((c) => collection.isCorrected(c));
      const five = best(desk);
      const is = chosen.every((c) => collection.isCorrected(c) && collection.key(c) === collection.key(id))
        ? collection.key(id) : null;
      const now = JSON.stringify([five, is, desk.lang, isOne]);
      if (now === drawn) return;
      drawn = now;
      const held = names.contains(document.activeElement) && document.activeElement instanceof HTMLElement
        ? document.activeElement.dataset.key : undefined;
      const more = is !== null && !five.some(({ key }) => key === is) ? [{ key: is, p: 0 }] : [];
      names.replaceChildren(...[...five, ...more].map(({ key, p }, rank) => make('button',
        { type: 'button', class: 'guess', 'data-key': key, 'aria-pressed': String(key === is) },
        ...rank < five.length ? [make('kbd', {}, String(rank + 1))] : [],
        make('span', { dir: 'auto' }, heading(collection.name(key, desk.lang))),
        ...isOne && p > 0 ? [make('small', {}, percent(p))] : [])),
      make('button', { type: 'button', class: 'guess', 'data-key': '', id: 'bar-other' },
        make('kbd', {}, 'L'), make('span', {}, t.other)));
      if (held !== undefined) names.querySelector<HTMLElement>(`[data-key="${held}"]`)?.focus();
    },
  };
}

/** The five likeliest classes of what is chosen, by the sum of their probabilities. */
function best({ collection, chosen }: Desk): { key: number; p: number }[] {
  const { state, count } = collection.columns;
  const sums = new Map<number, number>();
  for (const id of chosen) {
    for (let rank = 0; state[id] === DONE && rank < count[id]; rank++) {
      const { key, probability } = collection.prediction(id, rank);
      sums.set(key, (sums.get(key) ?? 0) + probability);
    }
  }
  return [...sums].sort(([, a], [, b]) => b - a).slice(0, TOP).map(([key, p]) => ({ key, p }));
}

export const button = (id: string, title: string, d: string, className = 'icon') => make('button',
  { type: 'button', class: className, id, 'aria-label': title, title }, icon(20, 20, ['path', { d }]));
