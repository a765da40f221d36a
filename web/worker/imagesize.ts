// Reads sizes from the headers of image files, before anything is decoded.

import { Failure } from '../lib/failure.ts';
import { messageOf } from '../lib/thrown.ts';
import { EOI, SOS, isAlone, isFrame } from './jpeg.ts';

export interface ImageSize {
  width: number;
  height: number;
  /** A JPEG with no colour profile and no fourth channel: it looks the same under any options of the decoder. */
  plain?: boolean;
  /** Whether pixels are stored as they are to be seen, where that is known. */
  upright?: boolean;
  /** Nothing in it is transparent. */
  opaque?: boolean;
}

/** How many bytes of a file imageSize wants to see first: more than a segment of a JPEG. */
export const HEAD = 1 << 17;

export async function read(blob: Blob, from: number, to: number) {
  try {
    return await blob.slice(from, to).arrayBuffer();
  } catch (e) {
    throw new Failure('image-decode',
      `the file cannot be read: ${messageOf(e)}; it may be a folder, or has moved or changed since it was chosen`);
  }
}

/** Whether bytes have this text at a place. */
export const is = (bytes: Uint8Array, at: number, text: string) => (
  [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0))
);

/**
 * Reads width and height from the header of a PNG, JPEG, GIF, WebP, BMP, AVIF or HEIC file, whose first HEAD bytes are
 * head; null for other kinds and for headers that make no sense, which are left to the decoder.
 */
export async function imageSize(blob: Blob, head: Uint8Array<ArrayBuffer>): Promise<ImageSize | null> {
  const v = new DataView(head.buffer);
  const u24 = (at: number) => v.getUint16(at, true) | (head[at + 2] << 16);
  try {
    if (is(head, 1, 'PNG')) return { width: v.getUint32(16), height: v.getUint32(20), opaque: isOpaquePng(v) };
    if (is(head, 0, 'GIF8')) return { width: v.getUint16(6, true), height: v.getUint16(8, true) };
    if (is(head, 0, 'BM')) {
      return v.getUint32(14, true) === 12
        ? { width: v.getUint16(18, true), height: v.getUint16(20, true) }
        : { width: v.getInt32(18, true), height: Math.abs(v.getInt32(22, true)) };
    }
    if (is(head, 0, 'RIFF') && is(head, 8, 'WEBP')) {
      if (is(head, 12, 'VP8 ')) {
        return { width: v.getUint16(26, true) & 0x3fff, height: v.getUint16(28, true) & 0x3fff, opaque: true };
      }
      if (is(head, 12, 'VP8L')) {
        const bits = v.getUint32(21, true);
        return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff) };
      }
      if (is(head, 12, 'VP8X')) return { width: 1 + u24(24), height: 1 + u24(27) };
    }
    if (head[0] === 0xff && head[1] === 0xd8) return await jpegSize(blob, v);
    if (is(head, 4, 'ftyp')) return await heifSize(blob, head);
  } catch (e) {
    if (!(e instanceof RangeError)) throw e; // the header ends early
  }
  return null;
}

// A PNG of grey or colours without a palette (PNG specification, 11.2.2), in which no chunk before the pixels makes
// some of them transparent (tRNS), or the whole an animation, whose frames may be smaller (acTL).
function isOpaquePng(v: DataView) {
  if (v.getUint8(25) !== 0 && v.getUint8(25) !== 2) return false;
  for (let at = 33; at + 8 <= v.byteLength; at += 12 + v.getUint32(at)) {
    const type = v.getUint32(at + 4);
    if (type === TRNS || type === ACTL) return false;
    if (type === IDAT) return true;
  }
  return false;
}

const TRNS = 0x74524e53;
const ACTL = 0x6163544c;
const IDAT = 0x49444154;

// Signatures of what lies in a JPEG's application segments.
const APP1 = 0xe1;
const APP2 = 0xe2;
const EXIF = 0x45786966; // "Exif"
const ICC = 0x4943435f; // "ICC_PROFILE"

// Walks the segments of a JPEG to its frame header, which may follow megabytes of profiles and thumbnails.
async function jpegSize(blob: Blob, v: DataView): Promise<ImageSize | null> {
  let profile = false;
  let upright = true;
  let start = 0;
  for (let at = 2; at + 10 <= blob.size;) {
    const end = start + v.byteLength;
    if (at + 10 > end || (at + (1 << 16) > end && end < blob.size)) {
      start = at;
      v = new DataView(await read(blob, at, at + HEAD));
    }
    const i = at - start;
    const marker = v.getUint8(i + 1);
    if (v.getUint8(i) !== 0xff || marker === 0) { // junk, which decoders skip
      at++;
      continue;
    }
    if (isFrame(marker)) {
      const height = v.getUint16(i + 5); // 0: given after the scan, left to the decoder
      if (!height) return null;
      return { width: v.getUint16(i + 7), height, upright, opaque: true, plain: !profile && v.getUint8(i + 9) < 4 };
    }
    if (marker === APP1 && v.getUint32(i + 4) === EXIF) upright &&= isUpright(v, i + 10);
    if (marker === APP2 && v.getUint32(i + 4) === ICC) profile = true;
    if (marker === SOS || marker === EOI) return null;
    at += marker === 0xff ? 1 : isAlone(marker) ? 2 : 2 + v.getUint16(i + 2);
  }
  return null;
}

const ORIENTATION = 0x112; // a tag of TIFF

// Looks for an orientation other than 1 in the TIFF structure of an Exif segment.
function isUpright(v: DataView, at: number) {
  try {
    const little = v.getUint16(at) === 0x4949;
    const directory = at + v.getUint32(at + 4, little);
    for (let entry = directory + 2, n = v.getUint16(directory, little); n > 0; n--, entry += 12) {
      if (v.getUint16(entry, little) === ORIENTATION) return v.getUint16(entry + 8, little) === 1;
    }
    return true;
  } catch {
    return false; // it points out of the file
  }
}

// Walks the boxes of AVIF and HEIC (ISO/IEC 14496-12 and 23008-12) to ispe, in meta, iprp and ipco. There is one for
// each image, thumbnails and tiles among them: the largest is that of the picture.
async function heifSize(blob: Blob, head: Uint8Array<ArrayBuffer>): Promise<ImageSize | null> {
  for (let at = 0, boxes = 0; at + 16 <= blob.size && boxes < 100; boxes++) {
    const bytes = at + 16 <= head.length ? head.subarray(at) : new Uint8Array(await read(blob, at, at + HEAD));
    const v = new DataView(bytes.buffer, bytes.byteOffset);
    const size = v.getUint32(0) === 1 ? Number(v.getBigUint64(8)) : v.getUint32(0);
    if (is(bytes, 4, 'meta')) return largestImage(bytes, v, 12, Math.min(size || Infinity, bytes.length));
    if (size < 8) break;
    at += size;
  }
  return null;
}

function largestImage(bytes: Uint8Array, v: DataView, from: number, to: number): ImageSize | null {
  let largest: ImageSize | null = null;
  for (let at = from; at + 8 <= to; at += Math.max(v.getUint32(at), 8)) {
    let found: ImageSize | null = null;
    if (is(bytes, at + 4, 'iprp') || is(bytes, at + 4, 'ipco')) {
      found = largestImage(bytes, v, at + 8, Math.min(at + v.getUint32(at), to));
    } else if (is(bytes, at + 4, 'ispe')) found = { width: v.getUint32(at + 12), height: v.getUint32(at + 16) };
    if (found && (!largest || found.width * found.height > largest.width * largest.height)) largest = found;
  }
  return largest;
}
