import type { Picture } from '../parts/picture.ts';
import type { Session } from './session.ts';
import { isOfPicture, pictureOn } from './state.ts';
import type { Show, State } from './state.ts';
import type { Store } from './store.ts';

const MOST = 50; // results that are kept; each holds its picture

/**
 * Makes each result an entry in the browser's history: Back shows what was on show before, from memory. The first entry
 * is the start, and so is one where the visitor went back to it from a result. A problem with a picture is an entry too,
 * so that Back leads to the result before it, but only until the next one takes its place. So is a video, or the camera,
 * which does not start by itself when the visitor comes back. Returns what opens Look, which hash names, for a
 * picture of another view.
 */
export function keepHistory(
  store: Store<State>, session: Session,
): (from: string, hash: string, picture: Picture) => void {
  const visit = performance.timeOrigin; // entries of the page before it was loaded again mean nothing to this one
  const kept = new Map<number, Show>();
  let at = 0;
  let serial = 0;
  const isOurs = (x: unknown): x is { visit: number; at: number } => typeof x === 'object' && x !== null
    && 'visit' in x && x.visit === visit && 'at' in x && typeof x.at === 'number';
  const keep = (show: Show) => {
    // A video, or the camera, does not start by itself when the visitor comes back.
    kept.set(at, show.state === 'live' ? { ...show, held: 'left' } : show);
    const [oldest] = kept.keys();
    if (kept.size > MOST) kept.delete(oldest);
  };
  const claim = () => history.replaceState({ visit, at }, '');
  keep({ state: 'empty' });
  claim();

  store.subscribe(({ show }, before) => {
    const now = kept.get(at);
    const isEntry = show.state === 'result' || show.state === 'live'
      || (show.state === 'empty' && /result|live/.test(before.show.state))
      || (show.state === 'problem' && isOfPicture(show.problem));
    if (show === before.show || show === now || !isEntry) return;
    const isSame = now && pictureOn(now) !== null && pictureOn(now) === pictureOn(show);
    const goesOn = now?.state === 'live' && (show.state === 'live' ? show.file === now.file : show.state === 'problem');
    if (isSame || goesOn || now?.state === 'problem') return keep(show);
    at = ++serial;
    keep(show);
    history.pushState({ visit, at }, '');
  });

  addEventListener('popstate', ({ state }) => {
    if (state === null) return claim(); // a link within the page or a typed address: the same stays on show
    const show = isOurs(state) ? kept.get(state.at) : undefined;
    if (isOurs(state)) at = state.at;
    else {
      at = ++serial;
      claim();
    }
    session.abort();
    const next = show ?? { state: 'empty' };
    keep(next);
    if (next.state === 'busy') void session.look(next.picture); // it was given up
    else store.set({ show: next, note: null });
  });

  return (from, hash, picture) => {
    void session.look(picture);
    at = ++serial;
    keep(store.state.show); // until the answer takes its place
    history.pushState({ visit, at, from }, '', hash);
  };
}

/** The view from which the picture on show was opened, if it was. */
export function cameFrom(): string | undefined {
  const { state } = history;
  return typeof state === 'object' && state !== null && 'from' in state && typeof state.from === 'string'
    ? state.from : undefined;
}
