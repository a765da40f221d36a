// Look: a picture, and what is in it.

import type { PartsTexts } from '../../lib/strings/en.ts';
import { all } from '../app/app.ts';
import { tellBroken } from '../app/broken.ts';
import type { App, PageApp, Unmount } from '../app/app.ts';
import { address, modelName } from '../app/files.ts';
import { languageOf } from '../app/language.ts';
import type { Texts } from '../app/language.ts';
import { infoOf, labelOf } from '../app/state.ts';
import type { Answer, State } from '../app/state.ts';
import { mountActions } from '../parts/actions.ts';
import { mountAnswer } from '../parts/answer.ts';
import { byId, isTouch, make, translate } from '../parts/dom.ts';
import { mountDrop } from '../parts/drop.ts';
import { followFocus } from '../parts/focus.ts';
import { fromDrawing } from '../parts/picture.ts';
import { mountProblem } from '../parts/problem.ts';
import { mountProgress } from '../parts/progress.ts';
import { mountStage } from '../parts/stage.ts';
import { mountStrip } from '../parts/strip.ts';
import { mountTools } from '../parts/tools.ts';
import type { LiveTexts } from '../live/live.en.ts';
import { cameraProblem } from '../parts/stream.ts';
import type { LookTexts } from './look.en.ts';

// Pictures drawn by us that the built-in model names rightly, with the class it should name.
const DRAWINGS = [
  { file: 'monarch', id: 'n02279972' },
  { file: 'espresso', id: 'n07920052' },
  { file: 'lighthouse', id: 'n02814860' },
  { file: 'orange', id: 'n07747607' },
  { file: 'school-bus', id: 'n04146614' },
  { file: 'hourglass', id: 'n03544143' },
  { file: 'bell-pepper', id: 'n07720875' },
  { file: 'candle', id: 'n02948072' },
  { file: 'lemon', id: 'n07749582' },
  { file: 'keyboard', id: 'n03085013' },
] as const;

export function mount(outlet: HTMLElement, app: PageApp, t: PartsTexts & LookTexts): Unmount {
  const root = app.start; // in index.html, so that something is to be seen before any script has loaded
  if (root.parentElement !== outlet) outlet.replaceChildren(root);
  const facts = make('dl', { class: 'facts', id: 'facts' });
  const actions = make('div', { class: 'buttons actions', id: 'actions' });
  const rest = make('div', {}, actions, make('details', {}, make('summary', {}, t.facts), facts));
  const end = all(
    app.store.subscribe(arrange),
    mountDrop(byId('drop', HTMLElement), app, t),
    mountProgress(byId('load', HTMLElement), app, t),
    mountFigure(app, t),
    mountAnswer(byId('answer', HTMLElement), app, t, true, rest),
    mountProblem(byId('problem', HTMLElement), app, t),
    mountFacts(facts, app, t),
    mountStrip(byId('strip', HTMLElement), app, t),
    mountDrawings(byId('samples', HTMLElement), app, t),
    mountLive(app, t),
  );
  mountActions(actions, app, t);
  if (isTouch()) byId('drop-title', HTMLElement).dataset.t = 'pick';
  translate(root, t);
  byId('stage', HTMLElement).setAttribute('aria-label', t.picture);
  arrange(app.store.state);
  return () => {
    end();
    outlet.replaceChildren();
  };
}

// Which parts are shown in which state.
function arrange({ show }: State, before?: State) {
  const { state } = show;
  if (state === before?.show.state) return;
  document.body.dataset.state = state;
  const hasPicture = state === 'busy' || state === 'result';
  byId('drop', HTMLElement).hidden = hasPicture || state === 'live';
  byId('live', HTMLElement).hidden = state !== 'live';
  byId('live-answer', HTMLElement).hidden = state !== 'live';
  byId('view', HTMLElement).hidden = !hasPicture;
  byId('answer', HTMLElement).hidden = state !== 'result';
  byId('problem', HTMLElement).hidden = state !== 'problem';
  byId('intro', HTMLElement).hidden = ['result', 'problem', 'live'].includes(state);
  // A problem has the one button that stands out.
  byId('choose', HTMLElement).className = state === 'problem' ? 'secondary' : 'primary';
  const grabs = state !== 'empty' && (state !== 'problem' || show.picture !== null);
  followFocus(state, { empty: 'choose', result: 'best', problem: 'problem-title' }, grabs);
}

const liveTexts: Texts<LiveTexts> = {
  en: () => import('../live/live.en.ts'),
  zh: () => import('../live/live.zh.ts'),
};

// The camera and videos: what shows them is loaded when there is the first.
function mountLive(app: App, t: PartsTexts & LookTexts): Unmount {
  const { store, session } = app;
  const { lang } = store.state;
  const open = byId('film', HTMLButtonElement);
  const again = make('button', { type: 'button', class: 'primary', id: 'film-again', hidden: true }, t.goLive);
  const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia);
  let isAsked = false;
  let end: Unmount = () => {};
  let isOver = false;
  const start = (e: Event) => {
    e.stopPropagation(); // the zone around it takes presses for the choice of a picture
    if (hasCamera) session.live(null);
    else session.fail(cameraProblem(new Error('no navigator.mediaDevices.getUserMedia')), null);
  };
  open.hidden = !hasCamera && isSecureContext;
  if (hasCamera) byId('photo', HTMLElement).hidden = true; // freezing does the same
  open.addEventListener('click', start);
  again.addEventListener('click', () => {
    const { show } = store.state;
    if (show.state === 'result' && show.picture.live) session.live(show.picture.live.file);
  });
  byId('tools', HTMLElement).append(again);
  const load = async () => {
    isAsked = true;
    try {
      const [live, { default: own }] = await Promise.all([import('../live/live.ts'), liveTexts[languageOf(lang)]()]);
      if (isOver) return;
      end = live.mount(byId('live', HTMLElement), byId('live-answer', HTMLElement), app, { ...t, ...own });
    } catch (error) {
      isAsked = false;
      tellBroken(error);
      session.home();
    }
  };
  const render = ({ show }: State) => {
    again.hidden = show.state !== 'result' || !show.picture.live;
    if (show.state === 'live' && !isAsked) void load();
  };
  render(store.state);
  const unsubscribe = store.subscribe(render);
  return () => {
    isOver = true;
    unsubscribe();
    open.removeEventListener('click', start);
    end();
    if (lang === store.state.lang) session.hold('left'); // for another view, and not for another language
  };
}

function mountFigure(app: App, t: PartsTexts & LookTexts): Unmount {
  const caption = byId('caption', HTMLElement);
  const render = ({ show, heat, lang }: State) => {
    if (show.state !== 'result') {
      caption.textContent = '';
      return;
    }
    const { heatmap, info, result } = show.answer;
    const found = result.predictions.find((p) => p.index === heatmap?.index);
    caption.textContent = heat ? t.heatCaption(found ? labelOf(found, info, lang) : '')
      : t.saw(info.inputSize, t.aimHint);
  };
  const end = all(
    mountStage(byId('frame', HTMLElement), app, t, true),
    mountTools(byId('tools', HTMLElement), app, t),
    app.store.subscribe((state, before) => {
      render(state);
      if (state.show.state === 'busy' || state.show.state === before.show.state) return;
      if (state.show.state === 'result') reveal(byId('frame', HTMLElement));
      if (state.show.state === 'problem') reveal(byId('problem', HTMLElement));
    }),
  );
  render(app.store.state);
  return end;
}

// On a phone the answer may lie outside the window.
function reveal(element: Element) {
  const { top, bottom } = element.getBoundingClientRect();
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (top < 0 || bottom > innerHeight) element.scrollIntoView({ block: 'start', behavior: isCalm ? 'auto' : 'smooth' });
}

function mountFacts(list: HTMLElement, { store }: App, t: LookTexts): Unmount {
  const fact = (name: string, [strong, rest]: string[]) => [
    make('dt', {}, name), make('dd', {}, make('strong', {}, strong), rest),
  ];
  const fill = ({ result: { timings }, info }: Answer, lang: string) => {
    const tenths = (ms: number) => ms.toLocaleString(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    const ms = { inference: tenths(timings.inference), total: tenths(timings.total) };
    list.replaceChildren(
      ...fact(t.time, t.timeValue(ms)),
      ...fact(t.runs, t.runsValue(info.simd, info.threads)),
      ...info.noise ? fact(t.noise, t.noiseValue) : [],
      ...fact(t.model, t.modelValue(modelName(info), info.classes.length, info.bytes)),
    );
  };
  const render = ({ show, lang }: State, before?: State) => {
    if (show !== before?.show && show.state === 'result') fill(show.answer, lang);
  };
  render(store.state);
  return store.subscribe(render);
}

function mountDrawings(list: HTMLElement, { session, store }: App, t: LookTexts): Unmount {
  const items = DRAWINGS.map(({ file, id }) => {
    const name = t.drawings[file];
    const url = address(`samples/${file}.svg`);
    const image = make('img', { src: url, alt: '', width: 96, height: 96, decoding: 'async', draggable: 'false' });
    const button = make('button',
      { type: 'button', class: 'sample', 'data-id': id, 'aria-label': t.sample(name), title: name }, image);
    button.addEventListener('click', () => {
      button.blur(); // the focus goes to the answer, as it does when a file was chosen
      void session.look(fromDrawing(url, name));
    });
    return { id, item: make('li', {}, button) };
  });
  // A model of one's own may know none of these.
  const render = ({ model }: State, before?: State) => {
    const info = infoOf(model);
    if (before && (!info || model === before.model)) return;
    const known = items.filter(({ id }) => !info || info.classes.some((c) => c.id === id));
    list.replaceChildren(...known.map(({ item }) => item));
    byId('drawings', HTMLElement).hidden = known.length === 0;
  };
  render(store.state);
  return store.subscribe(render);
}
