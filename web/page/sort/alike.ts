// Which pictures look alike, by the features that the network has of them, kept small: a byte for each feature.

// The cosine from which two pictures count as nearly the same. Of 3.8 million pairs of different photographs (Tiny-ImageNet,
// 64 pixels wide, the built-in model) the highest is 0.87. Re-encoded, scaled and brightened ones, and those without 3 % at
// each edge, are above 0.92, all but one in a hundred.
const ALIKE = 0.92;

const WORDS = 4; // of 32 signs each, in a picture's sketch
const MOST = [24, 38]; // signs that may differ in the first half, and in all; of such copies about 12 and 24 do, at worst
const SLICE = 8; // ms of work at a time, so that the page can do something else in between

export class Alike {
  #length = 0; // features of a picture
  #packed = new Int8Array(); // of one after the other, each scaled by its greatest
  #norms = new Float32Array(); // the lengths of these as vectors
  #ids: number[] = []; // by place
  readonly #places = new Map<number, number>(); // by id

  /** Takes the features of a picture, as many as of those before; they are copied. */
  set(id: number, features: Float32Array) {
    if (this.#ids.length === 0 && features.length !== this.#length) {
      this.#length = features.length;
      this.#packed = new Int8Array();
      this.#norms = new Float32Array();
    }
    const n = this.#length;
    if (features.length !== n) throw new RangeError(`alike: want ${n} features, as before, got ${features.length}`);
    const place = this.#places.get(id) ?? this.#ids.length;
    this.#places.set(id, place);
    this.#ids[place] = id;
    this.#reserve(this.#ids.length);
    let most = 0;
    for (const f of features) most = Math.max(most, Math.abs(f));
    const scale = most > 0 ? 127 / most : 0;
    let sum = 0;
    for (let i = 0, at = place * n; i < n; i++, at++) {
      const q = Math.round(features[i] * scale);
      this.#packed[at] = q;
      sum += q * q;
    }
    this.#norms[place] = Math.sqrt(sum);
  }

  delete(id: number) {
    const place = this.#places.get(id);
    if (place === undefined) return;
    const n = this.#length;
    const from = this.#ids.length - 1; // the last takes the place
    const last = this.#ids[from];
    this.#packed.copyWithin(place * n, from * n, (from + 1) * n);
    this.#norms[place] = this.#norms[from];
    this.#ids[place] = last;
    this.#places.set(last, place);
    this.#ids.length = from;
    this.#places.delete(id);
  }

  /** The pictures most like one, the likest first, with the cosine of their features; none if it is not known. */
  similar(id: number, most: number): { id: number; similarity: number }[] {
    const place = this.#places.get(id);
    if (place === undefined) return [];
    const best: { id: number; similarity: number }[] = [];
    for (let other = 0; other < this.#ids.length; other++) {
      if (other === place) continue;
      const similarity = this.#cosine(place, other);
      if (best.length === most && !(similarity > best[most - 1]?.similarity)) continue;
      const at = best.findIndex((b) => b.similarity < similarity);
      best.splice(at < 0 ? best.length : at, 0, { id: this.#ids[other], similarity });
      best.length = Math.min(best.length, most);
    }
    return best;
  }

  /** Groups of pictures that are nearly the same, such as one in several sizes. What changes meanwhile may be missed. */
  async duplicates(signal?: AbortSignal | null): Promise<number[][]> {
    const pause = pauses(signal);
    const ids = [...this.#ids];
    const sketches = await this.#sketches(ids, pause);
    const groups = new Groups(ids.length);
    for (let i = 0; i < ids.length; i++) {
      await pause();
      for (const j of near(sketches, i)) {
        const [a, b] = [this.#places.get(ids[i]), this.#places.get(ids[j])];
        if (a !== undefined && b !== undefined && this.#cosine(a, b) >= ALIKE) groups.join(i, j);
      }
    }
    return groups.list().map((group) => group.map((i) => ids[i]));
  }

  #cosine(a: number, b: number): number {
    const norms = this.#norms[a] * this.#norms[b];
    return norms > 0 ? dot(this.#packed, a * this.#length, b * this.#length, this.#length) / norms : 0;
  }

  #reserve(count: number) {
    const room = this.#norms.length;
    if (count <= room) return;
    const more = Math.max(64, 2 * room);
    const packed = new Int8Array(more * this.#length);
    packed.set(this.#packed.subarray(0, room * this.#length));
    const norms = new Float32Array(more);
    norms.set(this.#norms);
    [this.#packed, this.#norms] = [packed, norms];
  }

  // All pairs of ten thousand pictures are too many to multiply. A sketch has the signs of sums of all features less
  // their mean, each added or subtracted at random: of two vectors with an angle a between them, a / π of the signs
  // differ, give or take (Charikar, "Similarity estimation techniques from rounding algorithms", 2002).
  async #sketches(ids: readonly number[], pause: () => Promise<void>): Promise<Int32Array> {
    const n = this.#length;
    const mean = new Float32Array(n);
    const row = new Float32Array(Math.max(32 * WORDS, 2 ** Math.ceil(Math.log2(n))));
    const flips = signs(n);
    const sketches = new Int32Array(ids.length * WORDS);
    for (const id of ids) {
      await pause();
      this.#load(id, row);
      for (let i = 0; i < n; i++) mean[i] += row[i] / ids.length;
    }
    for (const [i, id] of ids.entries()) {
      await pause();
      this.#load(id, row);
      sketch(row, mean, flips, sketches.subarray(i * WORDS, (i + 1) * WORDS));
    }
    return sketches;
  }

  /** Writes the features of a picture, as a vector of length 1, into the front of a row; zeros for one that is gone. */
  #load(id: number, row: Float32Array) {
    const n = this.#length;
    const place = this.#places.get(id);
    row.fill(0);
    if (place === undefined) return;
    const scale = 1 / (this.#norms[place] || 1);
    for (let i = 0, at = place * n; i < n; i++, at++) row[i] = this.#packed[at] * scale;
  }
}

/** The sum of products of n bytes from a on and from b on. */
function dot(x: Int8Array, a: number, b: number, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum = sum + Math.imul(x[a + i], x[b + i]) | 0;
  return sum;
}

/** The signs of sums of a row less the mean; the row is used up. */
function sketch(row: Float32Array, mean: Float32Array, flips: Float32Array, signs: Int32Array) {
  for (let i = 0; i < mean.length; i++) row[i] = flips[i] * (row[i] - mean[i]);
  transform(row);
  for (let i = 0; i < 32 * WORDS; i++) {
    if (row[i] > 0) signs[i >> 5] |= 1 << (i & 31);
  }
}

/** The places after i that have a sketch like that of i. */
function near(sketches: Int32Array, i: number): number[] {
  const found: number[] = [];
  const [a, b, c, d] = sketches.subarray(i * WORDS, (i + 1) * WORDS);
  for (let at = (i + 1) * WORDS; at < sketches.length; at += WORDS) {
    const half = ones(sketches[at] ^ a) + ones(sketches[at + 1] ^ b);
    if (half > MOST[0] || half + ones(sketches[at + 2] ^ c) + ones(sketches[at + 3] ^ d) > MOST[1]) continue;
    found.push(at / WORDS);
  }
  return found;
}

function ones(x: number): number {
  x -= x >>> 1 & 0x55555555;
  x = (x & 0x33333333) + (x >>> 2 & 0x33333333);
  return Math.imul(x + (x >>> 4) & 0x0F0F0F0F, 0x01010101) >>> 24;
}

/** The Walsh-Hadamard transform, in place: sums of all values, each added or subtracted. */
function transform(x: Float32Array) {
  for (let half = 1; half < x.length; half *= 2) {
    for (let from = 0; from < x.length; from += 2 * half) {
      for (let i = from; i < from + half; i++) {
        const [a, b] = [x[i], x[i + half]];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
}

/** n signs that look random and are always the same (xorshift32: Marsaglia, 2003). */
function signs(n: number): Float32Array {
  let x = 1;
  return Float32Array.from({ length: n }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x < 0 ? -1 : 1;
  });
}

/** Returns what to wait for between small pieces of work. It does nothing until SLICE ms of work are done. */
function pauses(signal?: AbortSignal | null): () => Promise<void> {
  let end = performance.now() + SLICE;
  return async () => {
    signal?.throwIfAborted();
    if (performance.now() < end) return;
    // A timer would be slowed down in a tab that is not on show.
    await new Promise<void>((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    });
    end = performance.now() + SLICE;
  };
}

/** Numbers below a count, in groups that can be joined. */
class Groups {
  readonly #up: Int32Array; // another of the same group, or itself

  constructor(count: number) {
    this.#up = Int32Array.from({ length: count }, (_, i) => i);
  }

  join(a: number, b: number) {
    const [x, y] = [this.#first(a), this.#first(b)];
    this.#up[Math.max(x, y)] = Math.min(x, y);
  }

  /** The groups of two or more. */
  list(): number[][] {
    const groups = new Map<number, number[]>();
    for (let i = 0; i < this.#up.length; i++) {
      const first = this.#first(i);
      const group = groups.get(first) ?? [];
      group.push(i);
      groups.set(first, group);
    }
    return [...groups.values()].filter(({ length }) => length > 1);
  }

  #first(i: number): number {
    while (this.#up[i] !== i) i = this.#up[i] = this.#up[this.#up[i]];
    return i;
  }
}
