// Files that were given together, and those in folders, one after the other as they are asked for.

import { messageOf } from '../../lib/thrown.ts';
import type { Entry } from '../sort/entry.ts';

/** A folder that was given, as each of two interfaces has it. */
export interface Folder {
  /** Knows every file, but cannot read where the page is a file itself. */
  entry?: FileSystemEntry;
  /** Chromium's alone. It leaves out files with names that not every system takes. */
  handle?: Promise<FileSystemHandle | null>;
}

/** A file or a folder: one has file, the other list. */
interface Item {
  name: string;
  file?(): Promise<File>;
  list?(): AsyncIterable<Item> | Iterable<Item>;
}

// What systems and programs for photographs leave beside pictures.
const SKIPPED = /^\.|^(thumbs\.db|ehthumbs\.db|desktop\.ini|icon\r|__macosx|@eadir)$|\.(xmp|aae|thm|pp3|dop)$/i;

const order = new Intl.Collator(undefined, { numeric: true }); // 2.jpg before 10.jpg

/** All files in what was given, folder by folder, in the order of their names; null if there is none. */
export async function opened(given: readonly (File | Folder)[]): Promise<AsyncIterable<Entry> | null> {
  const files = given.filter((one) => one instanceof File);
  const folders = given.filter((one): one is Folder => !(one instanceof File));
  const items = [...treeOf(files).filter(({ name, list }) => list || !SKIPPED.test(name)), ...await rootsOf(folders)];
  const entries = entriesIn(items, '');
  const first = await entries.next();
  if (first.done) return null;
  return (async function* () {
    yield first.value;
    yield* entries;
  })();
}

async function* entriesIn(items: Item[], folder: string): AsyncGenerator<Entry, void> {
  items.sort((a, b) => order.compare(a.name, b.name));
  for (const { name, file, list } of items) {
    const path = folder + name;
    if (file) yield { path, file: () => file().catch((cause) => { throw failure('image-unreadable', path, cause); }) };
    if (list) yield* entriesBelow(list, path);
  }
}

async function* entriesBelow(list: NonNullable<Item['list']>, path: string): AsyncGenerator<Entry, void> {
  const items: Item[] = [];
  let broken: Error | null = null;
  try {
    for await (const item of list()) {
      if (!SKIPPED.test(item.name)) items.push(item);
    }
  } catch (cause) { // what has been read by then counts
    broken = failure('folder-unreadable', path, cause);
  }
  yield* entriesIn(items, `${path}/`);
  if (broken) yield { path, file: () => Promise.reject(broken) };
}

const failure = (code: string, path: string, cause: unknown) => Object.assign(
  new Error(`${path}: ${messageOf(cause)}`, { cause }), { code });

/** Files by the folders that they are from, if they were chosen with a folder. */
function treeOf(files: readonly File[]): Item[] {
  const root: Item[] = [];
  const known = new Map([['', root]]); // what is in folders, by their paths
  const folder = (path: string): Item[] => {
    const found = known.get(path);
    if (found) return found;
    const cut = path.lastIndexOf('/');
    const items: Item[] = [];
    known.set(path, items);
    folder(path.slice(0, Math.max(cut, 0))).push({ name: path.slice(cut + 1), list: () => items });
    return items;
  };
  for (const file of files) {
    const { name, webkitRelativePath: path } = file;
    folder(path.slice(0, Math.max(path.lastIndexOf('/'), 0))).push({ name, async file() {
      await file.slice(0, 1).arrayBuffer(); // fails if it has changed since, or is gone
      return file;
    } });
  }
  return root;
}

function rootsOf(folders: readonly Folder[]): Promise<Item[]> {
  return Promise.all(folders.map(async (folder) => {
    const handle = folder.entry ? null : await folder.handle;
    return { name: folder.entry?.name ?? handle?.name ?? '', list: () => listOf(folder) };
  }));
}

async function* listOf({ entry, handle }: Folder): AsyncGenerator<Item, void> {
  let isRead = false;
  try {
    if (!isDirectory(entry)) throw new Error('no folder');
    for await (const item of inEntry(entry)) {
      isRead = true;
      yield item;
    }
  } catch (error) {
    const other = await handle;
    if (isRead || !isDirectoryHandle(other)) throw error;
    yield* inHandle(other);
  }
}

const isDirectory = (entry?: FileSystemEntry): entry is FileSystemDirectoryEntry => entry?.isDirectory ?? false;
const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isDirectoryHandle = (handle?: FileSystemHandle | null): handle is FileSystemDirectoryHandle => (
  handle?.kind === 'directory');

async function* inEntry(folder: FileSystemDirectoryEntry): AsyncGenerator<Item, void> {
  const reader = folder.createReader();
  const read = () => new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject); });
  for (let some = await read(); some.length > 0; some = await read()) { // Chromium gives a hundred at a time
    for (const entry of some) {
      const { name } = entry;
      if (isFile(entry)) yield { name, file: () => new Promise((resolve, reject) => { entry.file(resolve, reject); }) };
      else if (isDirectory(entry)) yield { name, list: () => inEntry(entry) };
    }
  }
}

async function* inHandle(folder: FileSystemDirectoryHandle): AsyncGenerator<Item, void> {
  for await (const handle of folder.values()) {
    const { name } = handle;
    if (handle.kind === 'file') yield { name, file: () => handle.getFile() };
    else yield { name, list: () => inHandle(handle) };
  }
}
