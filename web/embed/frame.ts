// The page in the frame of <resnet-classifier>: takes pictures from the visitor, and from the site around it, and tells
// what they are. Whatever that site sends is checked here; it gets answers, never the visitor's pictures. In a plain
// iframe, or opened by itself, it does the same for the visitor alone.

import { MOST_BYTES } from '../api/protocol.ts';
import type { ToFrame, Unchecked } from '../api/protocol.ts';
import { tellBroken } from '../page/app/broken.ts';
import type { App, Unmount } from '../page/app/app.ts';
import { languageOf } from '../page/app/language.ts';
import type { Language, Texts } from '../page/app/language.ts';
import { problemOf, Session } from '../page/app/session.ts';
import { pictureOn, START } from '../page/app/state.ts';
import type { Answer } from '../page/app/state.ts';
import { Store } from '../page/app/store.ts';
import { announcer } from '../page/parts/announcer.ts';
import { byId } from '../page/parts/dom.ts';
import { listen } from '../page/parts/intake.ts';
import { fromFile } from '../page/parts/picture.ts';
import type { Picture } from '../page/parts/picture.ts';
import type { Entry } from '../page/sort/entry.ts';
import { infoIn, resultIn } from '../lib/labels.ts';
import type { PartsTexts } from '../lib/strings/en.ts';
import type { Info } from '../types/resnet.d.ts';
import { setColours } from './colours.ts';
import { clip, isObject, read } from './options.ts';
import { Site } from './site.ts';
import { mount } from './view.ts';

const MOST_CALLS = 32; // of the site may wait for an answer at the same time

let options = read({}, () => {});

const store = new Store(START);

// The site's calls that wait for an answer, by their pictures.
const calls = new Map<Picture, { id: number; end: AbortController; heatmap: boolean }>();
const callOf = (id: number) => [...calls.values()].find((call) => call.id === id);

/** Takes out the call that a picture is from; undefined for the visitor's own. */
function settle(picture: Picture) {
  const call = calls.get(picture);
  calls.delete(picture);
  return call;
}

let answered: Picture | null = null; // the last one that has had its event: one that was given up has none

const session = new Session(store, () => options, {
  progress: (detail) => site.tell({ event: 'progress', detail }),
  ready: tellReady,
  failed: (detail) => site.tell({ event: 'error', detail, id: 'load' }),
  result(result, info, picture) {
    const { id, heatmap: isWanted } = settle(picture) ?? { id: undefined, heatmap: options.heatmap };
    answered = picture;
    tellResult({ result, info }, isWanted, id, picture.place);
  },
  error(detail, picture) {
    const call = settle(picture);
    // A classifier that did not load has been reported already, but each call of the site gets an answer of its own.
    if (call || store.state.model.state !== 'failed') {
      answered = picture;
      site.tell({ event: 'error', detail: { ...detail, ...picture.place }, id: call?.id });
    }
  },
});

const site = new Site({
  met(given) {
    document.documentElement.dataset.fit = '';
    new ResizeObserver(() => {
      site.tell({ event: 'size', detail: Math.ceil(document.documentElement.getBoundingClientRect().height) });
    }).observe(document.documentElement);
    set(given);
    session.load().catch(() => {}); // the session has told the site of it
  },
  hear,
  refused: (why) => session.fail({ code: 'embed-refused', message: why }, null),
});

function tellReady(info: Info) {
  site.tell({ event: 'ready', detail: infoIn(info, options.lang) });
}

function tellResult(
  { result, info }: Pick<Answer, 'result' | 'info'>, hasHeatmap: boolean, id?: number, place?: Picture['place'],
) {
  const detail = { ...resultIn(result, info, options.lang), ...place };
  if (!hasHeatmap) delete detail.heatmap;
  site.tell({ event: 'result', detail, id });
}

function set(given: unknown) {
  const before = options;
  options = read(given, (message) => {
    site.tell({ event: 'error', detail: { code: 'bad-option', message: `resnet: ${message}` } });
  });
  setColours(options);
  store.set({ lang: options.lang });
  if (options.heatmap !== before.heatmap) store.set({ heat: options.heatmap });
  const { show } = store.state;
  if (options.lang !== before.lang && show.state === 'result') {
    tellResult(show.answer, options.heatmap, undefined, show.picture.place);
  }
  if (options.model !== before.model && store.state.model.state !== 'asleep') session.restart();
}

function hear(message: unknown) {
  if (!isObject(message)) return;
  const { op, id, image, options: given }: Unchecked<ToFrame> = message;
  const isOp = (name: ToFrame['op']) => op === name;
  if (isOp('set')) return set(given);
  if (isOp('load')) return load();
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 1) return; // no answer could name the call
  if (isOp('cancel')) return callOf(id)?.end.abort();
  const refuse = (code: string, why: string) => {
    site.tell({ event: 'error', detail: { code, message: `resnet: ${why}` }, id });
  };
  if (!isOp('classify')) return refuse('bad-option', `op: want 'classify', 'cancel', 'load' or 'set', got ${clip(op)}`);
  if (callOf(id)) return refuse('bad-option', `id: ${id} is still in use`);
  if (calls.size >= MOST_CALLS) {
    return refuse('bad-option', `${MOST_CALLS} pictures wait already; wait for answers first`);
  }
  const blob = image instanceof Blob ? image : image instanceof ArrayBuffer ? new Blob([image]) : null;
  if (!blob) return refuse('bad-option', `image: want a Blob or an ArrayBuffer, got ${clip(image)}`);
  if (blob.size > MOST_BYTES) {
    return refuse('image-too-large', `image: want at most ${MOST_BYTES} bytes, got ${blob.size}`);
  }
  const picture = fromFile(blob);
  const end = new AbortController();
  calls.set(picture, { id, end, heatmap: options.heatmap });
  void session.look(picture, end.signal).finally(() => settle(picture));
}

function load() {
  const { model } = store.state;
  if (model.state === 'ready') tellReady(model.info);
  else if (model.state !== 'loading') session.retry();
}

let taken = {}; // what the visitor has given last

// One after the other. What the visitor gives or looks at before all have had their turn ends it, and so does a
// classifier that does not load.
async function takeMany(entries: AsyncIterable<Entry>) {
  const own = taken = {};
  session.abort();
  const list: Entry[] = [];
  for await (const entry of entries) list.push(entry);
  for (const [index, { file }] of list.entries()) {
    if (own !== taken) return;
    const place = { index, count: list.length };
    const picture = await file().then((f) => ({ ...fromFile(f), place }), problemOf);
    if (own !== taken) return;
    if ('code' in picture) {
      session.fail(picture, null);
      site.tell({ event: 'error', detail: { ...picture, ...place } });
      continue;
    }
    // It is looked at again if the site has chosen another model in the meantime.
    do await session.look(picture); while (own === taken && answered !== picture && isBusyWith(picture));
    if (answered !== picture) return;
  }
}

const isBusyWith = (picture: Picture) => store.state.show.state === 'busy' && pictureOn(store.state.show) === picture;

const intake = listen({
  take(file) {
    taken = {};
    void session.look(fromFile(file));
  },
  takeMany: (entries) => void takeMany(entries),
  refuse(code) {
    taken = {};
    session.abort();
    session.fail({ code, message: '' }, null);
  },
});
const app: App = { store, session, announce: announcer(byId('announcer', HTMLElement)), ...intake };

const texts: Texts<PartsTexts> = { en: () => import('../lib/strings/en.ts'), zh: () => import('../lib/strings/zh.ts') };
let spoken: Language | null = null;
let unmount: Unmount = () => {};

async function speak() {
  const lang = languageOf(store.state.lang);
  if (lang === spoken) return;
  spoken = lang;
  try {
    const { default: t } = await texts[lang]();
    if (lang !== spoken) return;
    unmount();
    unmount = mount(app, t);
  } catch (error) {
    tellBroken(error);
  }
}

store.subscribe((state, before) => {
  if (state.lang !== before.lang) void speak();
});
setColours(options);
void speak();
