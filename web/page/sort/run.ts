// How far the run is: in a strip, and in words now and then.

import type { Unmount } from '../app/app.ts';
import { make } from '../parts/dom.ts';
import { FAILED } from './collection.ts';
import type { Desk } from './desk.ts';

const SPEAK = 15_000; // ms between two reports of a run that are spoken

export function mountRun(element: HTMLElement, { app, collection, t }: Desk): { render(): void; unmount: Unmount } {
  const bar = make('progress', { id: 'run-bar', max: 1, 'aria-labelledby': 'run-text' });
  const text = make('p', { id: 'run-text' });
  const more = make('p', { id: 'run-more', class: 'run-more' });
  const hold = make('button', { type: 'button', class: 'secondary small', id: 'run-hold' });
  const cancel = make('button', { type: 'button', class: 'quiet', id: 'run-cancel' }, t.cancel);
  element.replaceChildren(
    make('div', { class: 'run-words' }, text, more), make('div', { class: 'buttons' }, hold, cancel), bar);
  hold.addEventListener('click', () => {
    if (collection.progress.state === 'running') collection.pause();
    else collection.resume();
  });
  cancel.addEventListener('click', () => collection.cancel());
  let spoken = -Infinity;
  let was = collection.isTold ? collection.progress.state : 'running'; // a short run ends before Sort has loaded

  const failures = () => {
    const { state, isGone } = collection.columns;
    let n = 0;
    for (let id = 0; id < collection.end; id++) n += Number(state[id] === FAILED && !isGone[id]);
    return n;
  };
  const render = () => {
    const { state, problem, isListing, total, done, rate } = collection.progress;
    const { model } = app.store.state;
    const isOver = state === 'idle' && !isListing;
    if (element.contains(document.activeElement) && isOver) document.getElementById('pictures')?.focus();
    element.hidden = isOver;
    element.dataset.run = state;
    const isWaiting = state === 'running' && model.state === 'loading';
    const left = rate > 0 ? (total - done) / rate : 0;
    text.textContent = total === 0 ? t.listing : t.running(done, total, isListing);
    const words = [...rate > 0 && state === 'running' ? [t.rate(rate), ...isListing ? [] : [t.left(left)]] : []];
    const known = problem && (Object.entries(t.errors).find(([code]) => code === problem.code)?.[1] ?? t.errors.other);
    if (isWaiting) words.push(t.waiting);
    if (state === 'paused') words.push(t.paused);
    more.textContent = known ? known.join(' ') : words.join(' · ');
    more.title = problem?.message ?? '';
    hold.textContent = state === 'running' ? t.pause : state === 'failed' ? t.retry : t.resume;
    if (isWaiting && model.progress.total > 0) bar.value = model.progress.loaded / model.progress.total;
    else if (total > 0) bar.value = done / total;
    else bar.removeAttribute('value');

    const now = performance.now();
    const isNew = state !== was;
    was = state;
    if (isNew && isOver) {
      collection.isTold = true;
      if (total > 0) app.announce(t.finished(done - failures(), failures()));
    } else if (isNew || (state === 'running' && now - spoken > SPEAK)) {
      if (isNew && state === 'running') app.announce(t.started(total));
      else app.announce([text.textContent, more.textContent].filter((s) => s).join(', '));
      spoken = now;
    }
  };
  render();
  return { render, unmount: app.store.subscribe(({ model }, before) => model !== before.model && render()) };
}
