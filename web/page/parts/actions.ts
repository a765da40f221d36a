import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App } from '../app/app.ts';
import { labelOf } from '../app/state.ts';
import type { Answer } from '../app/state.ts';
import { heading, percent } from './answer.ts';
import { icon, make } from './dom.ts';

/** What is written of an answer: a line for each class. */
export const linesOf = ({ result: { predictions }, info }: Answer, lang: string) => predictions
  .map((p) => ({ label: heading(labelOf(p, info, lang)), percent: percent(p.probability, lang), p: p.probability }));

/** The buttons that copy an answer, and save the picture with it. */
export function mountActions(element: HTMLElement, { store }: App, t: PartsTexts) {
  const copy = make('button', { type: 'button', class: 'secondary small', id: 'copy' },
    icon(18, 20,
      ['rect', { x: 7, y: 7, width: 9, height: 9, rx: 2 }], ['path', { d: 'M13 4.5H6A2 2 0 0 0 4 6.5V13' }]),
    t.copy);
  const save = make('button', { type: 'button', class: 'secondary small', id: 'save' },
    icon(18, 20, ['path', { d: 'M10 3.5v9M6.5 9.5l3.5 3.5 3.5-3.5M4 16.5h12' }]), t.save);
  element.replaceChildren(copy, save);
  copy.addEventListener('click', async () => {
    const { show, lang } = store.state;
    if (show.state !== 'result') return;
    const text = linesOf(show.answer, lang).map(({ label, percent }) => `${label}\t${percent}`).join('\n');
    try {
      await navigator.clipboard.writeText(text);
      store.set({ note: { code: 'copied' } });
    } catch { // not allowed, or not a secure page
      store.set({ note: { code: 'not-copied' } });
    }
  });
  save.addEventListener('click', async () => {
    const { show, lang } = store.state;
    if (show.state !== 'result') return;
    try {
      const { saveCard } = await import('./card.ts');
      await saveCard(show, lang, t);
      store.set({ note: { code: 'saved' } });
    } catch {
      store.set({ note: { code: 'not-saved' } });
    }
  });
}
