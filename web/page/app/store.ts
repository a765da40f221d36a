/** A state, and those who want to know of its changes. Values in it are replaced, never changed. */
export class Store<T extends object> {
  #state: Readonly<T>;
  readonly #listeners = new Set<(state: Readonly<T>, before: Readonly<T>) => void>();

  constructor(state: T) {
    this.#state = state;
  }

  get state(): Readonly<T> {
    return this.#state;
  }

  set(change: Partial<T>) {
    const before = this.#state;
    const state = { ...before, ...change };
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      if (this.#state !== state) return; // a listener has changed it again, and all have heard of that
      listener(state, before);
    }
  }

  /** Calls listener after each change; the function that is returned ends that. */
  subscribe(listener: (state: Readonly<T>, before: Readonly<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
