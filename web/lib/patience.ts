const STALL = 30_000; // ms without a byte

/** Aborts a request when alive has not been called for STALL ms. end must be called when the request is over. */
export function patience(stop = new AbortController()) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => clearTimeout(timer);
  const alive = () => {
    end();
    timer = setTimeout(() => stop.abort(new Error(`no byte came for ${STALL / 1000} s`)), STALL);
  };
  alive();
  return { signal: stop.signal, alive, end };
}

/** The outcome of work, or a rejection if it takes longer than ms: storage has been seen never to answer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, ms, new Error(`no answer within ${ms / 1000} s`));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
