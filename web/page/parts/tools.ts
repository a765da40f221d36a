import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import type { State } from '../app/state.ts';
import { make } from './dom.ts';

/** The switch of the heat map, and the button for another picture. */
export function mountTools(element: HTMLElement, { store, choose }: App, t: PartsTexts): Unmount {
  const heat = make('button', { type: 'button', class: 'switch', id: 'heat-toggle', role: 'switch' },
    make('i', { 'aria-hidden': 'true' }), make('span', {}, t.heat));
  const another = make('button', { type: 'button', class: 'secondary', id: 'another' }, t.another);
  heat.addEventListener('click', () => store.set({ heat: !store.state.heat }));
  another.addEventListener('click', choose);
  element.replaceChildren(heat, another);
  const render = ({ heat: isOn, show }: State) => {
    heat.setAttribute('aria-checked', String(isOn));
    heat.hidden = show.state === 'result' && !show.answer.heatmap;
  };
  render(store.state);
  return store.subscribe(render);
}
