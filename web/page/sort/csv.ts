import type { Sorted } from './sorted.ts';

const CLASSES = 5; // of each picture

const HEADER = ['file', 'label', 'corrected', 'sure', 'bytes', 'width', 'height',
  ...Array.from({ length: CLASSES }, (_, i) => [`class${i + 1}`, `probability${i + 1}`]).flat(), 'error'];

/**
 * The answers as CSV (RFC 4180) in UTF-8, a line for each picture after one with the names of the columns. It begins with
 * a byte order mark, without which spreadsheets take it for another encoding.
 *
 * Spreadsheets run a text that begins like a formula, and names of files come from anybody. Following OWASP's advice on
 * CSV injection, such a text gets an apostrophe in front, which spreadsheets take for "this is text". JSON has the names
 * as they are. Numbers stay numbers.
 */
export function csv(rows: Iterable<Sorted>): Blob {
  const lines = ['\uFEFF', line(HEADER)];
  for (const { entry, label, isCorrected, sure, bytes, width, height, predictions, error } of rows) {
    const known = (x: number | boolean) => (error ? '' : String(x));
    const classes = Array.from({ length: CLASSES }, (_, i) => (i < predictions.length
      ? [text(predictions[i].label), predictions[i].probability.toFixed(6)] : ['', '']));
    lines.push(line([
      text(entry.path), text(label), String(isCorrected), known(sure), String(bytes ?? ''), known(width), known(height),
      ...classes.flat(), text(error),
    ]));
  }
  return new Blob(lines, { type: 'text/csv;charset=utf-8' });
}

// Full-width signs are taken for the usual ones in Japanese and Chinese versions.
const text = (s: string) => (/^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/.test(s) ? `'${s}` : s);

// Where a spreadsheet separates by semicolons, as in many countries, one in a name shall not begin another cell.
const field = (s: string) => (/[",;\t\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s);

const line = (fields: readonly string[]) => `${fields.map(field).join(',')}\r\n`;
