import { byId } from '../parts/dom.ts';

/**
 * Says that a part of the page could not be loaded. Browsers remember a module that failed, and a new version of the
 * page has other ones: so another try is another load of the page.
 */
export function tellBroken(error: unknown) {
  console.error(error);
  byId('broken', HTMLElement).hidden = false;
  byId('broken-retry', HTMLButtonElement).onclick = () => location.reload();
}

export function hideBroken() {
  byId('broken', HTMLElement).hidden = true;
}
