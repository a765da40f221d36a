// What the frame shows: the same parts as the page has, arranged for a column of somebody else's.

import type { PartsTexts } from '../lib/strings/en.ts';
import { all } from '../page/app/app.ts';
import type { App, Unmount } from '../page/app/app.ts';
import { tagOf } from '../page/app/language.ts';
import { pictureOn } from '../page/app/state.ts';
import type { State } from '../page/app/state.ts';
import { mountAnswer } from '../page/parts/answer.ts';
import { mountCamera } from '../page/parts/camera.ts';
import { byId, make, translate } from '../page/parts/dom.ts';
import { mountDrop } from '../page/parts/drop.ts';
import { followFocus } from '../page/parts/focus.ts';
import { mountProblem } from '../page/parts/problem.ts';
import { mountProgress } from '../page/parts/progress.ts';
import { mountStage } from '../page/parts/stage.ts';
import { mayFilm } from '../page/parts/stream.ts';
import { mountStrip } from '../page/parts/strip.ts';
import { mountTools } from '../page/parts/tools.ts';

/** Mounts into the document of embed.html. */
export function mount(app: App, t: PartsTexts): Unmount {
  document.documentElement.lang = tagOf(app.store.state.lang);
  translate(document, t);
  byId('stage', HTMLElement).setAttribute('aria-label', t.picture);
  const camera = mountCamera(byId('live', HTMLElement), app, t);
  const tools = make('div', { class: 'view-tools', id: 'tools' });
  const end = all(
    camera.unmount,
    app.store.subscribe(arrange),
    mountDrop(byId('drop', HTMLElement), app, t, mayFilm() ? camera.film : undefined),
    mountProgress(byId('load', HTMLElement), app, t, t.private1),
    mountStage(byId('view', HTMLElement), app, t, false),
    mountAnswer(byId('answer', HTMLElement), app, t, false, tools),
    mountTools(tools, app, t),
    mountProblem(byId('problem', HTMLElement), app, t),
    mountStrip(byId('strip', HTMLElement), app, t),
    mountPlace(byId('place', HTMLElement), app, t),
  );
  arrange(app.store.state);
  return end;
}

// Says which of the pictures that were given together is on show.
function mountPlace(element: HTMLElement, { store }: App, t: PartsTexts): Unmount {
  const render = ({ show }: State) => {
    const place = pictureOn(show)?.place;
    element.hidden = !place;
    element.textContent = place ? t.place(place.index + 1, place.count) : '';
  };
  render(store.state);
  return store.subscribe(render);
}

// Which parts are shown in which state.
function arrange({ show: { state } }: State, before?: State) {
  if (state === before?.show.state) return;
  document.body.dataset.state = state;
  byId('drop', HTMLElement).hidden = state !== 'empty';
  byId('live', HTMLElement).hidden = state !== 'film';
  byId('view', HTMLElement).hidden = state !== 'busy' && state !== 'result';
  byId('answer', HTMLElement).hidden = state !== 'result';
  byId('problem', HTMLElement).hidden = state !== 'problem';
  // Without the focus the frame takes none, as the visitor may be elsewhere in the site around it.
  followFocus(state, { result: 'best', problem: 'problem-title' }, false);
}
