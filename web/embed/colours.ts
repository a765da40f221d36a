import type { Options } from './options.ts';

const COLOURS = ['accent', 'accent-ink', 'card', 'ink', 'line', 'paper', 'soft'];
const DARK = '(prefers-color-scheme: dark)';

/** Gives this document the colours of the site around it. */
export function setColours({ theme, style }: Options) {
  const root = document.documentElement;
  for (const { media } of darkRules) media.mediaText = theme === 'auto' ? DARK : theme === 'dark' ? 'all' : 'not all';
  root.style.cssText = '';
  if (theme !== 'auto') root.style.colorScheme = theme;
  const apply = (name: string, property: string) => {
    const value = style[name];
    if (typeof value !== 'string' || value.length > 100 || !CSS.supports(property, value)) return;
    root.style.setProperty(`--${name}`, value);
  };
  for (const name of COLOURS) apply(name, 'color');
  apply('radius', 'border-radius');
  if (root.style.getPropertyValue('--accent')) {
    root.style.setProperty('--accent-soft', 'color-mix(in oklab, var(--accent) 16%, var(--card))');
  }
}

// The rules of the stylesheet for dark surroundings, switched on or off by hand where a theme is given.
const darkRules = [...document.styleSheets].flatMap(rulesOf)
  .filter((rule) => rule.media.mediaText.includes('prefers-color-scheme: dark'));

// In a sandbox without an origin the frame may not read its own stylesheet. It is not shown there, but has to say so.
function rulesOf(sheet: CSSStyleSheet): CSSMediaRule[] {
  try {
    return mediaRules(sheet.cssRules);
  } catch {
    return [];
  }
}

function mediaRules(rules: CSSRuleList): CSSMediaRule[] {
  return [...rules].flatMap((rule) => {
    if (rule instanceof CSSMediaRule) return [rule];
    return rule instanceof CSSGroupingRule ? mediaRules(rule.cssRules) : [];
  });
}
