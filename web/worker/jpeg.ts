// Reads JPEG files (ITU T.81) without decoding them, to find their end, or what they lack without one.

const SOI = 0xd8;
export const EOI = 0xd9;
export const SOS = 0xda;
const DHT = 0xc4;
const DRI = 0xdd;

/** Whether a marker is a frame header (table B.1). */
export const isFrame = (marker: number) => (
  marker >= 0xc0 && marker <= 0xcf && marker !== DHT && marker !== 0xc8 && marker !== 0xcc
);

const isRestart = (marker: number) => marker >= 0xd0 && marker <= 0xd7;

/** Whether a marker has no length after it. */
export const isAlone = (marker: number) => marker === 0x01 || isRestart(marker) || marker === SOI;

/** The place of the next marker's second byte, from at on; -1 if there is none. */
function nextMarker(b: Uint8Array, at: number) {
  while ((at = b.indexOf(0xff, at) + 1) > 0 && at < b.length) {
    if (b[at] !== 0 && b[at] !== 0xff && !isRestart(b[at])) return at;
  }
  return -1;
}

/** Where a JPEG ends, its end marker aside, and whether it has that. */
export function jpegEnd(b: Uint8Array) {
  for (let at = 2; (at = nextMarker(b, at)) > 0;) {
    if (b[at] === EOI) return { at: at - 1, isMarked: true };
    at += isAlone(b[at]) ? 1 : 1 + ((b[at + 1] << 8) | b[at + 2]);
  }
  return { at: b[b.length - 1] === 0xff ? b.length - 1 : b.length, isMarked: false };
}

/** A component of the picture, in blocks of 8×8. */
interface Component {
  id: number;
  h: number; // blocks of an MCU
  v: number;
  width: number; // in a scan of its own
  height: number;
  stride: number; // with the blocks that fill the last MCU
  /** Bits that each coefficient still lacks; more than 13 if it has not come at all. */
  lack: Uint8Array;
  /** For each coefficient of each block, whether it is other than 0: refinements depend on that. */
  known: Uint8Array | null;
}

interface Frame {
  isProgressive: boolean;
  across: number; // MCUs
  down: number;
  components: Component[];
}

/** For each 16 bits the length of the code that they begin with, times 256, plus its value; 0 if there is none. */
type Table = Uint16Array;

const MOST_PIXELS = 1 << 27; // beyond what is taken anyway

/**
 * Whether a JPEG without an end marker has all the data of its picture. It counts the Huffman codes of all scans, so
 * it is exact; nothing is decoded. False for a damaged file, and for arithmetic coding, which browsers do not read.
 */
export function isJpegComplete(b: Uint8Array): boolean {
  const tables: (Table | undefined)[] = []; // 0-3 for DC, 16-19 for AC
  let frame: Frame | null = null;
  let interval = 0;
  for (let at = 2; (at = nextMarker(b, at)) > 0;) {
    const marker = b[at];
    const start = at + 3;
    if (isAlone(marker)) {
      at++;
      continue;
    }
    at += 1 + ((b[at + 1] << 8) | b[at + 2]);
    if (at > b.length || at < start) break;
    const segment = b.subarray(start, at);
    if (isFrame(marker)) frame = readFrame(marker, segment);
    if (marker === DHT) readTables(segment, tables);
    if (marker === DRI) interval = (segment[0] << 8) | segment[1];
    if (marker === SOS && (!frame || !readScan(b, at, segment, frame, tables, interval))) return false;
  }
  return frame !== null && frame.components.every(({ lack }) => lack.every((bits) => bits === 0));
}

function readFrame(marker: number, s: Uint8Array): Frame | null {
  const [height, width] = [(s[1] << 8) | s[2], (s[3] << 8) | s[4]];
  if (marker > 0xc2 || !width || !height || width * height > MOST_PIXELS || s.length < 6 + 3 * s[5]) return null;
  const components = Array.from({ length: s[5] }, (_, i) => {
    const [id, factors] = s.subarray(6 + 3 * i);
    return { id, h: factors >> 4, v: factors & 15 };
  });
  const h = Math.max(...components.map((c) => c.h));
  const v = Math.max(...components.map((c) => c.v));
  if (!components.every((c) => c.h && c.v)) return null;
  const [across, down] = [Math.ceil(width / (8 * h)), Math.ceil(height / (8 * v))];
  return {
    isProgressive: marker === 0xc2,
    across,
    down,
    components: components.map((c) => ({
      ...c,
      width: Math.ceil(Math.ceil((width * c.h) / h) / 8),
      height: Math.ceil(Math.ceil((height * c.v) / v) / 8),
      stride: across * c.h,
      lack: new Uint8Array(64).fill(255),
      known: null,
    })),
  };
}

// Annex C: codes of one length follow each other, and each length begins where the one before ended.
function readTables(s: Uint8Array, tables: (Table | undefined)[]) {
  for (let at = 0; at + 17 <= s.length;) {
    const table = new Uint16Array(1 << 16);
    tables[s[at]] = table;
    let value = at + 17;
    for (let length = 1, code = 0; length <= 16; length++) {
      for (let n = s[at + length]; n > 0; n--) {
        const next = code + (1 << (16 - length));
        table.fill((length << 8) | s[value++], code, next);
        code = next;
      }
    }
    at = value;
  }
}

// Counts through a scan; false if its data end early or make no sense. Local variables keep it fast.
function readScan(
  b: Uint8Array, at: number, s: Uint8Array, frame: Frame, tables: (Table | undefined)[], interval: number,
): boolean {
  const parts: { component: Component; dc: Table; ac: Table }[] = [];
  for (let i = 1; i < 2 * s[0]; i += 2) {
    const component = frame.components.find(({ id }) => id === s[i]);
    if (!component) return false;
    parts.push({ component, dc: tables[s[i + 1] >> 4] ?? NO_CODES, ac: tables[16 + (s[i + 1] & 15)] ?? NO_CODES });
  }
  const first = s[1 + 2 * s[0]];
  const last = s[2 + 2 * s[0]];
  const isFirst = s[3 + 2 * s[0]] >> 4 === 0; // not a refinement
  for (const { component } of parts) {
    component.lack.fill(s[3 + 2 * s[0]] & 15, first, last + 1);
    if (frame.isProgressive && first > 0) {
      component.known ??= new Uint8Array(component.stride * component.v * frame.down * 64);
    }
  }
  const isSingle = parts.length === 1;
  const across = isSingle ? parts[0].component.width : frame.across;
  const count = across * (isSingle ? parts[0].component.height : frame.down);

  let data = new Uint8Array(0);
  let pos = 0; // in bits
  let run = 0; // blocks that are known to have no more coefficients, this one included
  for (let mcu = 0; mcu < count; mcu++) {
    if (mcu === 0 || (interval && mcu % interval === 0)) {
      if (mcu > 0 && (at = nextRestart(b, at)) < 0) return false;
      const end = dataEnd(b, at);
      data = unstuffed(b.subarray(at, end));
      at = end;
      pos = run = 0;
    }
    for (const { component, dc, ac } of parts) {
      const { known } = component;
      // Places matter in scans of one component alone.
      const place = isSingle ? 64 * (Math.floor(mcu / across) * component.stride + (mcu % across)) : 0;
      for (let blocks = isSingle ? 1 : component.h * component.v; blocks > 0; blocks--) {
        let k = first;
        if (k === 0) {
          const code = isFirst ? dc[peek(data, pos)] : 256;
          if (!code) return false;
          pos += (code >> 8) + (code & 15);
          k = 1;
        }
        if (isFirst && run === 0) {
          while (k <= last) {
            const code = ac[peek(data, pos)];
            if (!code) return false;
            const zeros = (code >> 4) & 15;
            const size = code & 15;
            pos += (code >> 8) + size;
            if (!size && zeros < 15) { // the end of this block, and of as many after it
              run = (1 << zeros) | (peek(data, pos) >>> (16 - zeros));
              pos += zeros;
              break;
            }
            k += zeros;
            if (size && known && k <= last) known[place + k] = 1;
            k++;
          }
        } else if (!isFirst && known) {
          for (; k <= last; k++) {
            let zeros = 64;
            let size = 0;
            if (run === 0) {
              const code = ac[peek(data, pos)];
              if (!code) return false;
              zeros = (code >> 4) & 15;
              size = code & 15;
              pos += (code >> 8) + (size && 1);
              if (!size && zeros < 15) {
                run = (1 << zeros) | (peek(data, pos) >>> (16 - zeros));
                pos += zeros;
                zeros = 64;
              }
            }
            // Over so many zeros, with a bit that refines each coefficient between them.
            for (; k <= last; k++) {
              if (known[place + k]) pos++;
              else if (--zeros < 0) break;
            }
            if (size && k <= last) known[place + k] = 1;
          }
        }
        if (run > 0) run--;
        if (pos > 8 * data.length) return false;
      }
    }
  }
  return true;
}

// 16 bits of data, from a place in bits on.
function peek(data: Uint8Array, at: number) {
  const i = at >>> 3;
  return (((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]) >>> (8 - (at & 7))) & 0xffff;
}

const NO_CODES: Table = new Uint16Array(1 << 16);

// Where the data that begin at at end: at a marker, or with the file.
function dataEnd(b: Uint8Array, at: number) {
  while ((at = b.indexOf(0xff, at)) >= 0 && b[at + 1] === 0) at += 2;
  return at < 0 ? b.length : at;
}

// Without the zeros that follow each 0xff.
function unstuffed(b: Uint8Array) {
  const out = new Uint8Array(b.length);
  let length = 0;
  for (let at = 0, next; at < b.length; at = next + 1) {
    next = b.indexOf(0xff, at) + 1 || b.length;
    out.set(b.subarray(at, next), length);
    length += next - at;
  }
  return out.subarray(0, length);
}

// The place after a restart marker that follows at, perhaps after fill bytes; -1 if there is none.
function nextRestart(b: Uint8Array, at: number) {
  while (b[at] === 0xff && b[at + 1] === 0xff) at++;
  return b[at] === 0xff && isRestart(b[at + 1]) ? at + 2 : -1;
}
