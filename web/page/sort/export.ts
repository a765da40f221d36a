// What exports of the pictures themselves have in common.

import type { Sorted } from './sorted.ts';

/** Why a picture was left out: the code of an error, see lib/strings/en.ts. */
export type Skip = 'image-unreadable' | 'image-changed' | 'image-not-written';

export interface ExportOptions {
  /** The folder for pictures without a label. */
  unnamed: string;
  signal?: AbortSignal | null;
  /** Called after each picture. */
  onProgress?(done: number, total: number): void;
  onSkipped?(sorted: Sorted, why: Skip): void;
}

export class Skipped extends Error {
  readonly code: Skip;

  constructor(code: Skip, cause?: unknown) {
    super(code, { cause });
    this.code = code;
  }
}

/** The file of a picture as it is now, which must be as large as what was classified. */
export async function fileOf({ entry, bytes }: Sorted): Promise<File> {
  const file = await entry.file().catch((cause) => { throw new Skipped('image-unreadable', cause); });
  if (bytes !== null && file.size !== bytes) throw new Skipped('image-changed');
  return file;
}

/** Does something with each picture; one that is Skipped does not end it. */
export async function each(
  rows: Iterable<Sorted>, { signal, onProgress, onSkipped }: ExportOptions, act: (sorted: Sorted) => Promise<void>,
): Promise<void> {
  const all = [...rows];
  for (const [i, sorted] of all.entries()) {
    signal?.throwIfAborted();
    try {
      await act(sorted);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Skipped)) throw error;
      onSkipped?.(sorted, error.code);
    }
    onProgress?.(i + 1, all.length);
  }
}
