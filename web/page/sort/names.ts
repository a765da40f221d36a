// Names of files and folders that every system takes, whatever a label or another system's file is called.

const LONGEST = 255; // bytes of a name on most systems; on Windows, UTF-16 units
const NUMBER = 10; // of these for " (2)" and the like
const LABEL = 100; // bytes of a folder's name, as Windows takes 260 for a whole path

const utf8 = new TextEncoder();

/** The name of a folder for a label. */
export const folderName = (label: string) => safe(clip(label, LABEL));

/** The name of a file, the last part of a path; its extension stays. */
export function fileName(path: string): string {
  const [, stem, extension] = split(path.slice(path.lastIndexOf('/') + 1));
  return safe(clip(stem, LONGEST - NUMBER - utf8.encode(extension).length) + extension);
}

/** Names that are in use in one folder. Most systems do not tell capitals from small letters. */
export class Names {
  readonly #last = new Map<string, number>(); // the number that was given last to a name

  constructor(taken: Iterable<string> = []) {
    for (const name of taken) this.#last.set(key(name), 1);
  }

  /** The name if it is free, or else with a number before its extension; it is taken then. */
  take(name: string): string {
    const [, stem, extension] = split(name);
    let free = name;
    let n = this.#last.get(key(name)) ?? 0;
    while (this.#last.has(key(free))) free = `${stem} (${++n})${extension}`;
    this.#last.set(key(name), Math.max(n, 1));
    this.#last.set(key(free), 1);
    return free;
  }
}

const key = (name: string) => name.normalize('NFC').toLowerCase();

const split = (name: string) => /^(.+?)(|\.[^.\s]{1,16})$/su.exec(name) ?? ['', name, ''];

// Not for names: what separates folders or has another meaning for a system; controls, and characters that are not seen,
// but for the two that some scripts need; and halves of characters.
const BAD = /(?![\u200C\u200D])[/\\:*?"<>|\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const DEVICE = /^(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|con(?:in|out)\$)(?=\s*(?:\.|$))/iu; // on Windows, as "nul.jpg" too

// Windows drops points and spaces at the end; a point in front hides a file elsewhere.
const safe = (name: string) => name.replace(BAD, '_').replace(/^[\s.]+|[\s.]+$/gu, '').replace(DEVICE, '$1_') || '_';

function clip(s: string, most: number): string {
  if (utf8.encode(s).length <= most) return s;
  const whole = new TextDecoder().decode(utf8.encode(s).subarray(0, most));
  return whole.replace(/\uFFFD+$/, ''); // of a character that was cut through
}
