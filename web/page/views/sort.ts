// Sort: many pictures, what they are, and what to do with them.

import type { PartsTexts } from '../../lib/strings/en.ts';
import { all } from '../app/app.ts';
import type { PageApp, Unmount } from '../app/app.ts';
import { problemOf } from '../app/session.ts';
import type { Note } from '../app/state.ts';
import { heading } from '../parts/answer.ts';
import { icon, isTouch, make } from '../parts/dom.ts';
import { canChooseFolder } from '../parts/intake.ts';
import { fromFile } from '../parts/picture.ts';
import { arrange, count, named } from '../sort/arrange.ts';
import type { Counts } from '../sort/arrange.ts';
import { button, mountBar } from '../sort/bar.ts';
import { collectionOf, DONE } from '../sort/collection.ts';
import type { Desk } from '../sort/desk.ts';
import { mountExports } from '../sort/exports.ts';
import { mountPictures } from '../sort/pictures.ts';
import type { Place } from '../sort/place.ts';
import { askLabel } from '../sort/relabel.ts';
import { mountRun } from '../sort/run.ts';
import type { SortTexts } from './sort.en.ts';

const MOST_ALIKE = 500; // pictures that are listed as similar to one
const IDLE = 8; // times as long as an update took, the page does something else before the next one

const LOCK = [
  ['rect', { x: 5, y: 10.5, width: 14, height: 9.5, rx: 2.5 }], ['path', { d: 'M8 10.5V8a4 4 0 0 1 8 0v2.5' }],
] satisfies Parameters<typeof icon>[2][];
const CHEVRON = ['path', { d: 'm5.5 8 4.5 4.5L14.5 8' }] satisfies Parameters<typeof icon>[2];

export function mount(outlet: HTMLElement, app: PageApp, t: PartsTexts & SortTexts): Unmount {
  const collection = collectionOf(app);
  const { place } = collection;
  const { store } = app;
  const lang = store.state.lang;
  const end = new AbortController();
  const { signal } = end;

  // What is in the document.
  const start = mountStart(app, t);
  const title = make('h2', { id: 'sort-title', tabindex: -1 });
  const summary = make('p', { class: 'sort-summary', id: 'sort-summary' });
  const undo = make('button', { type: 'button', class: 'secondary small', id: 'undo', title: t.undo },
    icon(18, 20, ['path', { d: 'M4 8h8.5a3.75 3.75 0 0 1 0 7.5H8M7 4.5 3.5 8 7 11.5' }]), make('span', {}, t.undo));
  const add = menu('add', t.add);
  const save = menu('save-menu', t.export);
  const keys = button('keys', t.keys, 'M3 6.5h14v8H3zM6 9.5h.01M9 9.5h.01M12 9.5h.01M7.5 12h5');
  const run = make('section', { class: 'run', id: 'run', hidden: true });
  const saving = make('section', { class: 'run', id: 'saving', hidden: true });
  const query = make('input', {
    type: 'text', role: 'searchbox', id: 'find', autocomplete: 'off', spellcheck: 'false', enterkeyhint: 'search',
    placeholder: t.find, 'aria-label': t.find,
  });
  const shows = make('div', { class: 'chips', role: 'group', id: 'shows' });
  const kinds = picker('kind', t.kind);
  const orders = picker('order', t.order);
  const down = button('down', t.down, 'M6.5 4v12M3.5 13l3 3 3-3M13.5 16V4M10.5 7l3-3 3 3');
  const group = make('button', { type: 'button', class: 'chip', id: 'group' }, t.group);
  const layouts = make('div', { class: 'langs layouts', role: 'group' },
    ...(['grid', 'table'] as const).map((name) => make('button',
      { type: 'button', 'data-layout': name, 'aria-label': t[name], title: t[name] },
      icon(18, 20, ['path', { d: LAYOUTS[name] }]))));
  const choosing = make('button', { type: 'button', class: 'chip', id: 'choosing' });
  const likeText = make('p', { dir: 'auto' });
  const likeEnd = make('button', { type: 'button', class: 'secondary small', id: 'like-end' }, t.endLike);
  const like = make('div', { class: 'like', id: 'like', hidden: true }, likeText, likeEnd);
  const root = make('div', {
    id: 'pictures', class: 'pictures', role: 'grid', tabindex: 0, 'aria-label': t.list, 'aria-multiselectable': 'true',
  });
  const noneText = make('p', { id: 'none-fits' });
  const showAll = make('button', { type: 'button', class: 'secondary small', id: 'show-all' }, t.showAll);
  const none = make('div', { class: 'sort-none', hidden: true }, noneText, showAll);
  const barElement = make('section', { class: 'bar-chosen', id: 'bar', 'aria-labelledby': 'bar-title', hidden: true });
  const filters = button('filters', t.filters, 'M3.5 6h13M6 10h8M8.5 14h3');
  const more = make('div', { class: 'more-tools', id: 'more-tools' },
    kinds.box, make('div', { class: 'order' }, orders.box, down), group, layouts);
  const tools = make('div', { class: 'sort-tools', id: 'sort-tools' },
    make('div', { class: 'search' },
      icon(20, 20, ['circle', { cx: 9, cy: 9, r: 5.2 }], ['path', { d: 'm13 13 4 4' }]), query),
    filters, more, choosing);
  const full = make('div', { class: 'sort-full' },
    make('header', { class: 'sort-head' }, make('div', {}, title, summary),
      make('div', { class: 'buttons' }, undo, add.box, save.box, keys)),
    run, saving, shows, tools, like, root, none, barElement);
  const view = make('div', { class: 'sort', id: 'sort' }, start.element, full);
  outlet.replaceChildren(view);
  history.scrollRestoration = 'manual'; // the browser would scroll before the list is there
  document.body.dataset.state = 'sort';

  // What is on show.
  let shown: readonly number[] = [];
  let chosen: number[] | null = null; // as far as it is known
  let counts: Counts = count(collection);
  let likeness = new Map<number, number>();
  let compared: { like: number | null; done: number } = { like: null, done: 0 };
  let twins: number[][] = [];
  let twinsOf = ''; // what they were computed from
  let comparing: AbortController | null = null;
  let wasFull = false;
  let isOpening = false; // a file is read for Look
  let removal: Note | null = null; // what is told of the latest

  const desk: Desk = {
    app, collection, t, lang,
    get shown() { return shown; },
    get chosen() { return chosen ??= shown.filter((id) => place.chosen.has(id)); },
    likeness: (id) => (place.like === null || place.like === id ? undefined : likeness.get(id)),
    set(change) {
      Object.assign(place, change);
      refresh();
    },
    choose(ids, active = null) {
      const had = document.activeElement;
      place.chosen = new Set(ids);
      place.active = active ?? place.active;
      chosen = null;
      pictures.mark();
      if (active !== null) pictures.reveal(active);
      pictures.mark(); // what has come into the document
      bar.render();
      drawTools();
      keepFocus(had);
    },
    async open(id) {
      if (isOpening) return;
      const { path, file } = collection.entry(id);
      place.active = id;
      const problem = collection.problem(id);
      if (problem) return store.set({ note: problem });
      isOpening = true;
      try {
        const found = await file();
        if (!signal.aborted) app.lookFrom('sort', fromFile(found, path.slice(path.lastIndexOf('/') + 1)));
      } catch (error) {
        store.set({ note: problemOf(error) });
      }
    },
    label(ids, key) {
      if (ids.length === 0) return;
      if (key === undefined) return askLabel(ids, desk, (typed) => desk.label(ids, typed));
      const list = [...ids];
      keepPlace(() => collection.label(list, key));
      if (key === null) app.announce(t.undone);
      else app.announce(t.relabelled(list.length, heading(collection.name(key, lang))));
    },
    remove(ids) {
      if (ids.length === 0) return;
      const list = [...ids];
      keepPlace(() => collection.remove(list));
      desk.tell(t.removed(list.length));
      removal = store.state.note;
    },
    undo() {
      if (!collection.canUndo) return;
      const back = collection.undo();
      const there = new Set(shown);
      const ids = back.filter((id) => there.has(id));
      desk.choose(ids.length > 200 ? [] : ids, ids[0] ?? null);
      if (removal && store.state.note === removal) store.set({ note: null }); // it offers what has been done now
      app.announce(t.undone);
    },
    tell: (words, advice = '') => store.set({ note: { code: '', title: words, advice } }),
  };

  // Where a picture leaves the list, the next one takes its place under the keys.
  const keepPlace = (act: () => void) => {
    const at = place.active === null ? -1 : shown.indexOf(place.active);
    act();
    if (at < 0 || shown.length === 0 || shown.includes(place.active ?? -1)) return;
    const next = shown[Math.min(at, shown.length - 1)];
    place.anchor = next;
    desk.choose([next], next);
  };

  // What had the focus and goes away leaves it to the list, and the list to what stands in its place. Layouts between
  // take the focus from what is hidden, so that it has to be asked for before.
  const keepFocus = (had: Element | null) => {
    const { activeElement } = document;
    if (!had || !full.contains(had) || (activeElement !== had && activeElement !== document.body)) return;
    if (had !== title && !had.closest('[hidden]')) return;
    if (!root.hidden) pictures.focus();
    else if (had !== title) (showAll.hidden ? title : showAll).focus();
  };

  const covered = () => ({
    top: Math.max(0, getComputedStyle(tools).position === 'sticky' ? tools.getBoundingClientRect().bottom : 0)
      + (place.layout === 'table' ? 40 : 0),
    bottom: (barElement.hidden ? 0 : barElement.offsetHeight + 16)
      + (matchMedia('(max-width: 799px)').matches ? document.getElementById('views')?.offsetHeight ?? 0 : 0),
  });
  const pictures = mountPictures(root, desk, covered);
  const bar = mountBar(barElement, desk);
  const progress = mountRun(run, desk);
  const exports = mountExports(save.panel, saving, desk, save.close);

  const drawTools = () => {
    chosen = null;
    title.textContent = shown.length === collection.size || place.like !== null ? t.pictures(collection.size)
      : t.shown(shown.length, collection.size);
    summary.textContent = t.summary(counts.unsure, counts.failed);
    undo.hidden = !collection.canUndo;
    drawChips();
    for (const b of layouts.querySelectorAll('button')) {
      b.setAttribute('aria-pressed', String(b.dataset.layout === place.layout));
    }
    group.setAttribute('aria-pressed', String(place.isGrouped));
    choosing.setAttribute('aria-pressed', String(place.isChoosing));
    choosing.textContent = place.isChoosing ? t.stopChoosing : t.choosing;
    filters.dataset.on = String(place.key !== null || place.order !== 'given' || place.isGrouped);
    const isOrdered = place.like === null && place.show !== 'twins';
    group.disabled = orders.select.disabled = down.disabled = !isOrdered;
    down.setAttribute('aria-pressed', String(place.isDown));
    const names = named(collection, counts.keys.keys(), lang);
    kinds.fill([{ value: '', text: t.anyKind },
      ...names.map(({ key, name }) => ({ value: String(key), text: `${heading(name)} (${counts.keys.get(key)})` }))],
    String(place.key ?? ''));
    orders.fill(ORDERS.map((value) => ({ value, text: t.orders[value] })), place.order);
  };
  const drawChips = () => {
    const chips: [Place['show'], string, number | null][] = [
      ['all', t.all, counts.all], ['unsure', t.notSure, counts.unsure], ['corrected', t.corrected, counts.corrected],
      ['failed', t.unreadable, counts.failed],
      ['twins', t.twins, place.show === 'twins' && twinsOf ? twins.flat().length : null],
    ];
    while (shows.children.length < chips.length) shows.append(make('button', { type: 'button', class: 'chip' }));
    chips.forEach(([name, text, n], i) => {
      const chip = shows.children[i];
      if (!(chip instanceof HTMLButtonElement)) return;
      chip.dataset.show = name;
      chip.setAttribute('aria-pressed', String(place.show === name));
      chip.disabled = n === 0 && place.show !== name;
      const now = `${text} ${n ?? ''}`;
      if (chip.dataset.drawn === now) return;
      chip.dataset.drawn = now;
      chip.replaceChildren(text, ...n === null ? [] : [' ', make('span', {}, n.toLocaleString(lang))]);
    });
  };

  const compare = () => {
    const { state, done, isListing } = collection.progress;
    if (place.like !== null && (compared.like !== place.like || (compared.done !== done && state !== 'running'))) {
      compared = { like: place.like, done };
      const found = collection.alike.similar(place.like, MOST_ALIKE);
      likeness = new Map([[place.like, 1], ...found.map(({ id, similarity }) => [id, similarity] as const)]);
    }
    const now = `${done} ${isListing}`;
    if (place.show !== 'twins' || now === twinsOf || comparing || (twinsOf && state === 'running')) return;
    comparing = new AbortController();
    const own = comparing;
    collection.alike.duplicates(own.signal).then((groups) => {
      comparing = null;
      if (own.signal.aborted) return;
      twins = groups;
      twinsOf = now;
      refresh();
    }, () => { comparing = null; });
  };

  const refresh = () => {
    const isFull = collection.size > 0 || collection.canUndo || collection.progress.isListing;
    start.element.hidden = isFull;
    full.hidden = !isFull;
    const had = document.activeElement;
    if (!isFull) {
      document.body.classList.remove('with-bar');
      wasFull = false;
      return;
    }
    counts = count(collection);
    if (place.key !== null && !counts.keys.has(place.key)) place.key = null;
    if (place.like !== null && collection.columns.isGone[place.like]) place.like = null;
    compare();
    const sections = arrange(collection, place, lang, place.like === null ? null : [...likeness.keys()], twins);
    shown = sections.flatMap(({ ids }) => ids);
    chosen = null;
    drawTools();
    like.hidden = place.like === null;
    if (place.like !== null) likeText.textContent = t.like(collection.entry(place.like).path);
    none.hidden = shown.length > 0 || (collection.size === 0 && collection.progress.isListing);
    root.hidden = shown.length === 0;
    noneText.textContent = place.show !== 'twins' ? t.none : comparing ? t.comparing : t.noTwins;
    showAll.hidden = collection.size === 0;
    pictures.show(sections);
    bar.render();
    progress.render();
    if (!wasFull && (document.activeElement === document.body || document.activeElement?.id === 'main'
      || document.activeElement?.closest('[hidden]'))) pictures.focus();
    wasFull = true;
    keepFocus(had);
  };

  // Answers come faster than a long list is drawn.
  let next = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const update = () => {
    clearTimeout(timer);
    const now = performance.now();
    if (now < next && collection.progress.state === 'running') {
      timer = setTimeout(update, next - now);
      return;
    }
    refresh();
    next = performance.now() + IDLE * (performance.now() - now);
  };

  // What the controls do.
  add.panel.replaceChildren(
    item(t.chooseMany, 'add-pictures', () => { add.close(); app.chooseMany(); }),
    item(t.chooseFolder, 'add-folder', () => { add.close(); app.chooseFolder(); }),
  );
  save.onOpen(() => exports.open());
  undo.addEventListener('click', () => desk.undo());
  keys.addEventListener('click', () => showKeys(t));
  query.value = place.text;
  query.addEventListener('input', () => desk.set({ text: query.value }));
  query.addEventListener('keydown', (e) => {
    if (e.key !== 'Enter' && e.key !== 'ArrowDown') return;
    e.preventDefault();
    pictures.focus();
    if (shown.length > 0 && (place.active === null || !shown.includes(place.active))) desk.choose([shown[0]], shown[0]);
  });
  shows.addEventListener('click', ({ target }) => {
    const name = target instanceof Element ? target.closest<HTMLElement>('[data-show]')?.dataset.show : undefined;
    const known = SHOWS.find((s) => s === name);
    if (known) desk.set({ show: known, like: null });
  });
  kinds.select.addEventListener('change', () => {
    const { value } = kinds.select;
    desk.set({ key: value === '' ? null : Number(value) });
  });
  orders.select.addEventListener('change', () => {
    const order = ORDERS.find((o) => o === orders.select.value) ?? 'given';
    desk.set({ order, isDown: ['confidence', 'pixels', 'bytes'].includes(order) });
  });
  down.addEventListener('click', () => desk.set({ isDown: !place.isDown }));
  group.addEventListener('click', () => desk.set({ isGrouped: !place.isGrouped }));
  filters.setAttribute('aria-controls', more.id);
  filters.setAttribute('aria-expanded', 'false');
  filters.addEventListener('click', () => {
    filters.setAttribute('aria-expanded', String(more.classList.toggle('open')));
  });
  layouts.addEventListener('click', ({ target }) => {
    const name = target instanceof Element ? target.closest<HTMLElement>('[data-layout]')?.dataset.layout : undefined;
    if (name === 'grid' || name === 'table') desk.set({ layout: name });
  });
  choosing.addEventListener('click', () => {
    desk.set({ isChoosing: !place.isChoosing });
    if (!place.isChoosing) desk.choose([]);
  });
  likeEnd.addEventListener('click', () => {
    const { like: id } = place;
    desk.set({ like: null });
    if (id !== null) desk.choose([id], id);
    pictures.focus();
  });
  showAll.addEventListener('click', () => {
    query.value = '';
    desk.set({ show: 'all', key: null, text: '', like: null });
    pictures.focus();
  });

  // Escape leaves one thing at a time; nothing else of the page shall hear it then.
  const leave = (): boolean => {
    if (store.state.note) store.set({ note: null });
    else if (add.isOpen() || save.isOpen()) {
      add.close();
      save.close();
    } else if (place.like !== null) likeEnd.click();
    else if (place.isChoosing || desk.chosen.length > 0) {
      desk.set({ isChoosing: false });
      desk.choose([]);
    } else if (place.text !== '') {
      query.value = '';
      desk.set({ text: '' });
    } else return false;
    return true;
  };
  addEventListener('keydown', (e) => {
    if (document.querySelector('dialog[open]') || full.hidden) return;
    if (e.key === 'Escape') {
      if (leave()) e.preventDefault();
      return;
    }
    const { target } = e;
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (target instanceof Element && target.matches('input, select, textarea')) return;
    const ids = desk.chosen;
    const digit = /^[1-5]$/.test(e.key) ? bar.keys()[Number(e.key) - 1] : undefined;
    const one = ids.length === 1 && collection.columns.state[ids[0]] === DONE ? ids[0] : null;
    if (digit !== undefined) desk.label(ids, digit);
    else if (/^l$/i.test(e.key) && ids.length > 0) desk.label(ids);
    else if (/^u$/i.test(e.key)) desk.undo();
    else if (/^s$/i.test(e.key) && one !== null) desk.set({ like: one });
    else if (e.key === '/') query.focus();
    else if (e.key === '?') showKeys(t);
    else if ((e.key === 'Delete' || e.key === 'Backspace') && ids.length > 0) desk.remove(ids);
    else return;
    e.preventDefault();
  }, { signal });
  // The address names another view before that has taken the place of this one, which may scroll the page.
  addEventListener('scroll', () => {
    if (location.hash === '#sort') place.scroll = scrollY;
  }, { passive: true, signal });

  const { scroll } = place;
  const unsubscribe = collection.subscribe(update);
  refresh();
  if (!full.hidden) {
    scrollTo({ top: scroll });
    refresh(); // with the lines that are there
    pictures.focus();
    scrollBack(scroll, signal);
  }
  return all(() => end.abort(), unsubscribe, pictures.unmount, progress.unmount, () => {
    clearTimeout(timer);
    comparing?.abort();
    history.scrollRestoration = 'auto';
    document.body.classList.remove('with-bar');
    outlet.replaceChildren();
  });
}

const LAYOUTS = {
  grid: 'M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 11h5v5h-5z', table: 'M4 5.5h12M4 10h12M4 14.5h12',
};
const FRAMES = 30; // that a list takes at most until it is as long as before

// Scrolls to where the visitor was, as soon as the page is long enough again.
function scrollBack(top: number, signal: AbortSignal, frames = FRAMES) {
  if (signal.aborted) return;
  scrollTo({ top });
  if (Math.abs(scrollY - top) > 1 && frames > 0) requestAnimationFrame(() => scrollBack(top, signal, frames - 1));
}

const ORDERS = ['given', 'name', 'label', 'confidence', 'pixels', 'bytes'] as const;
const SHOWS = ['all', 'unsure', 'corrected', 'failed', 'twins'] as const;

// What invites pictures where there are none.
function mountStart({ chooseMany, chooseFolder }: PageApp, t: PartsTexts & SortTexts) {
  const pick = make('button', { type: 'button', class: 'primary', id: 'sort-choose' }, t.chooseMany);
  const folder = make('button', { type: 'button', class: 'secondary', id: 'sort-folder' }, t.chooseFolder);
  pick.addEventListener('click', chooseMany);
  folder.addEventListener('click', chooseFolder);
  folder.hidden = !canChooseFolder();
  const art = icon(180, 180, ...[0, 1, 2].flatMap((row) => [0, 1, 2].map((column): Parameters<typeof icon>[2] => {
    const place = { x: 10 + 57 * column, y: 6 + 57 * row, width: 46, height: 46, rx: 8 };
    return ['rect', { ...place, class: `photo-${(row * 2 + column) % 3}` }];
  })));
  art.setAttribute('class', 'sort-art');
  const title = isTouch() ? t.dropTouch : t.dropMany;
  const zone = make('div', { class: 'drop' }, art, make('p', { class: 'drop-title' }, title),
    make('div', { class: 'buttons' }, pick, folder));
  zone.addEventListener('click', ({ target }) => {
    if (!(target instanceof Element && target.closest('button'))) chooseMany();
  });
  const element = make('div', { class: 'sort-start', id: 'sort-start' },
    make('div', { class: 'sort-intro' },
      make('h2', { class: 'tagline' }, t.sortTagline), make('p', { class: 'lead' }, t.sortLead)),
    make('div', { class: 'sort-zone' }, zone,
      make('p', { class: 'private' }, icon(18, 24, ...LOCK), make('span', {}, t.sortPrivate))));
  return { element };
}

// A button with a panel of others below it.
function menu(id: string, label: string) {
  const opener = make('button',
    { type: 'button', class: 'secondary small', id, 'aria-expanded': 'false', 'aria-controls': `${id}-panel` },
    label, icon(16, 20, CHEVRON));
  const panel = make('div', { class: 'menu', id: `${id}-panel`, hidden: true });
  const box = make('div', { class: 'menu-box' }, opener, panel);
  let before = () => {};
  const show = (isOpen: boolean) => {
    if (isOpen) before();
    else if (panel.contains(document.activeElement)) opener.focus();
    panel.hidden = !isOpen;
    opener.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) panel.querySelector<HTMLElement>('input:checked, button')?.focus();
  };
  opener.addEventListener('click', () => show(panel.hidden !== false));
  box.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !box.contains(relatedTarget)) show(false);
  });
  const outside = ({ target }: Event) => {
    if (!box.isConnected) return removeEventListener('pointerdown', outside);
    if (!panel.hidden && target instanceof Node && !box.contains(target)) show(false);
  };
  addEventListener('pointerdown', outside);
  const onOpen = (act: () => void) => { before = act; };
  return { box, panel, close: () => show(false), isOpen: () => !panel.hidden, onOpen };
}

const item = (text: string, id: string, act: () => void) => {
  const b = make('button', { type: 'button', class: 'menu-item', id }, make('b', {}, text));
  b.addEventListener('click', act);
  return b;
};

// A list to choose one of, as the system has it.
function picker(id: string, label: string) {
  const select = make('select', { id, 'aria-label': label });
  const box = make('span', { class: 'pick' }, select, icon(16, 20, CHEVRON));
  let drawn = '';
  return {
    select, box,
    fill(options: readonly { value: string; text: string }[], value: string) {
      const now = JSON.stringify(options);
      if (now !== drawn && document.activeElement !== select) {
        select.replaceChildren(...options.map((o) => make('option', { value: o.value }, o.text)));
        drawn = now;
      }
      select.value = value;
    },
  };
}

function showKeys(t: SortTexts) {
  const close = button('keys-close', t.close, 'm5 5 10 10M15 5 5 15');
  const rows = t.keyList.map(([key, what]) => make('div', {},
    make('dt', {}, make('kbd', {}, key)), make('dd', {}, what)));
  const dialog = make('dialog', { class: 'keys-dialog', 'aria-labelledby': 'keys-title' },
    make('div', { class: 'sheet' },
      make('header', {}, make('h2', { id: 'keys-title' }, t.keysTitle), close), make('dl', { class: 'keys' }, ...rows)));
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
