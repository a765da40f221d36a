// The pictures that Sort has: what is known of each, in columns of numbers, so that ten thousand weigh little; and the
// run that finds it out. A row is named by a number that is never given twice; what a picture is, by a key: the index
// of a class of the model, or, below zero, a word of the visitor's.

import { labelIn } from '../../lib/labels.ts';
import { sizeIn } from '../../lib/size.ts';
import type { Info, Outcome, Prediction, Source } from '../../types/resnet.d.ts';
import type { PageApp } from '../app/app.ts';
import { problemOf } from '../app/session.ts';
import type { Session } from '../app/session.ts';
import type { Problem } from '../app/state.ts';
import { fromFile } from '../parts/picture.ts';
import { Alike } from './alike.ts';
import { Columns, TOP } from './columns.ts';
import type { Entry } from './entry.ts';
import { START } from './place.ts';
import type { Place } from './place.ts';
import type { Sorted } from './sorted.ts';

export const WAITING = 0;
export const ASKED = 1; // the classifier has it
export const DONE = 2;
export const FAILED = 3;

const UNANSWERED = 'it has not been looked at yet'; // what exports say of a picture that waits
const RECENT = 5000; // ms of answers from which the rate is
const PULSE = 120; // ms between reports while answers come
const BATCH = 200; // files that are listed before something else has its turn

/** How far the run is. */
export interface Progress {
  state: 'idle' | 'running' | 'paused' | 'failed';
  problem: Problem | null; // why the run has failed
  isListing: boolean; // files are still being found
  total: number;
  done: number; // with an answer or an error
  rate: number; // pictures a second lately; 0 if that is unknown
}

/** What can be taken back. */
type Step =
  | { kind: 'label'; ids: readonly number[]; before: Int32Array }
  | { kind: 'remove'; ids: readonly number[] };

/** The collection of the page, which is made when it is first asked for. */
export const collectionOf = (app: PageApp) => (app.collection ??= new Collection(app.session));

export class Collection {
  /** How the visitor looks at the pictures, kept for when Sort is opened again. */
  readonly place: Place = structuredClone(START);
  readonly columns = new Columns();
  /** Whether the visitor has been told of the end of the latest run. */
  isTold = false;
  alike = new Alike();
  readonly #session: Session;
  readonly #entries: Entry[] = [];
  readonly #problems = new Map<number, Problem>();
  readonly #words: string[] = []; // −1 − key
  readonly #steps: Step[] = [];
  readonly #listeners = new Set<() => void>();
  #info: Info | null = null; // of the classifier that gave the answers
  #run: AbortController | null = null;
  #next = 0; // no row before it waits
  #listing = 0; // lists of files that are being read
  #lists = new AbortController(); // ends these
  #isPaused = false;
  #problem: Problem | null = null;
  #wake = () => {}; // tells the run that there is something to do, or nothing more to come
  #times: number[] = []; // of recent answers
  #gone = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #version = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Rows are numbered from 0 up to this; some may be gone. */
  get end() {
    return this.#entries.length;
  }

  get size() {
    return this.end - this.#gone;
  }

  get info() {
    return this.#info;
  }

  /** Whether there are labels of the visitor's, which are not had again by giving the same files. */
  get isCorrectedAnywhere() {
    const { own, isGone } = this.columns;
    return own.subarray(0, this.end).some((label, id) => label !== 0 && !isGone[id]);
  }

  /** Rises with every change. */
  get version() {
    return this.#version;
  }

  get canUndo() {
    return this.#steps.length > 0;
  }

  get progress(): Progress {
    const { state, isGone } = this.columns;
    let done = 0;
    for (let id = 0; id < this.end; id++) done += Number(!isGone[id] && state[id] >= DONE);
    return {
      state: this.#problem ? 'failed' : this.#isPaused && done < this.size ? 'paused' : this.#run ? 'running' : 'idle',
      problem: this.#problem, isListing: this.#listing > 0, total: this.size, done, rate: this.#rate(),
    };
  }

  entry(id: number) {
    return this.#entries[id];
  }

  problem(id: number) {
    return this.#problems.get(id);
  }

  prediction(id: number, rank: number) {
    const { classes, probabilities } = this.columns;
    return { key: classes[TOP * id + rank], probability: probabilities[TOP * id + rank] };
  }

  /** What a picture is: what the visitor said, or else the likeliest class; null if there is neither. */
  key(id: number): number | null {
    const { own, state, count } = this.columns;
    if (own[id] !== 0) return decode(own[id]);
    return state[id] === DONE && count[id] > 0 ? this.prediction(id, 0).key : null;
  }

  isCorrected(id: number) {
    return this.columns.own[id] !== 0;
  }

  /** Whether the model is not sure of a picture, and the visitor has not said what it is. */
  isUnsure(id: number) {
    const { own, state, isSure } = this.columns;
    return own[id] === 0 && state[id] === DONE && !isSure[id];
  }

  name(key: number | null, lang: string): string {
    if (key === null) return '';
    if (key < 0) return this.#words[-1 - key];
    const found = this.#info?.classes[key];
    return found ? labelIn(found, lang) : '';
  }

  /** The key of a name, in any language; a new one for a word that is none yet. */
  keyOf(name: string): number {
    const plain = name.trim().toLowerCase();
    const isIt = (label: string) => label.toLowerCase() === plain;
    const known = this.#info?.classes.find(({ labels }) => Object.values(labels).some(isIt));
    if (known) return known.index;
    const at = this.#words.findIndex((word) => word.toLowerCase() === plain);
    return -1 - (at >= 0 ? at : this.#words.push(name.trim()) - 1);
  }

  get words(): readonly string[] {
    return this.#words;
  }

  sorted(id: number, lang: string): Sorted {
    const { bytes, width, height, count, isSure, state } = this.columns;
    const predictions: Prediction[] = Array.from({ length: state[id] === DONE ? count[id] : 0 }, (_, rank) => {
      const { key, probability } = this.prediction(id, rank);
      return { index: key, id: this.#info?.classes[key].id ?? '', label: this.name(key, lang), probability };
    });
    return {
      entry: this.entry(id),
      bytes: bytes[id] < 0 ? null : bytes[id], width: width[id], height: height[id],
      predictions, label: this.name(this.key(id), lang),
      isCorrected: this.isCorrected(id), sure: isSure[id] === 1,
      error: this.#problems.get(id)?.message ?? (state[id] === DONE ? '' : UNANSWERED),
    };
  }

  /** Calls listener after changes, at most a few times a second while answers come. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes files as they are found. They wait for their turn after those that are there. */
  async add(entries: AsyncIterable<Entry> | Iterable<Entry>) {
    const { signal } = this.#lists;
    this.#listing++;
    this.#problem = null;
    this.isTold = false;
    if (this.#waiting() === null) this.#isPaused = false; // else the visitor has paused what it joins
    void this.#go();
    try {
      let count = 0;
      for await (const entry of entries) {
        if (signal.aborted) break;
        const id = this.#entries.push(entry) - 1;
        this.columns.reserve(id + 1);
        this.columns.bytes[id] = -1;
        this.#wake();
        this.#changed();
        if (++count % BATCH === 0) await new Promise((resolve) => { setTimeout(resolve); });
      }
    } finally {
      this.#listing--;
      this.#wake();
      this.#tell();
    }
  }

  /** Says what pictures are; null takes that back. */
  label(ids: readonly number[], key: number | null) {
    const { own } = this.columns;
    const before = Int32Array.from(ids, (id) => own[id]);
    for (const id of ids) own[id] = key === null ? 0 : encode(key);
    this.#steps.push({ kind: 'label', ids, before });
    this.#tell();
  }

  remove(given: readonly number[]) {
    const ids = given.filter((id) => !this.columns.isGone[id]); // the list on show may be older
    if (ids.length === 0) return;
    this.#setGone(ids, true);
    this.#steps.push({ kind: 'remove', ids });
    this.#wake();
    this.#tell();
  }

  /** Takes the latest of label, remove and cancel back; returns the rows that it was about. */
  undo(): readonly number[] {
    const step = this.#steps.pop();
    if (!step) return [];
    if (step.kind === 'label') step.ids.forEach((id, i) => { this.columns.own[id] = step.before[i]; });
    else this.#setGone(step.ids, false);
    this.#tell();
    return step.ids;
  }

  /** Has pictures that failed looked at again. */
  again(ids: readonly number[]) {
    for (const id of ids) {
      if (this.columns.state[id] === FAILED) this.columns.state[id] = WAITING;
      this.#problems.delete(id);
    }
    this.#next = 0;
    this.resume();
  }

  /** Asks for nothing more until resume; what was asked gets its answer. */
  pause() {
    this.#isPaused = true;
    this.#times = [];
    this.#tell();
  }

  resume() {
    this.#isPaused = false;
    this.#problem = null;
    this.#wake();
    void this.#go();
    this.#tell();
  }

  /** Ends the run. What has no answer is taken out of the list, as undo can take back. */
  cancel() {
    this.#lists.abort();
    this.#lists = new AbortController();
    this.#run?.abort();
    this.#isPaused = true; // what undo brings back waits
    const { state, isGone } = this.columns;
    const left = [...this.#entries.keys()].filter((id) => !isGone[id] && state[id] < DONE);
    if (left.length > 0) this.remove(left);
    else this.#tell();
  }

  #setGone(ids: readonly number[], gone: boolean) {
    for (const id of ids) this.columns.isGone[id] = Number(gone);
    this.#gone += gone ? ids.length : -ids.length;
    if (!gone) this.#next = 0;
    this.#wake();
    if (gone) return;
    if (!this.#isPaused) void this.#go();
  }

  // Runs until nothing waits and no more files come.
  async #go() {
    if (this.#run) return;
    const end = this.#run = new AbortController();
    const asked: number[] = [];
    try {
      const options = { topK: TOP, features: true };
      for await (const { outcome, info } of this.#session.each(this.#sources(asked, end.signal), options, end)) {
        this.#adopt(info);
        const problem = this.#take(asked[outcome.index], outcome);
        if (!problem) continue;
        this.#problem = problem;
        end.abort();
      }
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code !== 'aborted') this.#problem = problem;
      else if (!this.#session.isAwake) this.#isPaused = true; // the page is about to be loaded again
    }
    const { state } = this.columns;
    for (const id of asked) if (state[id] === ASKED) state[id] = WAITING;
    this.#next = 0;
    this.#run = null;
    this.#times = [];
    this.#tell();
    if (!this.#problem && !this.#isPaused && (this.#listing > 0 || this.#waiting() !== null)) void this.#go();
  }

  // Not a generator, which would wait for each source and end with the first that cannot be had.
  #sources(asked: number[], signal: AbortSignal): AsyncIterable<Promise<Source>> {
    signal.addEventListener('abort', () => this.#wake());
    const next = async (): Promise<IteratorResult<Promise<Source>, undefined>> => {
      while (!signal.aborted) {
        const id = this.#waiting();
        if (id === null && this.#listing === 0) break;
        if (id !== null && !this.#isPaused) {
          this.columns.state[id] = ASKED;
          asked.push(id);
          return { value: this.#source(id) };
        }
        await new Promise<void>((resolve) => { this.#wake = resolve; });
      }
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  /** The first row that waits. */
  #waiting(): number | null {
    const { state, isGone } = this.columns;
    while (this.#next < this.end && (state[this.#next] !== WAITING || isGone[this.#next])) this.#next++;
    return this.#next < this.end ? this.#next : null;
  }

  async #source(id: number): Promise<Source> {
    const file = await this.entry(id).file();
    this.columns.bytes[id] = file.size;
    return /^image\/svg\+xml\b/.test(file.type) ? fromFile(file).source : file;
  }

  // Notes an outcome. Returns the problem if it is not one of this picture.
  #take(id: number, { result, error }: Outcome<unknown>): Problem | null {
    const c = this.columns;
    if (result) {
      const { predictions, sure, features } = result;
      const { width, height } = sizeIn(result);
      [c.width[id], c.height[id], c.isSure[id], c.count[id]] = [width, height, Number(sure), predictions.length];
      predictions.forEach(({ index, probability }, rank) => {
        c.classes[TOP * id + rank] = index;
        c.probabilities[TOP * id + rank] = probability;
      });
      if (features) this.alike.set(id, features);
      this.#problems.delete(id);
      c.state[id] = DONE;
    } else {
      const problem = problemOf(hasCode(error.cause) ? error.cause : error);
      if (!/^(image-|folder-|bad-option|out-of-memory|worker-crashed)/.test(problem.code)) return problem;
      this.#problems.set(id, problem);
      c.state[id] = FAILED;
    }
    const now = performance.now();
    this.#times.push(now);
    if (this.#times.length > 1 && this.#times[0] < now - RECENT) this.#times.shift();
    this.#changed();
    return null;
  }

  // The answers of another model than the one before do not go together with it: all pictures are looked at again.
  #adopt(info: Info) {
    const old = this.#info;
    if (info === old) return;
    this.#info = info;
    const isSame = old && old.model === info.model && old.bytes === info.bytes
      && old.classes.length === info.classes.length;
    if (!old || isSame) return;
    const { own, state } = this.columns;
    for (let id = 0; id < this.end; id++) {
      const key = own[id] === 0 ? -1 : decode(own[id]);
      if (key >= 0) own[id] = encode(this.keyOf(labelIn(old.classes[key], 'en')));
      if (state[id] === DONE) state[id] = WAITING;
    }
    this.#steps.length = 0; // they speak of the old classes
    this.alike = new Alike();
    this.#next = 0;
  }

  #rate() {
    const n = this.#times.length;
    if (n < 8 || !this.#run) return 0;
    const ms = this.#times[n - 1] - this.#times[0];
    return ms > 0 ? (n - 1) / ms * 1000 : 0;
  }

  /** Tells of a change soon. */
  #changed() {
    this.#version++;
    this.#timer ??= setTimeout(() => this.#tell(), PULSE);
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#version++;
    for (const listener of [...this.#listeners]) listener();
  }
}

// Keys as the column has them, where 0 is none.
const encode = (key: number) => (key >= 0 ? key + 1 : key);
const decode = (own: number) => (own > 0 ? own - 1 : own);

const hasCode = (error: unknown) => error instanceof Error && 'code' in error && typeof error.code === 'string';
