import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import { isOfPicture } from '../app/state.ts';
import type { State } from '../app/state.ts';
import { icon, make } from './dom.ts';

/** Says what has gone wrong, and offers what may help. */
export function mountProblem(element: HTMLElement, { store, session, announce, choose }: App, t: PartsTexts): Unmount {
  const title = make('h2', { id: 'problem-title', tabindex: -1 });
  const advice = make('p', { id: 'problem-advice' });
  const again = make('button', { type: 'button', id: 'retry' }, t.retry);
  const other = make('button', { type: 'button', id: 'problem-choose' }, t.chooseOther);
  const detail = make('p', { id: 'problem-detail' });
  const details = make('details', {}, make('summary', {}, t.details), detail);
  again.addEventListener('click', () => session.retry());
  other.addEventListener('click', choose);
  element.replaceChildren(
    icon(44, 48, ['circle', { cx: 24, cy: 24, r: 20 }], ['path', { d: 'M24 14v13M24 33.5v.5' }]),
    title, advice, make('div', { class: 'buttons' }, again, other), details,
  );
  const textsOf = (code: string) => {
    const known = Object.keys(t.errors).find((key): key is keyof typeof t.errors => key === code);
    return t.errors[known ?? 'other'];
  };
  const render = ({ show, model }: State, before?: State) => {
    if (show.state !== 'problem') return;
    const { problem } = show;
    const isRefused = problem.code === 'embed-refused';
    again.hidden = isOfPicture(problem) || isRefused || problem.code === 'wasm-unsupported';
    other.hidden = isRefused || model.state === 'failed';
    again.className = 'primary';
    other.className = again.hidden ? 'primary' : 'secondary';
    if (show === before?.show) return;
    [title.textContent, advice.textContent] = textsOf(problem.code);
    detail.textContent = problem.message;
    details.hidden = !problem.message;
    announce(`${title.textContent}. ${advice.textContent}`);
  };
  render(store.state);
  return store.subscribe(render);
}
