import type { Show } from '../app/state.ts';

type ShowState = Show['state'];

/**
 * Moves the focus to what has taken the place of the focused control, if that is gone; with body, also if nothing was
 * focused but the page as a whole.
 */
export function followFocus(state: ShowState, places: Partial<Record<ShowState, string>>, body: boolean) {
  const held = document.activeElement;
  const isLost = held === null || held === document.body || held.id === 'main' ? body : held.closest('[hidden]') !== null;
  if (isLost) document.getElementById(places[state] ?? 'main')?.focus({ preventScroll: true });
}
