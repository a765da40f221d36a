// What the answers of a running video come to, so that a person can read them.
//
// Probabilities are averaged over time, the newer the heavier: after 250 ms a frame counts a third of what it did,
// whatever the number of frames a second. That alone would let the former answer linger where the scene changes at
// once, so the average begins anew there: when two frames in a row are far from the average and near each other (one
// alone may be blurred), or one, where frames are slow. The headline stays with its class until another is clearly
// ahead, or ahead for a while; and the bars keep their places as long as the headline stays.

/** Probabilities by the index of their class. */
type Probabilities = Float32Array;

const MEMORY = 250; // ms after which a frame counts 1/e
const PAUSE = 1500; // ms without a frame, after which nothing is left of what was before
const FAR = 0.5; // distance of a frame from the average that a change of scene has at least
const NEAR = 0.35; // and of two frames of one scene at most
const SLOW = 120; // ms between two frames, from which the second is not waited for
const LEAD = 0.08; // probability by which another class takes the headline at once,
const SHARE = 0.65; // or if the headline has less than this of it
const WAIT = 1000; // ms for which it is ahead by less than that
const RISE = 0.7; // of the time that frames are sure, from which the answer is
const FALL = 0.3; // and down to which it stays so

export interface Smoothed {
  readonly time: number; // of the latest frame, in ms
  readonly mean: Probabilities;
  readonly latest: Probabilities;
  readonly isFar: boolean; // whether the latest frame is far from the average
  readonly sureness: number; // averaged, 0 to 1
  readonly isSure: boolean;
  readonly head: number; // class of the headline
  readonly rival: number; // class that is ahead of it, but not clearly; or the head itself
  readonly since: number; // when the rival came ahead
}

/** How much a frame counts that comes so many ms after the one before. */
export const weight = (ms: number) => 1 - Math.exp(-ms / MEMORY);

/** Takes in a frame's answer; before is what came of the frames so far. */
export function follow(before: Smoothed | null, latest: Probabilities, sure: boolean, time: number): Smoothed {
  const passed = before ? time - before.time : Infinity;
  if (!before || passed > PAUSE || before.mean.length !== latest.length) return begin(latest, latest, sure, time);
  const isFar = distance(latest, before.mean) > FAR;
  if (isFar && passed >= SLOW) return begin(latest, latest, sure, time);
  if (isFar && before.isFar && distance(latest, before.latest) < NEAR) {
    return begin(mixed(before.latest, latest, 0.5), latest, sure, time);
  }
  const w = weight(passed);
  const mean = mixed(before.mean, latest, w);
  const sureness = before.sureness + weight(passed / 2) * (Number(sure) - before.sureness);
  const isSure = before.isSure ? sureness > FALL : sureness >= RISE;
  const best = bestOf(mean);
  const isAhead = mean[best] > mean[before.head];
  const rival = isAhead ? best : before.head;
  const since = rival === before.rival ? before.since : time;
  const isClear = mean[best] >= mean[before.head] + LEAD || mean[before.head] < SHARE * mean[best];
  const isNew = isAhead && (isClear || time - since >= WAIT);
  return { time, mean, latest, isFar, sureness, isSure, head: isNew ? best : before.head, rival, since };
}

function begin(mean: Probabilities, latest: Probabilities, sure: boolean, time: number): Smoothed {
  const head = bestOf(mean);
  return { time, mean, latest, isFar: false, sureness: Number(sure), isSure: sure, head, rival: head, since: time };
}

/** a, and w of what b differs from it. */
export const mixed = (a: Float32Array, b: Float32Array, w: number) => a.map((x, i) => x + w * (b[i] - x));

const bestOf = (p: Probabilities) => p.reduce((best, x, i) => (x > p[best] ? i : best), 0);

// From 0 to 1: half the sum of differences, for probabilities that sum to 1.
function distance(a: Probabilities, b: Probabilities) {
  let apart = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    apart += Math.abs(a[i] - b[i]);
    sum += a[i] + b[i];
  }
  return apart / (sum || 1);
}

/**
 * The classes whose bars are shown, the headline's first. As long as that stays, each keeps its place, until two too
 * many have passed it.
 */
export function places(before: readonly number[], { mean, head }: Smoothed, count: number): number[] {
  const ranked = Array.from(mean.keys()).sort((a, b) => mean[b] - mean[a] || a - b);
  const others = ranked.filter((i) => i !== head);
  if (before[0] !== head) return [head, ...others].slice(0, count);
  const within = new Set(ranked.slice(0, count + 2));
  const isKept = (i: number) => i === head || within.has(i);
  const newcomers = others.filter((i) => !before.includes(i));
  return before.map((i) => (isKept(i) ? i : newcomers.shift() ?? i));
}
