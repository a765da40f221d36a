// What stands around the views: the languages, the list of classes, the foot, and the offer of a new version.

import type { Manifest, ToServiceWorker } from '../../api/protocol.ts';
import type { PartsTexts } from '../../lib/strings/en.ts';
import type { PageApp, Unmount } from './app.ts';
import { all } from './app.ts';
import { address, modelName } from './files.ts';
import { cameFrom } from './history.ts';
import { languageOf, tagOf } from './language.ts';
import type { Language, Texts } from './language.ts';
import { infoOf } from './state.ts';
import type { State } from './state.ts';
import { mountClasses } from '../parts/classes.ts';
import { mountToast } from '../parts/toast.ts';
import { byId, make, translate } from '../parts/dom.ts';
import type { ShellTexts } from '../strings/en.ts';

const texts: Texts<ShellTexts> = { en: () => import('../strings/en.ts'), zh: () => import('../strings/zh.ts') };

/** Loads the texts of a language; what is returned mounts. */
export async function loadShell(
  lang: Language, parts: Promise<PartsTexts>, app: PageApp, next: NextVersion,
): Promise<() => Unmount> {
  const [{ default: t }, shared] = await Promise.all([texts[lang](), parts]);
  return () => {
    document.documentElement.lang = tagOf(lang);
    document.title = t.title;
    for (const place of ['skip', 'top', 'return', 'foot', 'update']) translate(byId(place, HTMLElement), t);
    byId('drop-now', HTMLElement).textContent = shared.dropNow;
    return all(
      mountClasses(byId('classes', HTMLDialogElement), byId('open-classes', HTMLButtonElement), app, t),
      mountFoot(app, t),
      mountToast(byId('note', HTMLElement), app, shared),
      mountReturn(app),
      next.mount(app, t),
    );
  };
}

/** The buttons that choose a language. */
export function languageButtons(choose: (lang: Language) => void, app: PageApp) {
  const buttons = [...document.querySelectorAll<HTMLButtonElement>('[data-lang]')];
  const render = () => {
    const lang = languageOf(app.store.state.lang);
    for (const b of buttons) b.setAttribute('aria-pressed', String(b.dataset.lang === lang));
  };
  for (const b of buttons) b.addEventListener('click', () => choose(languageOf(b.dataset.lang ?? '')));
  app.store.subscribe(render);
  render();
}

// The brand and Escape lead back: to the start, or to the view from which a picture was opened.
function mountReturn({ store, session, go }: PageApp): Unmount {
  const end = new AbortController();
  const { signal } = end;
  byId('brand', HTMLAnchorElement).addEventListener('click', (e) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return; // another tab or window
    e.preventDefault();
    session.home();
    go('look');
    scrollTo({ top: 0 });
  }, { signal });
  const back = byId('return', HTMLElement);
  const offer = () => { back.hidden = cameFrom() === undefined || document.body.dataset.view !== 'look'; };
  offer();
  addEventListener('popstate', offer, { signal });
  const unsubscribe = store.subscribe(offer); // a picture that came since has an entry of its own
  back.addEventListener('click', () => history.back(), { signal });
  addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || e.defaultPrevented || document.querySelector('dialog[open]')) return;
    const { show, note } = store.state;
    if (note) store.set({ note: null });
    else if (document.body.dataset.view !== 'look') return;
    else if (cameFrom() !== undefined) history.back();
    else if (show.state === 'busy') session.abort();
    else if (show.state !== 'empty') session.home();
  }, { signal });
  return all(() => end.abort(), unsubscribe);
}

// What version this is, and how large the offline file is, which is not named in the manifest that is inside that file.
function mountFoot({ store }: PageApp, t: ShellTexts): Unmount {
  const end = new AbortController();
  const render = ({ model }: State, before?: State) => {
    const info = infoOf(model);
    if (!info || model === before?.model) return;
    byId('foot-model', HTMLElement).textContent = `${modelName(info)} · ${info.inputSize} × ${info.inputSize}`;
    const read = fetch(address('manifest.json'), { signal: end.signal }).then((r) => r.json());
    read.then(({ version, files }: Partial<Manifest>) => {
      byId('foot-version', HTMLElement).textContent = version ? t.version(version) : '';
      const file = files?.['offline.html'];
      byId('foot-offline', HTMLElement).replaceChildren(...file
        ? [make('a', { href: 'offline.html', download: 'resnet-web.html' }, t.offlineFile(file.bytes))] : []);
    }).catch(() => {}); // the foot then leaves them out
  };
  render(store.state);
  const unsubscribe = store.subscribe(render);
  return () => {
    end.abort();
    unsubscribe();
  };
}

/** Keeps the page for a visit without a network, and offers a new version of it. The page works without that, too. */
export class NextVersion {
  #registration: ServiceWorkerRegistration | null = null;
  #offer = () => {};

  async keep() {
    if (!isSecureContext || !navigator.serviceWorker || globalThis.inlined) return;
    const registration = await navigator.serviceWorker.register('sw.js');
    this.#registration = registration;
    const watch = () => registration.installing?.addEventListener('statechange', () => this.#offer());
    this.#offer();
    watch();
    registration.addEventListener('updatefound', watch);
  }

  mount({ announce, session }: PageApp, t: ShellTexts): Unmount {
    const end = new AbortController();
    const { signal } = end;
    const toast = byId('update', HTMLElement);
    const next = () => (navigator.serviceWorker?.controller && this.#registration?.waiting) || null;
    this.#offer = () => {
      if (next() && toast.hidden) announce(t.update);
      toast.hidden = !next();
    };
    byId('update-now', HTMLButtonElement).addEventListener('click', async () => {
      const worker = next();
      if (!worker) return location.reload();
      worker.addEventListener('statechange', () => worker.state === 'activated' && location.reload());
      // The change of hands waits for workers, and kernel threads do not answer while they wait for work.
      session.hold('left'); // or it would ask for another classifier
      await session.retire();
      const message: ToServiceWorker = 'activate';
      worker.postMessage(message);
    }, { signal });
    byId('update-later', HTMLButtonElement).addEventListener('click', () => { toast.hidden = true; }, { signal });
    return () => {
      end.abort();
      this.#offer = () => {};
    };
  }
}
