// One classifier at a time, and all that it is asked: it is loaded and loaded again here, pictures are given up here
// for newer ones, and here it is decided what follows from an error.

import { createClassifier } from '../../api/resnet.ts';
import { messageOf } from '../../lib/thrown.ts';
import type {
  Classifier, ClassifyOptions, Heatmap, Info, Outcome, Progress, Result, Source,
} from '../../types/resnet.d.ts';
import type { Box, Picture } from '../parts/picture.ts';
import { isOfPicture, pictureOn } from './state.ts';
import type { Live, Loading, Problem, Show, State } from './state.ts';
import type { Store } from './store.ts';

const SWITCHING = 100; // ms for which settings must stay as they are, while they change faster than they can be loaded

/** What is asked for, read anew for each load and each picture. */
export interface Settings {
  model?: string;
  topK?: number;
  threshold?: number;
}

/** What a frame tells the site around it. */
export interface Listener {
  progress?(progress: Progress): void;
  ready?(info: Info): void;
  /** The classifier did not load. */
  failed?(problem: Problem): void;
  result?(result: Result, info: Info, picture: Picture): void;
  /** What is told beside the result on show; without this, a problem with the next picture takes its place. */
  note?(problem: Problem): void;
  /** A picture failed. A picture that was given up is not reported. */
  error?(problem: Problem, picture: Picture): void;
}

/** A part of a picture, in whole pixels; null for all of it. */
interface Aim {
  picture: Picture;
  region: Box | null;
}

export class Session {
  readonly #store: Store<State>;
  readonly #settings: () => Settings;
  readonly #listener: Listener;
  #classifier: Promise<Classifier> | null = null; // null while asleep, or if it did not load
  #loading: AbortController | null = null; // ends its load; null if that is over
  #isSwitching = false; // the last load was given up for another one
  #visitor: AbortController | null = null; // ends the visitor's own picture; the newest wins
  #before: Show & { state: 'result' | 'live' } | null = null; // on show before the visitor's own picture
  #aim: Aim | null = null; // the part of a picture to look at next
  #aiming: AbortController | null = null; // ends the look at a part that is under way
  readonly #running = new Set<Promise<unknown>>(); // what the classifier was asked and has not answered
  readonly #many = new Set<AbortController>(); // end what goes through many pictures

  constructor(store: Store<State>, settings: () => Settings = () => ({}), listener: Listener = {}) {
    this.#store = store;
    this.#settings = settings;
    this.#listener = listener;
  }

  /** Loads the classifier, unless that is done. */
  load(): Promise<Classifier> {
    if (this.#classifier) return this.#classifier;
    const store = this.#store;
    const join = joined();
    const { model } = this.#settings();
    const isCurrent = () => made === this.#classifier;
    store.set({ model: { state: 'loading', progress: { phase: 'download', loaded: 0, total: 0 } } });
    const loading = new AbortController();
    this.#loading = loading;
    const create = () => createClassifier({
      model: model || undefined,
      signal: loading.signal,
      onProgress: (p) => {
        if (!isCurrent()) return;
        store.set({ model: { state: 'loading', progress: join(p) } });
        this.#listener.progress?.(p);
      },
    });
    const made = this.#isSwitching ? new Promise((r) => { setTimeout(r, SWITCHING); }).then(create) : create();
    this.#classifier = made;
    made.then(({ info }) => {
      if (!isCurrent()) return;
      this.#loading = null;
      this.#isSwitching = false;
      store.set({ model: { state: 'ready', info } });
      this.#listener.ready?.(info);
    }, (error: unknown) => {
      if (!isCurrent()) return;
      const problem = problemOf(error);
      this.#loading = null;
      this.#isSwitching = false;
      this.#classifier = null; // the next call that needs it tries again
      store.set({ model: { state: 'failed', problem } });
      // A picture that waits for the classifier fails with it, and then shows the problem.
      if (store.state.show.state !== 'busy') this.fail(problem, null);
      this.#listener.failed?.(problem);
    });
    return made;
  }

  /**
   * Ends the classifier in use as soon as it has answered what it was asked about single pictures; one that is still
   * loading, at once.
   */
  retire(): Promise<void> {
    for (const end of this.#many) end.abort();
    const old = this.#classifier;
    this.#classifier = null;
    this.#isSwitching = this.#loading !== null;
    this.#loading?.abort();
    this.#loading = null;
    return Promise.allSettled(this.#running).then(() => old?.then((c) => c.close(), () => {}));
  }

  /** Loads another classifier with the current settings, and has it look at the picture on show. */
  restart() {
    void this.retire();
    void this.retry();
  }

  /** Tries again what failed, or loads what is asleep. */
  retry() {
    const { show } = this.#store.state;
    this.load().catch(() => {}); // load has reported it
    const picture = pictureOn(show);
    if (picture) this.look(picture);
    else if (show.state === 'problem' && !isOfPicture(show.problem)) this.#store.set({ show: { state: 'empty' } });
  }

  /**
   * Shows and classifies a picture. With a signal it is somebody's call, and gets its answer whatever comes after it;
   * without one it is the visitor's, and is given up for the next one.
   */
  async look(picture: Picture, signal?: AbortSignal): Promise<void> {
    const store = this.#store;
    if (!signal) {
      this.abort();
      this.#visitor = new AbortController();
      signal = this.#visitor.signal;
    }
    const { show } = store.state;
    if (show.state === 'live') this.#before = { ...show, held: 'left' };
    else if (show.state !== 'busy') this.#before = show.state === 'result' ? show : null;
    const busy: Show = { state: 'busy', picture };
    const settings = this.#settings();
    store.set({ show: busy, note: null });
    try {
      const [result, info] = await this.ask(async (c) => {
        const { topK, threshold } = settings;
        return [await c.classify(await picture.source, { topK, threshold, heatmap: true, signal }), c.info] as const;
      });
      this.#listener.result?.(result, info, picture);
      const drawn = await picture.drawable.catch(() => null);
      if (store.state.show !== busy) return;
      const answer = { result, heatmap: result.heatmap, drawn, info, region: null };
      store.set({ show: { state: 'result', picture, answer } });
    } catch (error) {
      const problem = problemOf(error);
      const isShown = store.state.show === busy;
      if (problem.code !== 'aborted') {
        this.#listener.error?.(problem, picture);
        if (isShown) this.fail(problem, picture);
      } else if (isShown) store.set({ show: this.#before ?? { state: 'empty' } });
    }
  }

  /** Gives up the visitor's picture, if it has no answer yet. */
  abort() {
    this.#visitor?.abort();
    this.#visitor = null;
    this.#aiming?.abort();
    this.#aim = null;
  }

  /** Plays a video, or what the camera sees if that is null, and has it classified as it runs. */
  live(file: File | null) {
    this.abort();
    const { show } = this.#store.state;
    this.#before = show.state === 'result' ? show : null;
    this.#store.set({ show: { state: 'live', file, held: null }, note: null });
  }

  /** Turns a video or the camera off, until the visitor wants it to go on. */
  hold(why: NonNullable<Live['held']>) {
    const { show } = this.#store.state;
    if (show.state === 'live' && !show.held) this.#store.set({ show: { ...show, held: why } });
  }

  /** Shows the start again. */
  home() {
    this.abort();
    this.#store.set({ show: { state: 'empty' }, note: null });
  }

  /** Shows a result again. */
  show(show: Show & { state: 'result' }) {
    this.abort();
    this.#store.set({ show, note: null });
  }

  /**
   * Shows a problem with a picture, or with something that is no picture if that is null. A result or a video that was
   * on show before stays, if there is a place for notes.
   */
  fail(problem: Problem, picture: Picture | null) {
    const { show } = this.#store.state;
    const isPassing = show.state === 'busy' || show.state === 'live';
    const before = show.state === 'result' ? show : isPassing ? this.#before : null;
    if (this.#listener.note && before && /^(image|no)-|^bad-option$/.test(problem.code)) {
      this.#store.set({ show: before });
      this.#listener.note(problem);
      return;
    }
    this.#store.set({ show: { state: 'problem', problem, picture } });
  }

  /** Shows where the network found another class of the result on show. */
  async locate(index: number): Promise<void> {
    const { show } = this.#store.state;
    if (show.state !== 'result') return;
    try {
      const heatmap = await this.#heatmap(show, index);
      if (this.#store.state.show !== show) return;
      this.#store.set({ show: { ...show, answer: { ...show.answer, heatmap } }, heat: true });
    } catch (error) {
      const problem = problemOf(error);
      if (this.#store.state.show === show && problem.code !== 'aborted') this.fail(problem, show.picture);
    }
  }

  /**
   * Looks at another part of the picture on show; the answer follows. One look is under way at a time, and only the
   * newest part waits.
   */
  async aim(region: Box | null): Promise<void> {
    const { show } = this.#store.state;
    if (show.state !== 'result') return;
    this.#aim = { picture: show.picture, region };
    if (this.#aiming) return;
    const { signal } = this.#aiming = new AbortController();
    try {
      for (let next = this.#next(); next; next = this.#next()) await this.#lookAt(next, signal);
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code !== 'aborted') this.fail(problem, show.picture);
    } finally {
      this.#aiming = null;
    }
    const left = this.#next(); // asked for after an abort
    if (left) await this.aim(left.region);
  }

  /** Whether another part of the picture than that of the answer on show is to be looked at, or is looked at now. */
  get isAiming() {
    return this.#aim !== null;
  }

  #next(): Aim | null {
    const next = this.#aim;
    this.#aim = null;
    return next;
  }

  async #lookAt({ picture, region }: Aim, signal: AbortSignal) {
    const { show, heat } = this.#store.state;
    if (show.state !== 'result' || show.picture !== picture) return;
    const { heatmap, result: { predictions: [first] } } = show.answer;
    const isChosen = heat && heatmap && heatmap.index !== first?.index; // by the visitor, who wants to see that class
    const { topK, threshold } = this.#settings();
    const [result, info] = await this.ask(async (c) => [await c.classify(await picture.source, {
      topK, threshold, region, heatmap: isChosen ? heatmap.index : true, signal,
    }), c.info] as const);
    const now = this.#store.state.show;
    if (now.state !== 'result' || now.picture !== picture) return;
    const answer = { ...now.answer, result, heatmap: result.heatmap, info, region };
    this.#store.set({ show: { ...now, answer } });
  }

  /**
   * Classifies many pictures, each outcome with what describes the classifier that has made it. The loop ends with the
   * error 'aborted' when end aborts, which is done here if the classifier is retired: what has no answer by then can be
   * asked of another one, if isAwake.
   */
  async *each<S extends Source | PromiseLike<Source>>(
    sources: AsyncIterable<S>, options: ClassifyOptions, end: AbortController,
  ): AsyncGenerator<{ outcome: Outcome<S>; info: Info }, void> {
    const { signal } = end;
    const ended = new Promise<null>((resolve) => { signal.addEventListener('abort', () => resolve(null)); });
    const c = await Promise.race([this.#loaded(), ended]);
    if (!c || signal.aborted) return;
    this.#many.add(end);
    try {
      for await (const outcome of c.classifyAll(sources, { ...options, signal })) yield { outcome, info: c.info };
    } finally {
      this.#many.delete(end);
    }
  }

  /** Whether there is a classifier, or one is being loaded. */
  get isAwake() {
    return this.#classifier !== null;
  }

  // The classifier keeps the feature maps of its latest results; an older picture is looked at again.
  async #heatmap({ picture, answer }: Show & { state: 'result' }, index: number): Promise<Heatmap | undefined> {
    if (answer.heatmap?.index === index) return answer.heatmap;
    return this.ask(async (c) => {
      try {
        return await c.heatmap(answer.result, index);
      } catch (error) {
        if (problemOf(error).code !== 'bad-option') throw error;
      }
      return (await c.classify(await picture.source, { topK: 1, heatmap: index, region: answer.region })).heatmap;
    });
  }

  // The classifier that is wanted in the end.
  async #loaded(): Promise<Classifier> {
    for (;;) {
      try {
        return await this.load();
      } catch (error) {
        if (problemOf(error).code !== 'aborted') throw error; // only retire gives a load up
      }
    }
  }

  /** Asks the classifier, which is loaded first if it is not. */
  async ask<T>(what: (classifier: Classifier) => Promise<T>): Promise<T> {
    const asked = this.#loaded().then(what);
    this.#running.add(asked);
    try {
      return await asked;
    } finally {
      this.#running.delete(asked);
    }
  }
}

/** Makes one report out of the reports on the runtime and on the model. */
function joined(): (p: Progress) => Loading {
  const last: Partial<Record<Progress['phase'], Progress>> = {};
  return (p) => {
    last[p.phase] = p;
    if (p.phase === 'warmup') return { ...p, phase: p.phase };
    const { runtime, model } = last;
    const known = runtime && model && runtime.total > 0 && model.total > 0;
    const sum = (key: 'loaded' | 'total') => (known ? runtime[key] + model[key] : 0);
    return { phase: 'download', loaded: sum('loaded'), total: sum('total') };
  };
}

/** The problem to show for an error: its code, or 'worker-crashed' if it has none, and its message. */
export function problemOf(error: unknown): Problem {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return { code: typeof code === 'string' ? code : 'worker-crashed', message: messageOf(error) };
}
