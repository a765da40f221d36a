// A ZIP file of pictures in folders (APPNOTE.TXT, version 6.3.10). Nothing is compressed, as pictures are already, and no
// picture is held in memory: the file is a Blob of small headers and references to the visitor's own files.

import { each, fileOf, Skipped } from './export.ts';
import type { ExportOptions } from './export.ts';
import { fileName, folderName, Names } from './names.ts';
import type { Sorted } from './sorted.ts';

const AT_ONCE = 16; // files that are open

/** The pictures in a folder for each label. Each is read once, for its checksum, and once more by whoever reads the Blob. */
export async function zip(rows: Iterable<Sorted>, options: ExportOptions): Promise<Blob> {
  const read: { sorted: Sorted; file: File; crc: number }[] = [];
  await each(rows, options, async (sorted) => {
    const file = await fileOf(sorted);
    read.push({ sorted, file, crc: await crcOf(file, options.signal) });
  });
  // That has taken a while. A file that has changed since would spoil the whole ZIP file.
  const isThere: boolean[] = [];
  while (isThere.length < read.length) {
    options.signal?.throwIfAborted();
    const some = read.slice(isThere.length, isThere.length + AT_ONCE);
    isThere.push(...await Promise.all(some.map(({ file }) => file.slice(0, 1).arrayBuffer().then(() => true, () => false))));
  }
  const folders = new Names();
  const known = new Map<string, { folder: string; names: Names }>();
  const files: Packed[] = [];
  for (const [i, { sorted, file, crc }] of read.entries()) {
    if (!isThere[i]) {
      options.onSkipped?.(sorted, 'image-changed');
      continue;
    }
    const label = sorted.label || options.unnamed;
    const place = known.get(label) ?? { folder: folders.take(folderName(label)), names: new Names() };
    known.set(label, place);
    const name = `${place.folder}/${place.names.take(fileName(sorted.entry.path))}`;
    files.push({ name, file, crc, modified: new Date(file.lastModified) });
  }
  return pack(files);
}

/** A file as it goes into a ZIP file. */
export interface Packed {
  name: string; // with the folder, and '/' between
  file: Blob;
  crc: number; // CRC-32 of its bytes, unsigned
  modified: Date;
}

const MOST = 0xFFFFFFFF; // what does not fit 32 bits has this there, and its value where ZIP64 has it; so does this itself
const MOST_FILES = 0xFFFF;

/** A ZIP file of files, of ZIP64 where it takes that. */
export function pack(files: Iterable<Packed>): Blob {
  const parts: BlobPart[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  let bytes = 0; // of the directory
  for (const { name, file, crc, modified } of files) {
    const encoded = new TextEncoder().encode(name);
    const { size } = file;
    const sizes = size < MOST ? [] : [u64(size), u64(size)];
    const offset = at < MOST ? [] : [u64(at)];
    const common = (...wide: Field[]) => [
      u16(wide.length > 0 ? 45 : 20), // the version that is needed to read it
      u16(0x0800), // the name is UTF-8
      u16(0), // stored
      ...timeOf(modified), u32(crc), u32(Math.min(size, MOST)), u32(Math.min(size, MOST)),
      u16(encoded.length), u16(wide.length > 0 ? 4 + 8 * wide.length : 0),
    ];
    const extra = (...wide: Field[]) => (wide.length > 0 ? [u16(1), u16(8 * wide.length), ...wide] : []);
    const header = record(encoded, [u32(0x04034B50), ...common(...sizes)], extra(...sizes));
    parts.push(header);
    if (size > 0) parts.push(file);
    const entry = record(encoded, [
      u32(0x02014B50), u16(UNIX | 45), ...common(...sizes, ...offset), u16(0), u16(0), u16(0),
      u32(0o100644 * 0x10000), // an ordinary file that all may read
      u32(Math.min(at, MOST)),
    ], extra(...sizes, ...offset));
    directory.push(entry);
    at += header.length + size;
    bytes += entry.length;
  }
  const count = directory.length;
  const none = new Uint8Array();
  const wide = count < MOST_FILES && at < MOST && bytes < MOST ? [] : [record(none, [
    u32(0x06064B50), u64(44), u16(UNIX | 45), u16(45), u32(0), u32(0), u64(count), u64(count), u64(bytes), u64(at),
    u32(0x07064B50), u32(0), u64(at + bytes), u32(1),
  ])];
  const end = record(none, [
    u32(0x06054B50), u16(0), u16(0), u16(Math.min(count, MOST_FILES)), u16(Math.min(count, MOST_FILES)),
    u32(Math.min(bytes, MOST)), u32(Math.min(at, MOST)), u16(0),
  ]);
  return new Blob([...parts, ...directory, ...wide, end], { type: 'application/zip' });
}

const UNIX = 3 << 8; // where the attributes of files are from

type Field = readonly [bytes: 2 | 4 | 8, value: number];
const u16 = (value: number): Field => [2, value];
const u32 = (value: number): Field => [4, value];
const u64 = (value: number): Field => [8, value];

/** Numbers, least byte first, with a name after them, and more numbers after that. */
function record(name: Uint8Array, before: readonly Field[], after: readonly Field[] = []): Uint8Array<ArrayBuffer> {
  const length = (fields: readonly Field[]) => fields.reduce((sum, [n]) => sum + n, 0);
  const made = new Uint8Array(length(before) + name.length + length(after));
  const view = new DataView(made.buffer);
  let at = 0;
  const write = (fields: readonly Field[]) => {
    for (const [n, value] of fields) {
      if (n === 2) view.setUint16(at, value, true);
      else if (n === 4) view.setUint32(at, value, true);
      else view.setBigUint64(at, BigInt(value), true);
      at += n;
    }
  };
  write(before);
  made.set(name, at);
  at += name.length;
  write(after);
  return made;
}

// MS-DOS: local time, in steps of two seconds, from 1980 to 2107.
function timeOf(date: Date): [time: Field, date: Field] {
  const year = date.getFullYear();
  if (!(year >= 1980)) return [u16(0), u16(1 << 5 | 1)];
  if (year > 2107) return [u16(23 << 11 | 59 << 5 | 29), u16(127 << 9 | 12 << 5 | 31)];
  return [
    u16(date.getHours() << 11 | date.getMinutes() << 5 | date.getSeconds() >> 1),
    u16(year - 1980 << 9 | date.getMonth() + 1 << 5 | date.getDate()),
  ];
}

const PIECE = 1 << 20; // bytes that are in memory at a time

async function crcOf(file: File, signal?: AbortSignal | null): Promise<number> {
  let crc = 0;
  for (let at = 0; at < file.size; at += PIECE) {
    signal?.throwIfAborted();
    const piece = await file.slice(at, at + PIECE).arrayBuffer()
      .catch((cause) => { throw new Skipped('image-changed', cause); });
    crc = crc32(new Uint8Array(piece), crc);
  }
  return crc;
}

let tables: Int32Array[] | null = null;

/** The CRC-32 of bytes after those with the given one, unsigned. */
export function crc32(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3] = tables ??= tablesOf(0xEDB88320);
  let c = ~crc;
  let i = 0;
  for (const end = bytes.length - 3; i < end; i += 4) { // four bytes a step, each with the table for its place
    c ^= bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
    c = t3[c & 255] ^ t2[c >>> 8 & 255] ^ t1[c >>> 16 & 255] ^ t0[c >>> 24];
  }
  for (; i < bytes.length; i++) c = t0[(c ^ bytes[i]) & 255] ^ c >>> 8;
  return ~c >>> 0;
}

function tablesOf(polynomial: number): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, i) => {
    for (let bit = 0; bit < 8; bit++) i = i & 1 ? i >>> 1 ^ polynomial : i >>> 1;
    return i;
  });
  const all = [first];
  while (all.length < 4) all.push(all[all.length - 1].map((c) => first[c & 255] ^ c >>> 8));
  return all;
}
