import { infoIn } from '../../lib/labels.ts';
import type { Class, Info } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import { infoOf } from '../app/state.ts';
import type { ShellTexts } from '../strings/en.ts';
import { heading } from './answer.ts';
import { byId, icon, make } from './dom.ts';

/** The dialog with all classes of the model, to search in, and the button that opens it. */
export function mountClasses(dialog: HTMLDialogElement, opener: HTMLButtonElement, app: App, t: ShellTexts): Unmount {
  const end = new AbortController();
  const { signal } = end;
  const announcer = byId('announcer', HTMLElement);
  const title = make('h2', { id: 'classes-title' });
  const close = make('button', { type: 'button', class: 'icon', id: 'close-classes', 'aria-label': t.close },
    icon(20, 20, ['path', { d: 'm5 5 10 10M15 5 5 15' }]));
  const query = make('input', {
    type: 'text', role: 'searchbox', id: 'query', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search',
    placeholder: t.search,
  });
  const found = make('output', { id: 'found', for: 'query', 'aria-live': 'off' });
  const list = make('ul', { id: 'class-list', class: 'class-list', tabindex: 0, 'aria-labelledby': title.id });
  const none = make('p', { class: 'none', id: 'none', hidden: true });
  dialog.replaceChildren(make('div', { class: 'sheet' },
    make('header', {}, title, close),
    make('div', { class: 'search' },
      icon(20, 20, ['circle', { cx: 9, cy: 9, r: 5.2 }], ['path', { d: 'm13 13 4 4' }]),
      make('label', { class: 'hidden', for: query.id }, t.search), query, found),
    list, none));

  /** Lists the classes that the query finds; returns how many. */
  const fill = (info: Info) => {
    const { lang } = app.store.state;
    const { classes } = infoIn(info, lang);
    const hits = search(classes, query.value);
    const order = new Intl.Collator(lang);
    hits.sort((a, b) => order.compare(a.label, b.label));
    list.replaceChildren(...hits.map(({ id, label }) => {
      return make('li', {}, make('span', {}, heading(label)), make('code', {}, id));
    }));
    list.scrollTop = 0;
    title.textContent = t.classesTitle(classes.length);
    found.textContent = t.found(hits.length, classes.length);
    none.hidden = hits.length > 0;
    none.textContent = t.none(query.value.trim());
    return hits.length;
  };

  opener.addEventListener('click', () => {
    const info = infoOf(app.store.state.model);
    if (!info) return;
    query.value = '';
    fill(info);
    dialog.append(announcer); // what lies outside a modal dialog is not spoken
    dialog.showModal();
    query.focus();
  }, { signal });
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => document.body.append(announcer), { signal });
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close(), { signal });
  query.addEventListener('input', () => {
    const info = infoOf(app.store.state.model);
    if (!info) return;
    const hits = fill(info);
    app.announce(hits ? t.foundSpoken(hits) : none.textContent ?? '');
  });
  const render = () => { opener.disabled = !infoOf(app.store.state.model); };
  render();
  const unsubscribe = app.store.subscribe(render);
  return () => {
    dialog.close();
    document.body.append(announcer); // the event comes too late
    end.abort();
    unsubscribe();
  };
}

const plain = (s: string) => s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** The classes whose label or id has every word of a query. */
function search(classes: readonly Class[], query: string): Class[] {
  const words = plain(query.trim()).split(/\s+/);
  return classes.filter(({ id, label }) => words.every((w) => plain(label).includes(w) || id.includes(w)));
}
