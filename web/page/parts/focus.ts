import type { Show } from '../app/state.ts';

type ShowState = Show['state'];

/**
 * Where the focused control has gone, the focus moves to what came instead of it; with body, also if nothing had it.
 */
export function followFocus(state: ShowState, places: Partial<Record<ShowState, string>>, body: boolean) {
  const held = document.activeElement;
  const isLost = held === null || held === document.body ? body : held.closest('[hidden]') !== null;
  if (isLost) document.getElementById(places[state] ?? 'main')?.focus({ preventScroll: true });
}
