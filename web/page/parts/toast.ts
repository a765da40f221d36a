import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import type { State } from '../app/state.ts';
import { icon, make } from './dom.ts';

const SHORT = 4000; // ms for which something done is told
const LONG = 12_000; // ms for which a problem is told, unless the pointer or the focus rests on it

/** Tells a note for a while, over everything, and lets what is on show be. */
export function mountToast(element: HTMLElement, { store, announce }: App, t: PartsTexts): Unmount {
  const text = make('p', { id: 'note-text' });
  const close = make('button', { type: 'button', class: 'icon', id: 'note-close', 'aria-label': t.dismiss },
    icon(20, 20, ['path', { d: 'm5 5 10 10M15 5 5 15' }]));
  element.replaceChildren(text, close);
  let timer: ReturnType<typeof setTimeout> | undefined;

  const hide = () => store.set({ note: null });
  const wait = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (element.matches(':hover, :focus-within')) wait(SHORT);
      else hide();
    }, ms);
  };
  const render = ({ note }: State, before?: State) => {
    if (note === before?.note) return;
    element.hidden = !note;
    clearTimeout(timer);
    if (!note) return;
    const problem = Object.entries(t.errors).find(([code]) => code === note.code)?.[1];
    const done = Object.entries(t.notes).find(([name]) => name === note.code)?.[1];
    const own = note.title === undefined ? undefined : [note.title, note.advice ?? ''];
    const [title, advice] = own ?? problem ?? [done ?? t.errors.other[0], ''];
    text.replaceChildren(make('strong', {}, title), advice);
    announce(own ? own.join(' ') : `${title}. ${advice}`);
    wait(problem || own?.[1] ? LONG : SHORT);
  };
  close.addEventListener('click', hide);
  render(store.state);
  const unsubscribe = store.subscribe(render);
  return () => {
    clearTimeout(timer);
    unsubscribe();
  };
}
