// The page: takes pictures, shows answers. It computes nothing itself and knows the network only through resnet.js.

import { announcer } from './parts/announcer.ts';
import { byId } from './parts/dom.ts';
import { listen } from './parts/intake.ts';
import { fromFile, isVideo } from './parts/picture.ts';
import type { App } from './app/app.ts';
import { keepHistory } from './app/history.ts';
import { preferred, remember } from './app/language.ts';
import { route } from './app/router.ts';
import { Session } from './app/session.ts';
import { languageButtons, loadShell, NextVersion } from './app/shell.ts';
import { START } from './app/state.ts';
import type { State } from './app/state.ts';
import { Store } from './app/store.ts';
import { views } from './app/views.ts';

const store = new Store<State>({ ...START, lang: preferred() });
const session = new Session(store, undefined, { note: (note) => store.set({ note }) });
const loaded = session.load(); // before everything else, as it takes longest

const classes = byId('classes', HTMLDialogElement);
const intake = listen({
  take(file, isOneOfSeveral) {
    classes.close();
    if (isVideo(file)) session.live(file);
    else void session.look(fromFile(file));
    if (isOneOfSeveral) store.set({ note: { code: 'one-taken' } });
  },
  refuse(code) {
    classes.close();
    store.set({ note: { code } });
  },
});
const app: App = { store, session, announce: announcer(byId('announcer', HTMLElement)), ...intake };
const next = new NextVersion();
keepHistory(store, session);
languageButtons((lang) => {
  if (lang === store.state.lang) return;
  remember(lang);
  store.set({ lang });
}, app);
route(
  byId('outlet', HTMLElement), app, views,
  { en: () => import('../lib/strings/en.ts'), zh: () => import('../lib/strings/zh.ts') },
  (lang, parts) => loadShell(lang, parts, app, next),
);

document.documentElement.dataset.alive = '';

const keep = () => next.keep().catch(() => {});
loaded.then(keep, keep);
