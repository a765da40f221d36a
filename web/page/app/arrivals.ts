// Pictures that the page is opened with: by its address (?url=), shared by another app, or as files that the system
// opens with the installed page.

import { NOTHING, SHARED } from '../../lib/shares.ts';
import type { Takers } from '../parts/intake.ts';
import type { Picture } from '../parts/picture.ts';
import type { Entry } from '../sort/entry.ts';
import { pictureOn } from './state.ts';
import type { State } from './state.ts';
import type { Store } from './store.ts';

/** What the system opens an installed page with. */
interface Launch {
  readonly targetURL?: string | null;
  readonly files?: readonly FileSystemFileHandle[];
}

declare global {
  /** Chromium. */
  var launchQueue: { setConsumer(consumer: (launch: Launch) => void): void } | undefined;
}

const ADDRESS = 'url';

/** Gives to takers what the page was opened with, and what it is opened with from now on. */
export function arrivals(store: Store<State>, { take, takeMany, refuse }: Takers) {
  let own: Picture | null = null; // the one at ?url=

  const takeAll = async (entries: readonly Entry[]) => {
    if (entries.length > 1) return takeMany(each(entries));
    await entries[0].file().then(take, () => refuse('no-share'));
  };

  const fetched = async (address: string) => {
    const [before, view] = [store.state.show, location.hash];
    const isNewest = () => store.state.show === before && location.hash === view; // nothing else was given meanwhile
    try {
      const { fileAt } = await import('../parts/address.ts');
      const file = await fileAt(address);
      if (!isNewest()) return;
      if (!file) return refuse('no-address');
      take(file);
      own = pictureOn(store.state.show);
    } catch {
      if (isNewest()) refuse('image-fetch');
    }
  };

  const shared = async (id: string) => {
    try {
      const { taken } = await import('./shared.ts');
      const files = await taken(id);
      leave(SHARED); // to be loaded again without them, which are kept no longer
      if (files.length > 0) await takeAll(files.map((file) => ({ path: file.name, file: async () => file })));
      else refuse(id === NOTHING ? 'no-picture' : 'no-share');
    } catch {
      refuse('no-share');
    }
  };

  // The address leads to its picture when it is loaded again, kept or passed on, and so it stays until another picture
  // has taken the place of that. Each entry of the history has its own.
  store.subscribe(({ show }, { show: before }) => {
    if (show === before || show.state === 'busy') return;
    const picture = pictureOn(show);
    if (picture ? picture !== own : pictureOn(before)) leave(ADDRESS);
  });
  addEventListener('hashchange', () => {
    if (location.hash === '#sort') leave(ADDRESS);
  });

  const given = new URLSearchParams(location.search);
  const [id, address] = [given.get(SHARED), given.get(ADDRESS)];
  if (id !== null) void shared(id);
  else if (address) void fetched(address);
  else if (address === '') refuse('no-picture');

  // Chromium gives a page that is loaded again what it was opened with before; the visitor has had that.
  const isReload = performance.getEntriesByType('navigation').some((e) => 'type' in e && e.type === 'reload');
  let isOld = true;
  globalThis.launchQueue?.setConsumer(({ targetURL, files }) => {
    if (files && files.length > 0) {
      if (isOld && isReload) return;
      void takeAll(files.map((handle) => ({ path: handle.name, file: () => handle.getFile() })));
    } else if (targetURL && !isOld) follow(new URL(targetURL));
  });
  isOld = false;
}

async function* each<T>(list: readonly T[]): AsyncGenerator<T, void> {
  yield* list;
}

// The window that is open was chosen for a launch. It is not loaded again if that names only a view.
function follow({ href, search, hash }: URL) {
  if (href === location.href) return;
  if (search) location.assign(href);
  else if (hash) location.hash = hash;
}

/** Takes a parameter out of the address, and leaves the others as they are. */
function leave(name: string) {
  const kept = location.search.slice(1).split('&').filter((p) => p.split('=')[0] !== name).join('&');
  const { pathname, search, hash } = location;
  const next = kept && `?${kept}`;
  if (next !== search) history.replaceState(history.state, '', pathname + next + hash);
}
