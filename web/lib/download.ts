import type { ErrorCode } from '../types/resnet.d.ts';
import { Failure } from './failure.ts';
import { isOutOfMemory, messageOf } from './thrown.ts';
import { patience } from './patience.ts';

const TRIES = 4; // in a row that bring no bytes, before it gives up

/**
 * Fetches url whole. A connection that breaks or stalls is taken up where it ended if the server can do that, or else
 * from the beginning. size resolves with the number of bytes if that is known. Rejects with a Failure of the given
 * code.
 */
export async function download(
  url: string,
  code: ErrorCode,
  size: () => Promise<number | undefined>,
  progress: (loaded: number, total: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  let buffer = new Uint8Array(0);
  let loaded = 0;
  let tag: string | undefined; // the version that the bytes so far are from
  for (let tries = 1; ; tries++) {
    const { signal, alive, end } = patience();
    const start = loaded;
    let response: Response | undefined;
    try {
      const headers = start > 0 && tag ? { Range: `bytes=${start}-`, 'If-Range': tag } : undefined;
      response = await fetch(url, { signal, headers });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      if (response.status !== 206) loaded = 0;
      else if (!response.headers.get('Content-Range')?.startsWith(`bytes ${start}-`)) { // or another site hides it
        tag = undefined;
        throw new Error('the server sent another part than was asked for');
      }
      const coded = response.headers.has('Content-Encoding'); // lengths and ranges are of compressed bytes
      tag = coded ? undefined : response.headers.get('ETag')?.match(/^"[^"]*"$/)?.[0];
      const total = await size() ?? (coded ? 0 : loaded + Number(response.headers.get('Content-Length')));
      await receive(response, (piece) => {
        alive();
        if (loaded + piece.length > buffer.length) {
          const grown = new Uint8Array(Math.max(total, 2 * buffer.length, loaded + piece.length));
          grown.set(buffer.subarray(0, loaded));
          buffer = grown;
        }
        buffer.set(piece, loaded);
        loaded += piece.length;
      }, loaded, total, progress);
      return loaded === buffer.length ? buffer : buffer.slice(0, loaded);
    } catch (e) {
      if (isOutOfMemory(e)) {
        throw new Failure('out-of-memory',
          `no memory for ${url} after ${loaded} bytes: ${messageOf(e)}; close other pages, or use a smaller model`);
      }
      if (tag && loaded > start) tries = 0;
      const refused = response ? !response.ok && response.status !== 416 : start === 0; // another try would be no use
      if (refused || tries === TRIES) {
        const why = messageOf(signal.reason ?? e);
        throw new Failure(code,
          `${url}: ${why} after ${loaded} bytes; check the address and the connection, then try again`);
      }
      if (!tag) loaded = 0;
    } finally {
      end();
    }
    await new Promise((resolve) => { setTimeout(resolve, 250 * tries); });
  }
}

/** Reads a response to its end, piece by piece; it begins at byte loaded of total, which is 0 if it is unknown. */
export async function receive(
  response: Response,
  take: (piece: Uint8Array) => void,
  loaded: number,
  total: number,
  progress: (loaded: number, total: number) => void,
) {
  progress(loaded, total);
  if (!response.body) return;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    take(value);
    loaded += value.length;
    progress(loaded, Math.max(loaded, total));
  }
}
