import { each, fileOf, Skipped } from './export.ts';
import type { ExportOptions } from './export.ts';
import { fileName, folderName, Names } from './names.ts';
import type { Sorted } from './sorted.ts';

/**
 * Copies the pictures into a folder for each label below one that the visitor chose. What is there stays: a file with a
 * name that is taken gets a number. Rejects when nothing more can be written: a full disk, or a permission that is gone.
 */
export async function copyInto(
  folder: FileSystemDirectoryHandle, rows: Iterable<Sorted>, options: ExportOptions,
): Promise<void> {
  const files: string[] = []; // a folder cannot have the name of one, while one that is a folder is added to
  for await (const { name, kind } of folder.values()) {
    if (kind === 'file') files.push(name);
  }
  const folders = new Names(files);
  const known = new Map<string, { to: FileSystemDirectoryHandle; names: Names }>();
  const open = async (label: string) => {
    const found = known.get(label);
    if (found) return found;
    const to = await folder.getDirectoryHandle(folders.take(folderName(label)), { create: true });
    const taken: string[] = [];
    for await (const name of to.keys()) taken.push(name);
    const place = { to, names: new Names(taken) };
    known.set(label, place);
    return place;
  };
  await each(rows, options, async (sorted) => {
    const file = await fileOf(sorted);
    const { to, names } = await open(sorted.label || options.unnamed);
    await write(to, names.take(fileName(sorted.entry.path)), file, options.signal);
  });
}

async function write(to: FileSystemDirectoryHandle, name: string, file: File, signal?: AbortSignal | null) {
  const made = await to.getFileHandle(name, { create: true }).catch(refused);
  try {
    const target = await made.createWritable().catch(refused);
    await file.stream().pipeTo(target, { signal: signal ?? undefined }).catch((cause) => {
      if (isNamed(cause, 'NotReadableError', 'NotFoundError')) throw new Skipped('image-changed', cause);
      return refused(cause);
    });
  } catch (error) {
    await to.removeEntry(name).catch(() => {}); // it is empty
    throw error;
  }
}

function refused(cause: unknown): never {
  if (isNamed(cause, 'QuotaExceededError', 'NotAllowedError')) throw cause; // no other file would fare better
  throw new Skipped('image-not-written', cause);
}

const isNamed = (error: unknown, ...names: string[]) => error instanceof DOMException && names.includes(error.name);
