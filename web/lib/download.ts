import type { ErrorCode } from '../types/resnet.d.ts';
import { Failure } from './failure.ts';
import { isOutOfMemory, messageOf } from './thrown.ts';
import { patience } from './patience.ts';

const TRIES = 4; // in a row that bring next to nothing, before it gives up
const PROGRESS = 1000; // bytes that are more than that
const PAUSE = 250; // ms before the next try, longer each time

interface Choices {
  /** Resolves with the number of bytes if that is known. */
  size?: () => Promise<number | undefined>;
  /** How many bytes are taken at most, if the size is not known. */
  most?: number;
  progress?: (loaded: number, total: number) => void;
  /** With 'reload', what the browser's HTTP cache holds is replaced. */
  cache?: RequestCache;
  tries?: number;
  /** Gives it up. */
  signal?: AbortSignal;
}

/**
 * Fetches url whole. A connection that breaks or stalls is taken up where it ended if the server can do that, or else
 * from the beginning. What is longer than it should be is not read to its end; the caller sees that by its length.
 * Rejects with a Failure of the given code.
 */
export async function download(
  url: string, code: ErrorCode,
  { size = async () => undefined, most = 2 ** 31, progress, cache = 'default', tries: limit = TRIES, signal: given }: Choices = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const got = new Gathered();
  let tag: string | undefined; // the version that the bytes so far are from
  for (let tries = 1; ; tries++) {
    const stop = new AbortController();
    const give = () => stop.abort(given?.reason);
    if (given?.aborted) give();
    given?.addEventListener('abort', give);
    const { signal, alive, end } = patience(stop);
    const start = got.length;
    let response: Response | undefined;
    try {
      const headers = start > 0 && tag ? { Range: `bytes=${start}-`, 'If-Range': tag } : undefined;
      response = await fetch(url, { signal, headers, cache });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status !== 206) got.length = 0;
      else if (!response.headers.get('Content-Range')?.startsWith(`bytes ${start}-`)) { // or another site hides it
        tag = undefined;
        throw new Error('the server sent another part than was asked for');
      }
      const coded = response.headers.has('Content-Encoding'); // lengths and ranges are of compressed bytes
      tag = coded ? undefined : response.headers.get('ETag')?.match(/^"[^"]*"$/)?.[0];
      const known = await size();
      const total = known ?? (coded ? 0 : got.length + Number(response.headers.get('Content-Length')));
      await receive(response, alive, got, { total: () => total, most: () => known ?? most, progress });
      return got.bytes();
    } catch (e) {
      if (isOutOfMemory(e)) {
        throw new Failure('out-of-memory',
          `no memory for ${url} after ${got.length} bytes: ${messageOf(e)}; close other pages, or use a smaller model`);
      }
      if (got.length > 0 && got.length === await size()) return got.bytes(); // the connection broke after the last byte
      if (tag && got.length > start + PROGRESS) tries = 0;
      const status = response && !response.ok ? response.status : 0;
      if (status === 416) tag = undefined; // the file has become shorter
      // Another try would be no use.
      const refused = response ? status > 0 && status < 500 && status !== 416 : start === 0;
      if (refused || given?.aborted || tries === limit) {
        const why = messageOf(signal.reason ?? e);
        throw new Failure(code,
          `${url}: ${why} after ${got.length} bytes; check the address and the connection, then try again`);
      }
      if (!tag) got.length = 0;
    } finally {
      end();
      given?.removeEventListener('abort', give);
    }
    await new Promise((resolve) => { setTimeout(resolve, PAUSE * Math.max(tries, 1)); });
  }
}

/** Bytes that come piece by piece. */
export class Gathered {
  /** How many there are; it may be set back to drop the last of them. */
  length = 0;
  #buffer = new Uint8Array(0);

  /** Takes the next piece, of total bytes in all if that is known. */
  take(piece: Uint8Array, total: number) {
    const length = this.length + piece.length;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(total, 2 * this.#buffer.length, length));
      grown.set(this.#buffer.subarray(0, this.length));
      this.#buffer = grown;
    }
    this.#buffer.set(piece, this.length);
    this.length = length;
  }

  /** All of them, at the beginning of a buffer of their own size. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.length);
  }
}

interface Reading {
  /** The number of bytes in all; 0 as long as that is unknown. */
  total?: () => number;
  /** After how many bytes it stops, with a few more than that. */
  most: () => number;
  progress?: (loaded: number, total: number) => void;
}

/** Reads a response into got, which has what came before it. Calls alive for each piece. */
export async function receive(
  response: Response, alive: () => void, got: Gathered, { total = () => 0, most, progress = () => {} }: Reading,
) {
  progress(got.length, total());
  if (!response.body) return;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    got.take(value, total());
    progress(got.length, Math.max(got.length, total()));
    if (got.length > most()) return void reader.cancel();
  }
}
