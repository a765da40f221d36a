import type { PartsTexts } from '../../lib/strings/en.ts';
import { all } from './app.ts';
import type { PageApp, Unmount } from './app.ts';
import { hideBroken, tellBroken } from './broken.ts';
import { languageOf } from './language.ts';
import type { Language, Texts } from './language.ts';

/** A view mounts into an element and returns what unmounts it. */
export type Mount<T> = (outlet: HTMLElement, app: PageApp, texts: PartsTexts & T) => Unmount;

/** A view with its texts, loaded when it is first opened. */
export type View = (
  lang: Language, parts: Promise<PartsTexts>,
) => Promise<(outlet: HTMLElement, app: PageApp) => Unmount>;

export function view<T>(load: () => Promise<{ mount: Mount<T> }>, texts: Texts<T>): View {
  return async (lang, parts) => {
    const [{ mount }, { default: own }, shared] = await Promise.all([load(), texts[lang](), parts]);
    return (outlet, app) => mount(outlet, app, { ...shared, ...own });
  };
}

/**
 * The name of the view that the hash of an address names, or of the first view if it names none; undefined if the hash
 * is a place in this document.
 */
export function nameAt(hash: string, views: Record<string, View>): string | undefined {
  const name = hash.slice(1);
  if (Object.hasOwn(views, name)) return name;
  return name && document.getElementById(name) ? undefined : Object.keys(views)[0];
}

/**
 * Shows in outlet the view that the address names, in the language of the store. What stands around the views is
 * mounted together with them. Returns what looks at the address again.
 */
export function route(
  outlet: HTMLElement,
  app: PageApp,
  views: Record<string, View>,
  parts: Texts<PartsTexts>,
  shell: (lang: Language, parts: Promise<PartsTexts>) => Promise<() => Unmount>,
): () => void {
  let shown = { name: '', lang: '' };
  let mounted = '';
  let end: Unmount = () => {};
  const show = async () => {
    const name = nameAt(location.hash, views) ?? (shown.name || Object.keys(views)[0]);
    const lang = languageOf(app.store.state.lang);
    if (name === shown.name && lang === shown.lang) return;
    const now = { name, lang };
    shown = now;
    try {
      const texts = parts[lang]().then((module) => module.default);
      const [mountShell, mountView] = await Promise.all([shell(lang, texts), views[name](lang, texts)]);
      if (shown !== now) return; // another view was wanted in the meantime
      end();
      document.body.dataset.view = name;
      for (const link of document.querySelectorAll<HTMLElement>('[data-view-link]')) {
        if (link.dataset.viewLink === name) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
      }
      if (mounted && name !== mounted) scrollTo({ top: 0 }); // a view may know better
      mounted = name;
      end = all(mountShell(), mountView(outlet, app));
      outlet.hidden = false;
      hideBroken();
    } catch (error) {
      if (shown !== now) return;
      outlet.hidden = name !== mounted; // the same view in the former language is still of use
      tellBroken(error);
    }
  };
  // Browsers tell of no other hash where two entries of the history differ in more than that.
  for (const type of ['hashchange', 'popstate']) addEventListener(type, () => void show());
  app.store.subscribe((state, before) => {
    if (state.lang !== before.lang) void show();
  });
  void show();
  return () => void show();
}
