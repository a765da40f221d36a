import type { ErrorCode } from '../types/resnet.d.ts';
import { Failure } from './failure.ts';
import { isOutOfMemory, messageOf } from './thrown.ts';
import { patience } from './patience.ts';

const TRIES = 4; // in a row that bring no bytes, before it gives up

/**
 * Fetches url whole. A connection that breaks or stalls is taken up where it ended if the server can do that, or else
 * from the beginning. size resolves with the number of bytes if that is known. With fresh, what the browser's HTTP
 * cache holds is replaced. Rejects with a Failure of the given code.
 */
export async function download(
  url: string,
  code: ErrorCode,
  size: () => Promise<number | undefined>,
  progress: (loaded: number, total: number) => void,
  fresh = false,
): Promise<Uint8Array<ArrayBuffer>> {
  const got = new Gathered();
  let tag: string | undefined; // the version that the bytes so far are from
  for (let tries = 1; ; tries++) {
    const { signal, alive, end } = patience();
    const start = got.length;
    let response: Response | undefined;
    try {
      const headers = start > 0 && tag ? { Range: `bytes=${start}-`, 'If-Range': tag } : undefined;
      response = await fetch(url, { signal, headers, cache: fresh ? 'reload' : 'default' });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status !== 206) got.length = 0;
      else if (!response.headers.get('Content-Range')?.startsWith(`bytes ${start}-`)) { // or another site hides it
        tag = undefined;
        throw new Error('the server sent another part than was asked for');
      }
      const coded = response.headers.has('Content-Encoding'); // lengths and ranges are of compressed bytes
      tag = coded ? undefined : response.headers.get('ETag')?.match(/^"[^"]*"$/)?.[0];
      const total = await size() ?? (coded ? 0 : got.length + Number(response.headers.get('Content-Length')));
      await receive(response, alive, got, () => total, progress);
      return got.bytes();
    } catch (e) {
      if (isOutOfMemory(e)) {
        throw new Failure('out-of-memory',
          `no memory for ${url} after ${got.length} bytes: ${messageOf(e)}; close other pages, or use a smaller model`);
      }
      if (tag && got.length > start) tries = 0;
      const refused = response ? !response.ok && response.status !== 416 : start === 0; // another try would be no use
      if (refused || tries === TRIES) {
        const why = messageOf(signal.reason ?? e);
        throw new Failure(code,
          `${url}: ${why} after ${got.length} bytes; check the address and the connection, then try again`);
      }
      if (!tag) got.length = 0;
    } finally {
      end();
    }
    await new Promise((resolve) => { setTimeout(resolve, 250 * tries); });
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

/**
 * Reads a response to its end into got, which has what came before it; total is the number of bytes in all, 0 as long as
 * that is unknown. Calls alive for each piece.
 */
export async function receive(
  response: Response, alive: () => void, got: Gathered, total = () => 0,
  progress: (loaded: number, total: number) => void = () => {},
) {
  progress(got.length, total());
  if (!response.body) return;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    got.take(value, total());
    progress(got.length, Math.max(got.length, total()));
  }
}
