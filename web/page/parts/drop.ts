import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import { byId, isTouch, make } from './dom.ts';

/**
 * The zone that invites pictures; its markup is in the document, to be there at once. film opens the camera of a
 * desktop, where there is one.
 */
export function mountDrop(zone: HTMLElement, app: App, t: PartsTexts, film?: () => void): Unmount {
  const end = new AbortController();
  const { signal } = end;
  const photo = byId('photo', HTMLButtonElement);
  zone.addEventListener('click', ({ target }) => {
    const button = target instanceof Element ? target.closest('button') : null;
    if (button !== photo) app.choose();
    else if (film && !isTouch()) film();
    else app.photograph();
  }, { signal });
  photo.hidden = !film && !isTouch();
  const [before, key, after] = t.paste(/Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl');
  const [, plus, rest] = /^( \+ V)(.*)$/.exec(after) ?? ['', after, ''];
  byId('paste-hint', HTMLElement).replaceChildren(before, make('kbd', {}, key + plus), rest);
  return () => end.abort();
}
