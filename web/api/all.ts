// Many pictures, one after another: classifyAll.

import { promised } from '../lib/promised.ts';
import { messageOf } from '../lib/thrown.ts';
import type { Outcome, Result, Source } from '../types/resnet.d.ts';
import { ResnetError, aborted } from './error.ts';

/**
 * Pictures that are taken from the caller before the first of them has its answer: the one in the network, the one that
 * is decoded meanwhile, and two whose bytes may still be on their way. Memory does not grow beyond that.
 */
const AHEAD = 4;

/** A picture that was taken from the caller. */
interface Taken<S> {
  over: Promise<void>;
  outcome?: Outcome<S>;
}

/**
 * Classifies sources in their order. The next are asked for while the caller works on an outcome, until AHEAD wait. When
 * the caller leaves the loop, or signal aborts, what is under way is given up.
 */
export async function* all<S>(
  sources: Iterable<S> | AsyncIterable<S>, classify: (source: Source, signal: AbortSignal) => Promise<Result>,
  signal: AbortSignal | null | undefined,
): AsyncGenerator<Outcome<S>, void, undefined> {
  const end = new AbortController();
  const failed = promised<never>();
  failed.promise.catch(() => {}); // the caller may be busy when it happens
  const abort = () => {
    if (signal) failed.reject(aborted(signal));
  };
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort);
  const iterator = Symbol.asyncIterator in sources ? sources[Symbol.asyncIterator]() : sources[Symbol.iterator]();
  const waiting: Taken<S>[] = [];
  let index = 0;
  let pulling: Promise<void> | null = null;
  let isOver = false;
  let broken: { error: unknown } | null = null; // what the caller's iterator has thrown
  const take = async () => {
    try {
      const { done, value } = await iterator.next();
      if (done) isOver = true;
      else waiting.push(taken(value, index++));
    } catch (error) {
      isOver = true;
      broken = { error };
    }
  };
  const taken = (source: S, index: number): Taken<S> => {
    const one: Taken<S> = { over: Promise.resolve() };
    one.over = had(source).then((its) => classify(its, end.signal)).then(
      (result) => { one.outcome = { index, source, result }; },
      (error: unknown) => {
        if (error instanceof ResnetError && error.code !== 'closed') one.outcome = { index, source, error };
        else failed.reject(error);
      });
    return one;
  };
  try {
    for (;;) {
      await Promise.race([failed.promise, null]);
      if (!isOver && waiting.length < AHEAD) pulling ??= take().finally(() => { pulling = null; });
      const first = waiting[0];
      if (first?.outcome) {
        waiting.shift();
        yield first.outcome;
      } else if (first || pulling) {
        await Promise.race([failed.promise, ...first ? [first.over] : [], ...pulling ? [pulling] : []]);
      } else if (broken) {
        throw (broken as { error: unknown }).error;
      } else return;
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    end.abort();
    if (!isOver) void Promise.resolve(iterator.return?.()).catch(() => {}); // it may be in the midst of its next
  }
}

// A source may be one that is still to come, as file handles give it.
async function had(source: unknown): Promise<Source> {
  try {
    return await source as Source;
  } catch (cause) {
    throw new ResnetError('image-fetch', `resnet: the source could not be had: ${messageOf(cause)}`, { cause });
  }
}
