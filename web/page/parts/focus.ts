import type { State } from '../app/state.ts';

/** Where the focused control has gone, the focus moves to what came instead of it. With body, also if nothing had it. */
export function followFocus(state: State['show']['state'], places: Partial<Record<typeof state, string>>, body: boolean) {
  const held = document.activeElement;
  const isLost = held === null || held === document.body ? body : held.closest('[hidden]') !== null;
  if (isLost) document.getElementById(places[state] ?? 'main')?.focus({ preventScroll: true });
}
