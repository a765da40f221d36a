import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import { labelOf } from '../app/state.ts';
import type { Seen, State } from '../app/state.ts';
import { heading } from './answer.ts';
import { make } from './dom.ts';
import { drawBox } from './draw.ts';
import { middle } from './picture.ts';

const MOST = 12; // pictures that are kept for the strip
const SIDE = 128; // pixels of a small picture

/** The pictures of this visit in a row, newest first; each shows its result again. */
export function mountStrip(element: HTMLElement, { store, session }: App, t: PartsTexts): Unmount {
  const list = make('ul', { id: 'strip-list' });
  element.replaceChildren(make('h2', { id: 'strip-title' }, t.visit), list);

  /** The list with the result on show in it. */
  const seenIn = ({ show, seen }: State): readonly Seen[] => {
    if (show.state !== 'result') return seen;
    const at = seen.findIndex((s) => s.show.picture === show.picture);
    if (at >= 0 && seen[at].show === show) return seen;
    const { result, drawn } = show.answer;
    const box = result.heatmap?.box ?? (drawn && middle(drawn));
    if (!drawn || !box) return seen;
    const small = at >= 0 ? seen[at].small : make('canvas', { 'aria-hidden': 'true' });
    drawBox(small, drawn, box, SIDE);
    const now = { show, small };
    return at >= 0 ? seen.map((s, i) => (i === at ? now : s)) : [...seen, now].slice(-MOST);
  };
  const render = (state: State, before?: State) => {
    const { show, seen, lang } = state;
    if (show === before?.show && seen === before.seen) return;
    const now = seenIn(state);
    if (now !== seen) return store.set({ seen: now });
    element.hidden = seen.length === 0 || (seen.length === 1 && show.state === 'result');
    const isHeld = list.contains(document.activeElement);
    list.replaceChildren(...[...seen].reverse().map((s) => {
      const { picture, answer: { result: { predictions: [first] }, info } } = s.show;
      const label = first ? heading(labelOf(first, info, lang)) : t.nothing;
      const isOn = show.state === 'result' && show.picture === picture;
      const button = make('button', {
        type: 'button', title: label, 'aria-label': t.again(label, picture.name), 'aria-current': String(isOn),
      }, s.small);
      button.addEventListener('click', () => session.show(s.show));
      return make('li', {}, button);
    }));
    if (isHeld) list.querySelector<HTMLElement>('[aria-current="true"]')?.focus();
  };
  render(store.state);
  return store.subscribe(render);
}
