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
