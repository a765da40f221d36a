// The menu that saves the answers, or the pictures by what they are.

import { problemOf } from '../app/session.ts';
import { make } from '../parts/dom.ts';
import { DONE } from './collection.ts';
import type { Desk } from './desk.ts';
import type { Sorted } from './sorted.ts';

type Kind = 'csv' | 'json' | 'zip' | 'folders';

const WRITES = { id: 'sorted', startIn: 'pictures', mode: 'readwrite' };
const KEPT = 600_000; // ms for which a file is there for the browser to save it

/** Fills the menu; status shows how far saving is. */
export function mountExports(panel: HTMLElement, status: HTMLElement, desk: Desk, close: () => void) {
  const { collection, t, lang } = desk;
  let saving: AbortController | null = null;
  const text = make('p', { id: 'save-text' });
  const bar = make('progress', { id: 'save-bar', max: 1, 'aria-labelledby': text.id });
  const cancel = make('button', { type: 'button', class: 'quiet', id: 'save-cancel' }, t.cancel);
  status.replaceChildren(make('div', { class: 'run-words' }, text), make('div', { class: 'buttons' }, cancel), bar);
  status.hidden = true;
  cancel.addEventListener('click', () => saving?.abort());

  const rows = function* (ids: readonly number[]): Generator<Sorted> {
    for (const id of ids) yield collection.sorted(id, lang);
  };
  const save = async (kind: Kind, ids: readonly number[]) => {
    const { signal } = saving = new AbortController();
    const skipped: { path: string; why: string }[] = [];
    const options = {
      unnamed: t.unnamed, signal,
      onProgress(done: number, total: number) {
        text.textContent = t.writing(done, total);
        bar.value = done / Math.max(1, total);
      },
      onSkipped({ entry }: Sorted, why: string) {
        skipped.push({ path: entry.path, why: Object.entries(t.errors).find(([code]) => code === why)?.[1][0] ?? why });
      },
    };
    // What has no answer, and no label from the visitor, is in no class.
    const hasClass = (id: number) => collection.columns.state[id] === DONE || collection.isCorrected(id);
    const good = ids.filter(hasClass);
    try {
      if (kind === 'csv') download((await import('./csv.ts')).csv(rows(ids)), 'pictures.csv');
      else if (kind === 'json') download((await import('./json.ts')).json(rows(ids)), 'pictures.json');
      else {
        const folder = kind === 'folders' ? await showDirectoryPicker?.(WRITES) : null;
        for (const id of ids) {
          if (!hasClass(id)) options.onSkipped(collection.sorted(id, lang), collection.problem(id)?.code ?? t.unanswered);
        }
        options.onProgress(0, good.length);
        status.hidden = false;
        if (folder) await (await import('./folders.ts')).copyInto(folder, rows(good), options);
        else download(await (await import('./zip.ts')).zip(rows(good), options), 'pictures.zip');
      }
      const done = ids.length - skipped.length;
      const [first] = skipped;
      desk.tell(t.written(done), first ? t.skipped(skipped.length, `${first.path} (${first.why})`) : '');
    } catch (error) {
      const isMeant = signal.aborted || (error instanceof DOMException && error.name === 'AbortError');
      if (!isMeant) desk.tell(t.writtenNot, problemOf(error).message);
    } finally {
      saving = null;
      status.hidden = true;
    }
  };

  return {
    /** Fills the menu with what can be saved now. */
    open() {
      const { shown, chosen } = desk;
      const radio = (value: string, label: string, checked: boolean) => make('label', { class: 'radio' },
        make('input', { type: 'radio', name: 'which', value, checked }), label);
      const isChosen = chosen.length > 1;
      const which = make('fieldset', {}, make('legend', { class: 'hidden' }, t.exportWhat),
        radio('shown', t.exportShown(shown.length, shown.length === collection.size), !isChosen),
        ...chosen.length > 0 ? [radio('chosen', t.exportChosen(chosen.length), isChosen)] : []);
      const kinds: Kind[] = ['csv', 'json', 'zip', ...globalThis.showDirectoryPicker ? ['folders' as const] : []];
      panel.replaceChildren(which, ...kinds.map((kind) => {
        const [name, note] = t.exports[kind];
        const item = make('button', { type: 'button', class: 'menu-item', 'data-save': kind },
          make('b', {}, name), make('small', {}, note));
        item.disabled = saving !== null;
        item.addEventListener('click', () => {
          const isAll = which.querySelector<HTMLInputElement>('input:checked')?.value !== 'chosen';
          close();
          void save(kind, isAll ? [...desk.shown] : desk.chosen);
        });
        return item;
      }));
    },
  };
}

function download(blob: Blob, name: string) {
  const url = URL.createObjectURL(blob);
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}
