export type Language = 'en' | 'zh';

/** Texts by language, each in a chunk of its own. */
export type Texts<T> = Record<Language, () => Promise<{ default: T }>>;

/** The language we have that is nearest to one such as 'zh-TW'. */
export const languageOf = (lang: string): Language => (lang.startsWith('zh') ? 'zh' : 'en');

/** What is written into lang attributes: our Chinese is in simplified characters. */
export const tagOf = (lang: string) => (languageOf(lang) === 'zh' ? 'zh-Hans' : 'en');

const KEY = 'lang';

/** What the visitor has chosen on an earlier visit, or else what the browser prefers. */
export function preferred(): Language {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch { /* a private window has no memory */ }
  return languageOf(kept === 'en' || kept === 'zh' ? kept : navigator.language ?? '');
}

export function remember(lang: Language) {
  try {
    localStorage.setItem(KEY, lang);
  } catch { /* and so the next visit begins anew */ }
}
