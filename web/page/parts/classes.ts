import { labelIn } from '../../lib/labels.ts';
import type { Info, ModelClass } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import { languageOf } from '../app/language.ts';
import { infoOf } from '../app/state.ts';
import type { ShellTexts } from '../strings/en.ts';
import { heading } from './answer.ts';
import { byId, icon, make } from './dom.ts';

type Groups = typeof import('../app/groups.ts');

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
  const list = make('div', {
    id: 'class-list', class: 'class-list', role: 'region', tabindex: 0, 'aria-labelledby': title.id,
  });
  let groups: Groups | null = null;
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
    const { classes } = info;
    const its = groups?.fits(classes) ? groups : null;
    const hits = search(classes, query.value, its);
    const order = new Intl.Collator(lang);
    const rows = hits.map((c) => ({ group: its?.members.get(c.id)?.group, label: labelIn(c, lang) }));
    rows.sort((a, b) => order.compare(a.label, b.label));
    const ours = its ? [...new Set([...its.members.values()].map(({ group }) => group))] : [];
    list.replaceChildren(...[...ours, undefined].flatMap((group) => {
      const own = rows.filter((row) => row.group === group);
      if (own.length === 0) return [];
      const items = make('ul', {}, ...own.map(({ label }) => make('li', { dir: 'auto' }, heading(label))));
      if (!its) return [items];
      const tag = languageOf(lang);
      const name = group ? [make('span', {}, `${group.kind[tag]} › `), group.name[tag]] : [t.otherClasses];
      return [make('section', {}, make('h3', {}, ...name), items)];
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
    if (!groups) {
      import('../app/groups.ts').then((loaded) => {
        groups = loaded;
        if (dialog.open) fill(info);
      }, () => {}); // without them the list is one
    }
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

/** The classes that have every word of a query in a label, of any language, in the id, or among the words of a group. */
function search(classes: readonly ModelClass[], query: string, groups: Groups | null): ModelClass[] {
  const words = plain(query.trim()).split(/\s+/);
  return classes.filter(({ id, labels }) => {
    const texts = [id, ...Object.values(labels)].map(plain);
    const more = groups?.members.get(id)?.words ?? [];
    return words.every((w) => texts.some((text) => text.includes(w))
      || more.some((word) => plain(word).startsWith(w)));
  });
}
