// The dialog in which the visitor says what pictures are: a class of the model, or a word of one's own.

import { labelIn } from '../../lib/labels.ts';
import { heading } from '../parts/answer.ts';
import { make } from '../parts/dom.ts';
import { plain } from './arrange.ts';
import { button } from './bar.ts';
import type { Desk } from './desk.ts';

const MOST = 60; // names that are listed

interface Choice {
  name: string;
  key: number | null; // null for a new word
}

/** Asks what pictures are; done gets the key. The dialog is gone when it is closed. */
export function askLabel(ids: readonly number[], { app, collection, t, lang }: Desk, done: (key: number) => void) {
  const title = make('h2', { id: 'label-title' }, t.labelTitle(ids.length));
  const close = button('label-close', t.close, 'm5 5 10 10M15 5 5 15');
  const query = make('input', {
    type: 'text', id: 'label-query', role: 'combobox', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'done',
    placeholder: t.labelHint, 'aria-label': t.labelHint, 'aria-expanded': 'true', 'aria-controls': 'label-list',
  });
  const list = make('ul', { id: 'label-list', role: 'listbox', 'aria-labelledby': title.id });
  const dialog = make('dialog', { class: 'label-dialog', 'aria-labelledby': title.id }, make('div', { class: 'sheet' },
    make('header', {}, title, close), make('div', { class: 'search' }, query), list));
  const info = collection.info ?? (app.store.state.model.state === 'ready' ? app.store.state.model.info : null);
  const order = new Intl.Collator(lang);
  const classes = (info?.classes ?? []).map((c) => ({
    name: labelIn(c, lang), key: c.index, texts: Object.values(c.labels).map(plain),
  })).sort((a, b) => order.compare(a.name, b.name));
  const words = collection.words.map((name, at) => ({ name, key: -1 - at, texts: [plain(name)] }));
  let choices: Choice[] = [];
  let at = 0;

  const point = () => {
    [...list.children].forEach((item, i) => item.setAttribute('aria-selected', String(i === at)));
    const item = list.children.item(at);
    item?.scrollIntoView({ block: 'nearest' });
    if (item) query.setAttribute('aria-activedescendant', item.id);
    else query.removeAttribute('aria-activedescendant');
  };
  const fill = () => {
    const typed = plain(query.value.trim());
    const rank = (texts: string[]) => (texts.includes(typed) ? 0 : texts.some((s) => s.startsWith(typed)) ? 1 : 2);
    const found = [...words, ...classes].filter(({ texts }) => texts.some((s) => s.includes(typed)));
    if (typed) found.sort((a, b) => rank(a.texts) - rank(b.texts));
    const isKnown = found.some(({ texts }) => texts.includes(typed));
    choices = [...found.slice(0, MOST), ...typed && !isKnown ? [{ name: query.value.trim(), key: null }] : []];
    list.replaceChildren(...choices.map(({ name, key }, i) => make('li',
      { role: 'option', id: `label-${i}`, 'data-at': i, dir: 'auto', class: key === null ? 'new' : 'known' },
      key === null ? t.newLabel(name) : heading(name))));
    at = typed ? 0 : -1; // what was not asked for is not taken by a slip
    point();
  };
  const take = (choice: Choice | undefined) => {
    if (!choice) return;
    dialog.close();
    done(choice.key ?? collection.keyOf(choice.name));
  };
  query.addEventListener('input', fill);
  query.addEventListener('keydown', (e) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (by !== undefined) {
      at = at < 0 && by < 0 ? choices.length - 1 : (at + by + choices.length) % Math.max(1, choices.length);
      point();
    } else if (e.key === 'Enter' && !e.isComposing) take(choices[at]);
    else return;
    e.preventDefault();
  });
  list.addEventListener('click', ({ target }) => {
    const item = target instanceof Element ? target.closest<HTMLElement>('[data-at]') : null;
    if (item) take(choices[Number(item.dataset.at)]);
  });
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  fill();
  dialog.showModal();
  query.focus();
}
