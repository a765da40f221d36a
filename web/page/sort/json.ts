import type { Sorted } from './sorted.ts';

/**
 * The answers as an array, an object on each line as the command line's `classify -json` prints it: {"file",
 * "predictions", "sure"} or {"file", "error"}. Where the visitor said what a picture is, there are "label" and
 * "corrected", too.
 */
export function json(rows: Iterable<Sorted>): Blob {
  const lines: string[] = [];
  for (const { entry, predictions, sure, error, label, isCorrected } of rows) {
    const answer = error ? { error } : {
      predictions: predictions.map(({ index, id, label, probability }) => ({ index, id, label, probability })), sure,
    };
    lines.push(JSON.stringify({ file: entry.path, ...answer, ...isCorrected && { label, corrected: true } }));
  }
  return new Blob(['[\n', lines.join(',\n'), lines.length > 0 ? '\n]\n' : ']\n'], { type: 'application/json' });
}
