// The calls of one classifier: they run one after another, in the order in which they were made.

import { isKind } from '../lib/kind.ts';
import { promised } from '../lib/promised.ts';
import type { CallOptions } from '../types/resnet.d.ts';
import { ResnetError, aborted } from './error.ts';
import { AGAIN } from './link.ts';
import type { Link } from './link.ts';
import type { Picture } from './protocol.ts';

/** What a call is made of: how its picture is taken, at once, so that a video may play on, and how the worker is asked. */
export interface Work<P extends Picture | null, T> {
  take: (stop: AbortController) => Promise<P>;
  send: (picture: P) => Promise<T>;
}

export class Queue {
  readonly #link: Link;
  #calls: Waiting[] = []; // the current one included
  #isRunning = false;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Adds a call; its outcome is that of the promise. */
  add<P extends Picture | null, T>(work: Work<P, T>, signal: CallOptions['signal']): Promise<T> {
    if (signal?.aborted) throw aborted(signal);
    const call: Call<P, T> = new Call(work, this.#link, () => this.#calls[1] === call, () => this.#calls[1]?.prepare());
    const abort = () => {
      if (signal) call.fail(aborted(signal));
      if (call.id !== undefined) return this.#link.cancel(call.id);
      this.#calls = this.#calls.filter((c) => c !== call);
      if (this.#calls[0]?.id !== undefined) this.#calls[1]?.prepare();
    };
    signal?.addEventListener('abort', abort);
    void call.over.then(() => signal?.removeEventListener('abort', abort));
    this.#calls.push(call);
    if (this.#calls[1] === call && this.#calls[0].id !== undefined) call.prepare();
    void this.#run();
    return call.outcome;
  }

  /** Fails all calls. */
  clear(error: () => unknown) {
    for (const call of this.#calls.splice(0)) call.fail(error());
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#calls.length > 0) {
      const call = this.#calls[0];
      try {
        await call.run();
      } catch (error) {
        call.fail(error);
      }
      if (this.#calls[0] === call) this.#calls.shift();
    }
    this.#isRunning = false;
  }
}

/** A call that waits for its turn, or that the worker is busy with. */
interface Waiting {
  /** Does what is left to do when its turn comes. */
  run(): Promise<void>;
  /** Lets the worker decode its picture, while the call before it is being computed. */
  prepare(): Promise<void>;
  fail(error: unknown): void;
  /** The id of its request, once that is sent. */
  readonly id: number | undefined;
}

class Call<P extends Picture | null, T> implements Waiting {
  id: number | undefined;
  /** Resolves when it has its outcome. */
  readonly over: Promise<void>;
  readonly #link: Link;
  readonly #send: Work<P, T>['send'];
  readonly #isNext: () => boolean; // whether it is the first of those that wait
  readonly #started: () => void; // told when the worker is asked in its turn
  readonly #picture: Promise<P>;
  readonly #outcome = promised<T>();
  #hasFailed = false;
  #answer: Promise<T> | undefined;
  #isEarly = false; // asked before its turn

  constructor({ take, send }: Work<P, T>, link: Link, isNext: () => boolean, started: () => void) {
    this.#link = link;
    this.#send = send;
    this.#isNext = isNext;
    this.#started = started;
    const stop = new AbortController(); // ends the download of its picture
    this.#picture = take(stop);
    this.#picture.catch(() => {}); // reported when its turn comes
    this.over = this.#outcome.promise.then(() => {}, () => { this.#hasFailed = true; });
    void this.over.then(() => {
      stop.abort();
      this.#picture.then((p) => isKind(p, 'ImageBitmap') && p.close(), () => {}); // if it was not handed over
    });
  }

  get outcome() {
    return this.#outcome.promise;
  }

  fail(error: unknown) {
    this.#outcome.reject(error);
  }

  async run() {
    for (;;) {
      if (!this.#answer) {
        const taken = await Promise.race([this.#picture.then((its) => ({ its })), this.over]);
        if (!this.#hasFailed && !this.#link.worker) await this.#link.start();
        if (!taken || this.#hasFailed) return;
        this.#ask(taken.its);
      }
      this.#started();
      try {
        return this.#outcome.resolve(await this.#answer as T);
      } catch (error) {
        // If two calls were with a worker that was lost, either may be the cause: this one is tried once more.
        const isCrash = error instanceof ResnetError && error.code === 'worker-crashed';
        if (error !== AGAIN && !(this.#isEarly && isCrash)) throw error;
        this.#answer = this.id = undefined;
        this.#isEarly = false;
      }
    }
  }

  async prepare() {
    if (this.#answer) return;
    const its = await Promise.race([this.#picture, this.over]).catch(() => undefined);
    if (!its || this.#hasFailed || this.#answer || !this.#isNext()) return;
    // Only files are sent early: they need decoding, and can be sent once more if the worker is lost.
    if (!this.#link.isReady || !isKind(its, 'Blob', 'File')) return;
    this.#isEarly = true;
    this.#ask(its);
  }

  #ask(its: P) {
    this.#answer = this.#send(its);
    this.id = this.#link.latest;
    this.#answer.catch(() => {}); // looked at when its turn comes
  }
}
