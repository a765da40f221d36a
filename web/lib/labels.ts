import type { Info, ModelClass, Result } from '../types/resnet.d.ts';

/** The best of some languages (BCP 47 lookup: zh-Hans-CN, zh-Hans, zh); English if none fits. */
export function nearest(languages: readonly string[], wanted: string): string {
  for (let lang = wanted; lang; lang = lang.slice(0, Math.max(lang.lastIndexOf('-'), 0))) {
    if (languages.includes(lang)) return lang;
  }
  return 'en';
}

export const labelIn = ({ labels }: ModelClass, lang: string): string => labels[nearest(Object.keys(labels), lang)];

/** The same with labels in another language. */
export function infoIn(info: Info, lang: string): Info {
  return { ...info, classes: info.classes.map((c) => ({ ...c, label: labelIn(c, lang) })) };
}

export function resultIn(result: Result, { classes }: Info, lang: string): Result {
  const predictions = result.predictions.map((p) => ({ ...p, label: labelIn(classes[p.index], lang) }));
  return { ...result, predictions };
}
