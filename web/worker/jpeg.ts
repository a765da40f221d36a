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
  const components = Array.from({ length: s[5] }, (_, i) => ({ id: s[6 + 3 * i], h: s[7 + 3 * i] >> 4, v: s[7 + 3 * i] & 15 }));
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

// Counts through a scan; false if its data end early or make no sense.
function readScan(
  b: Uint8Array, at: number, s: Uint8Array, frame: Frame, tables: (Table | undefined)[], interval: number,
): boolean {
  const parts = Array.from({ length: s[0] }, (_, i) => ({
    component: frame.components.find(({ id }) => id === s[1 + 2 * i]),
    dc: tables[s[2 + 2 * i] >> 4],
    ac: tables[16 + (s[2 + 2 * i] & 15)],
  }));
  const [first, last, approximation] = s.subarray(1 + 2 * s[0]);
  const isFirst = approximation >> 4 === 0; // not a refinement
  const low = approximation & 15;

  let [buffer, bits, spare, run] = [0, 0, 0, 0]; // spare: bits after the end
  const fill = () => {
    for (; bits <= 24; bits += 8) {
      const byte = b[at];
      if (at >= b.length || (byte === 0xff && b[at + 1] !== 0)) {
        buffer <<= 8;
        spare += 8;
      } else {
        buffer = (buffer << 8) | byte;
        at += byte === 0xff ? 2 : 1;
      }
    }
  };
  const take = (count: number) => {
    if (bits < count) fill();
    bits -= count;
    return (buffer >>> bits) & ((1 << count) - 1);
  };
  const code = (table: Table) => {
    if (bits < 16) fill();
    const found = table[(buffer >>> (bits - 16)) & 0xffff];
    if (!found) spare = Infinity;
    bits -= found >> 8;
    return found & 255;
  };

  const block = ({ component, dc, ac }: typeof parts[number], place: number): void => {
    let k = first;
    if (k === 0) {
      if (!isFirst) take(1);
      else if (dc) take(code(dc));
      else spare = Infinity;
      k = 1;
    }
    if (last === 0) return;
    if (!ac || !component) {
      spare = Infinity;
      return;
    }
    const { known } = component;
    // Goes over zeros, and reads a bit of refinement for each coefficient that is none.
    const pass = (zeros: number) => {
      for (; k <= last; k++) {
        if (known?.[place * 64 + k]) take(1);
        else if (--zeros < 0) break;
      }
    };
    if (run === 0) {
      while (k <= last && spare <= bits) {
        const value = code(ac);
        const [zeros, size] = [value >> 4, value & 15];
        if (!size && zeros < 15) { // the end of this block, and of as many after it
          run = (1 << zeros) + (zeros && take(zeros));
          break;
        }
        if (isFirst) {
          k += zeros;
          take(size);
        } else {
          if (size) take(1);
          pass(zeros);
        }
        if (size && known && k <= last) known[place * 64 + k] = 1;
        k++;
      }
    }
    if (run > 0) {
      if (!isFirst) pass(64);
      run--;
    }
  };

  for (const { component } of parts) {
    if (!component) return false;
    if (frame.isProgressive && first > 0) {
      component.known ??= new Uint8Array(component.stride * component.v * frame.down * 64);
    }
    component.lack.fill(low, first, last + 1);
  }
  const single = parts.length === 1 ? parts[0].component : undefined;
  const across = single ? single.width : frame.across;
  const count = across * (single ? single.height : frame.down);
  for (let mcu = 0; mcu < count; mcu++) {
    if (interval && mcu && mcu % interval === 0) {
      const marker = nextRestart(b, at);
      if (marker < 0) return false;
      at = marker;
      [buffer, bits, spare, run] = [0, 0, 0, 0];
    }
    const [x, y] = [mcu % across, Math.floor(mcu / across)];
    for (const part of parts) {
      const { component } = part;
      if (!component) return false;
      if (single) block(part, y * component.stride + x);
      else for (let i = component.h * component.v; i > 0; i--) block(part, 0); // places matter in scans of one alone
      if (spare > bits) return false;
    }
  }
  return true;
}

// The place after a restart marker that follows at, perhaps after fill bytes; -1 if there is none.
function nextRestart(b: Uint8Array, at: number) {
  while (b[at] === 0xff && b[at + 1] === 0xff) at++;
  return b[at] === 0xff && isRestart(b[at + 1]) ? at + 2 : -1;
}
