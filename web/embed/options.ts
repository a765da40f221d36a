// What a site may choose of its frame. Whatever it sends is checked here.

import { unknownOption } from '../lib/options.ts';
import type { FrameOptions } from '../api/protocol.ts';

/** The options in use: what the site has set, and defaults for the rest. */
export interface Options extends Required<Omit<FrameOptions, 'theme' | 'style'>> {
  theme: 'auto' | 'light' | 'dark';
  style: Record<string, unknown>;
}

interface Rule<T> {
  value: T; // the default
  wanted: string;
  is(x: unknown): x is T;
}

const HERE = new URL('.', location.href).href;

const RULES: { [K in keyof Options]: Rule<Options[K]> } = {
  model: { value: '', wanted: `the address of a .msgpack file below ${HERE}`, is: isHere },
  topK: {
    value: 5,
    wanted: 'a whole number from 1 to 100',
    is: (x): x is number => typeof x === 'number' && Number.isInteger(x) && x >= 1 && x <= 100,
  },
  threshold: {
    value: 0,
    wanted: 'a number from 0 to 1',
    is: (x): x is number => typeof x === 'number' && x >= 0 && x <= 1,
  },
  heatmap: { value: false, wanted: 'true or false', is: (x): x is boolean => typeof x === 'boolean' },
  lang: { value: 'en', wanted: "a language such as 'en'", is: isLanguage },
  theme: { value: 'auto', wanted: "'auto', 'light' or 'dark'", is: isTheme },
  style: { value: {}, wanted: 'an object of colours, with a length as radius', is: isObject },
};

/**
 * Reads the options that a site has sent. A wrong one is reported to complain, and its default is used instead; so are
 * those that there are not.
 */
export function read(given: unknown, complain: (message: string) => void): Options {
  const unknown = isObject(given) && unknownOption(given, Object.keys(RULES));
  if (unknown) complain(unknown);
  const take = <K extends keyof Options>(name: K): Options[K] => {
    const { value, wanted, is } = RULES[name];
    const got = isObject(given) ? given[name] : undefined;
    if (got === undefined) return value;
    if (is(got)) return got;
    complain(`${name}: want ${wanted}, got ${clip(got)}`);
    return value;
  };
  return {
    model: take('model'),
    topK: take('topK'),
    threshold: take('threshold'),
    heatmap: take('heatmap'),
    lang: take('lang'),
    theme: take('theme'),
    style: take('style'),
  };
}

export function isObject(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null;
}

/** Writes a value as a message may show it: it is cut where it is long. */
export function clip(x: unknown): string {
  const text = typeof x === 'string' ? `'${x}'` : isObject(x) ? 'an object' : String(x);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

// Models lie beside this page: a site may not make its visitors fetch what it likes, which goes with their cookies.
function isHere(x: unknown): x is string {
  if (x === '') return true; // the default
  if (typeof x !== 'string' || x.length > 2000) return false;
  try {
    const { href } = new URL(x, HERE);
    return href.startsWith(HERE) && /^[^?#]*\.msgpack$/.test(href);
  } catch {
    return false;
  }
}

function isLanguage(x: unknown): x is string {
  try {
    return typeof x === 'string' && x.length <= 40 && Intl.getCanonicalLocales(x).length === 1;
  } catch {
    return false;
  }
}

function isTheme(x: unknown): x is Options['theme'] {
  return x === 'auto' || x === 'light' || x === 'dark';
}
