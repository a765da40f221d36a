// The page: takes pictures, shows answers. It computes nothing itself and knows the network only through resnet.js.

import { announcer } from './parts/announcer.ts';
import { byId } from './parts/dom.ts';
import { listen } from './parts/intake.ts';
import type { Takers } from './parts/intake.ts';
import { fromFile, isVideo } from './parts/picture.ts';
import type { PageApp } from './app/app.ts';
import { arrivals } from './app/arrivals.ts';
import { tellBroken } from './app/broken.ts';
import { keepHistory } from './app/history.ts';
import { preferred, remember } from './app/language.ts';
import { nameAt, route } from './app/router.ts';
import { Session } from './app/session.ts';
import { languageButtons, loadShell, NextVersion } from './app/shell.ts';
import { START } from './app/state.ts';
import type { State } from './app/state.ts';
import { Store } from './app/store.ts';
import { views } from './app/views.ts';
import type { Entry } from './sort/entry.ts';

const store = new Store<State>({ ...START, lang: preferred() });
const session = new Session(store, undefined, { note: (note) => store.set({ note }) });
const loaded = session.load(); // before everything else, as it takes longest

const classes = byId('classes', HTMLDialogElement);
const sort = (entries: Iterable<Entry> | AsyncIterable<Entry>) => {
  import('./sort/collection.ts').then(({ collectionOf }) => {
    void collectionOf(app).add(entries);
    app.go('sort');
  }, tellBroken);
};
const takers: Takers = {
  take(file) {
    classes.close();
    if (isVideo(file)) {
      app.go('look');
      session.live(file);
    } else if (nameAt(location.hash, views) === 'sort') sort([{ path: file.name, file: async () => file }]);
    else void session.look(fromFile(file));
  },
  takeMany(entries) {
    classes.close();
    sort(entries);
  },
  refuse(code) {
    classes.close();
    store.set({ note: { code } });
  },
};
const intake = listen(takers);
const enter = keepHistory(store, session);
const app: PageApp = {
  store, session, collection: null, start: byId('look', HTMLElement), announce: announcer(byId('announcer', HTMLElement)), ...intake,
  go(view) {
    if (nameAt(location.hash, views) !== view) location.hash = view;
  },
  lookFrom(from, picture) {
    enter(from, '#look', picture);
    look();
  },
};
const next = new NextVersion();
languageButtons((lang) => {
  if (lang === store.state.lang) return;
  remember(lang);
  store.set({ lang });
}, app);
const look = route(
  byId('outlet', HTMLElement), app, views,
  { en: () => import('../lib/strings/en.ts'), zh: () => import('../lib/strings/zh.ts') },
  (lang, parts) => loadShell(lang, parts, app, next),
);
arrivals(store, takers);

// What the visitor has said of pictures is nowhere else.
addEventListener('beforeunload', (e) => {
  if (app.collection?.isCorrectedAnywhere) e.preventDefault();
});

document.documentElement.dataset.alive = '';

const keep = () => next.keep().catch(() => {});
loaded.then(keep, keep);
