// Finds out from the file itself whether a picture was cut short. Some browsers show what is left of such a file,
// others refuse it even if nothing but its end marker is missing. Here one rule holds in all of them: a file that lacks
// no more than its end marker is read, as if it had it, and one that lacks more is refused.

import { Failure } from '../lib/failure.ts';
import { isOutOfMemory } from '../lib/thrown.ts';
import { HEAD, is, read } from './imagesize.ts';
import { EOI, isJpegComplete, jpegEnd } from './jpeg.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** A file that lacks something: its first at bytes are good, and those of add would make it whole; null if none can. */
interface Cut {
  kind: string;
  at: number;
  add: readonly number[] | null;
}

/**
 * Gives the file, or, if it lacks its end marker, a copy with one. head has its first HEAD bytes. What the file's own
 * structure does not tell is left to the browser's decoder.
 *
 * Throws a Failure for a file that lacks more.
 */
export async function complete(file: Blob, head: Bytes): Promise<Blob> {
  const cut = await findCut(file, head);
  if (!cut) return file;
  if (!cut.add) {
    throw new Failure('image-decode', `the ${cut.kind} file of ${file.size} bytes is cut short, `
      + 'and part of the picture is missing; copy or download it again');
  }
  return new Blob([file.slice(0, cut.at), new Uint8Array(cut.add)], { type: file.type });
}

// Nearly all files are whole, and their last bytes or their size say so. Others are looked at from the beginning.
async function findCut(file: Blob, head: Bytes): Promise<Cut | null> {
  const isAll = file.size <= HEAD;
  const all = async () => (isAll ? head : new Uint8Array(await read(file, 0, file.size)));
  const endsWith = async (end: readonly number[]) => {
    const from = Math.max(file.size - end.length, 0);
    const tail = isAll ? head.subarray(from) : new Uint8Array(await read(file, from, file.size));
    return end.every((byte, i) => tail[i] === byte);
  };
  try {
    if (head[0] === 0xff && head[1] === 0xd8) return await endsWith(END) ? null : jpeg(await all());
    if (is(head, 1, 'PNG')) return await endsWith(IEND) ? null : await png(await all());
    if (is(head, 0, 'GIF8')) {
      const found = gif(head, isAll);
      return found === undefined && !await endsWith([0, 0x3b]) ? gif(await all(), true) ?? null : found ?? null;
    }
    if (is(head, 0, 'BM')) return await bmp(file.size, head, all);
    if (is(head, 0, 'RIFF') && is(head, 8, 'WEBP')) return await webp(file.size, head, all);
  } catch (e) {
    if (!(e instanceof RangeError) || isOutOfMemory(e)) throw e; // else a header ends early, which the decoder tells
  }
  return null;
}

const END = [0xff, EOI];

function jpeg(bytes: Bytes): Cut | null {
  const end = jpegEnd(bytes);
  if (end.isMarked) return null;
  return { kind: 'JPEG', at: end.at, add: isJpegComplete(bytes.subarray(0, end.at)) ? END : null };
}

const IEND = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];

async function png(bytes: Bytes): Promise<Cut | null> {
  const v = new DataView(bytes.buffer);
  const pieces: Bytes[] = [];
  let at = 8;
  for (let next; at + 12 <= bytes.length; at = next) {
    next = at + 12 + v.getUint32(at);
    if (next > bytes.length) break;
    if (is(bytes, at + 4, 'IEND')) return null;
    if (is(bytes, at + 4, 'IDAT')) pieces.push(bytes.subarray(at + 8, next - 4));
  }
  return { kind: 'PNG', at, add: await inflates(pieces, pngSize(v)) ? IEND : null };
}

// Adam7 (PNG specification, 8.2): where each pass begins, and its steps.
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

// How many bytes the rows of a PNG have, each with its filter.
function pngSize(v: DataView) {
  const [width, height] = [v.getUint32(16), v.getUint32(20)];
  const bits = v.getUint8(24) * ([1, 0, 3, 1, 2, 0, 4][v.getUint8(25)] ?? 0);
  return (v.getUint8(28) ? PASSES : [[0, 0, 1, 1]]).reduce((sum, [x, y, stepX, stepY]) => {
    const [w, h] = [Math.ceil((width - x) / stepX), Math.ceil((height - y) / stepY)];
    return w > 0 && h > 0 ? sum + h * (1 + Math.ceil((w * bits) / 8)) : sum;
  }, 0);
}

/** Whether a zlib stream comes to its end, with so many bytes; no more are looked at. */
async function inflates(pieces: Bytes[], size: number) {
  if (!globalThis.DecompressionStream) return false;
  const reader = new Blob(pieces).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  try {
    for (let got = 0; got <= size;) {
      const { done, value } = await reader.read();
      if (done) return got === size;
      got += value.length;
    }
    return true;
  } catch {
    return false; // it ends early, or is damaged
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Looks at the first image alone, as it is the one that is classified. isAll tells whether these are all bytes of the
// file: if not, and they end within the image, it returns undefined.
function gif(bytes: Bytes, isAll: boolean): Cut | null | undefined {
  const cut = (add: Cut['add']) => (isAll ? { kind: 'GIF', at: bytes.length, add } : undefined);
  const table = (flags: number) => (flags & 0x80 ? 6 << (flags & 7) : 0);
  // The end of blocks that begin at at, each after its length; the last has none.
  const skip = (at: number) => {
    while (at < bytes.length && bytes[at] > 0) at += 1 + bytes[at];
    return at + 1;
  };
  let at = 13 + table(bytes[10]);
  while (bytes[at] === 0x21) at = skip(at + 2);
  if (at + 11 > bytes.length) return cut(null);
  if (bytes[at] !== 0x2c) return null; // nothing that a GIF may have here
  const data = at + 10 + table(bytes[at + 9]);
  const end = skip(data + 1);
  if (end <= bytes.length) return null;
  if (end > bytes.length + 1) return cut(null);
  if (!isAll) return undefined;
  const [width, height] = [bytes[at + 5] | (bytes[at + 6] << 8), bytes[at + 7] | (bytes[at + 8] << 8)];
  return cut(countPixels(bytes, data) >= width * height ? [0, 0x3b] : null);
}

// How many pixels GIF's LZW codes from at on have.
function countPixels(bytes: Bytes, at: number) {
  const clear = 1 << bytes[at++];
  const lengths = new Uint32Array(4096); // of what each code stands for
  let [count, size, next, last, bits, buffer] = [0, 0, 0, 0, 0, 0];
  const reset = () => [size, next, last] = [Math.log2(clear) + 1, clear + 2, 0];
  reset();
  while (at < bytes.length) {
    for (const end = at + 1 + bytes[at++]; at < end;) {
      buffer |= bytes[at++] << bits;
      for (bits += 8; bits >= size;) {
        const code = buffer & ((1 << size) - 1);
        buffer >>>= size;
        bits -= size;
        if (code === clear) {
          reset();
          continue;
        }
        const length = code < clear ? 1 : code < next ? lengths[code] : last && code === next ? last + 1 : 0;
        if (!length) return count; // the end, or damaged
        count += length;
        if (last && next < 4096) {
          lengths[next++] = last + 1;
          if (next === 1 << size && size < 12) size++;
        }
        last = length;
      }
    }
  }
  return count;
}

async function bmp(size: number, head: Bytes, all: () => Promise<Bytes>): Promise<Cut | null> {
  const v = new DataView(head.buffer);
  const at = v.getUint32(10, true);
  const isOld = v.getUint32(14, true) === 12;
  const width = isOld ? v.getUint16(18, true) : v.getInt32(18, true);
  const height = isOld ? v.getUint16(20, true) : Math.abs(v.getInt32(22, true));
  const bits = v.getUint16(isOld ? 24 : 28, true);
  const compression = isOld ? 0 : v.getUint32(30, true);
  const cut = { kind: 'BMP', at: size, add: null };
  if (compression === 1 || compression === 2) return isRunsComplete(await all(), at, bits, height) ? null : cut;
  if (compression !== 0 && compression !== 3 && compression !== 6) return null;
  // The last row may lack what fills it up to four bytes.
  const row = Math.ceil((width * bits) / 8);
  const missing = at + ((row + 3) & ~3) * height - size;
  if (missing <= 0) return null;
  return missing <= (-row & 3) ? { ...cut, add: Array<number>(missing).fill(0) } : cut;
}

// Whether the run lengths of a BMP come to their end, or to that of the last row.
function isRunsComplete(bytes: Bytes, at: number, bits: number, height: number) {
  for (let y = 0; y < height;) {
    if (at + 2 > bytes.length) return false;
    const [count, what] = [bytes[at], bytes[at + 1]];
    at += 2;
    if (count > 0) continue;
    if (what === 0) y++;
    else if (what === 1) return true;
    else if (what === 2) {
      y += bytes[at + 1];
      at += 2;
    } else at += ((bits === 4 ? (what + 1) >> 1 : what) + 1) & ~1;
  }
  return at <= bytes.length;
}

// The last chunk of a WebP may lack the byte that makes its length even.
async function webp(size: number, head: Bytes, all: () => Promise<Bytes>): Promise<Cut | null> {
  const missing = 8 + new DataView(head.buffer).getUint32(4, true) - size;
  if (missing <= 0) return null;
  const cut = { kind: 'WebP', at: size, add: null };
  if (missing > 1) return cut;
  const v = new DataView((await all()).buffer);
  let at = 12;
  while (at + 8 < size) at += 8 + v.getUint32(at + 4, true);
  return at === size && size % 2 === 1 ? { ...cut, add: [0] } : cut;
}
