// How the answers of a running video are averaged (page/live/smooth.ts), over series of frames in time.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { transformWithOxc } from 'vite';

const source = path.join(import.meta.dirname, '../page/live/smooth.ts');
const { code } = await transformWithOxc(readFileSync(source, 'utf8'), source);
const { follow, places, weight } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

const CLASSES = 20;

/** Probabilities with these of some classes, and the rest spread over the others. */
function frame(some) {
  const known = Object.entries(some);
  const rest = 1 - known.reduce((sum, [, p]) => sum + p, 0);
  const p = new Float32Array(CLASSES).fill(rest / (CLASSES - known.length));
  for (const [i, x] of known) p[i] = x;
  return p;
}

/** What comes of frames: at(ms) gives one, or [one, whether it is sure], rate times a second, for so many ms. */
function series(at, { rate = 30, until = 2000, from = null, start = 0 } = {}) {
  const all = [];
  let s = from;
  for (let i = 1; i * 1000 / rate <= until; i++) {
    const time = start + i * 1000 / rate;
    const [p, sure] = [at(time)].flat();
    s = follow(s, p, sure ?? true, time);
    all.push(s);
  }
  return all;
}

const A = frame({ 1: 0.9 });
const B = frame({ 2: 0.9 });

// The same numbers on each run.
function random(seed) {
  return () => {
    seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (seed >>> 0) / 2 ** 32;
  };
}

test('the first frame is the answer', () => {
  const s = follow(null, A, true, 5);
  assert.equal(s.head, 1);
  assert.ok(s.isSure);
  assert.deepEqual(s.mean, A);
});

for (const rate of [5, 10, 15, 30, 60, 120]) {
  test(`at a cut the new answer wins within 200 ms, at ${rate} frames a second`, () => {
    for (const next of [B, frame({ 2: 0.6, 1: 0.1 })]) {
      const cut = 1001;
      const won = series((t) => (t < cut ? A : next), { rate }).find((s) => s.head === 2);
      assert.ok(won.time - cut <= Math.max(200, 1000 / rate), `${won.time - cut} ms`);
      assert.ok(won.mean[2] > 0.5, 'and nothing is left of the former');
    }
  });
}

test('one frame that is blurred changes nothing', () => {
  for (const s of series((t) => (t > 990 && t < 1010 ? B : A))) {
    assert.equal(s.head, 1);
    assert.ok(s.mean[1] > 0.7, `${s.mean[1]}`);
  }
});

test('the average is the same at any number of frames a second', () => {
  const low = frame({ 1: 0.5 });
  const high = frame({ 1: 0.8 });
  const means = [15, 30, 60, 120].map((rate) => {
    const [start] = series(() => low, { rate, until: 1000 / rate });
    return series(() => high, { rate, until: 600, from: { ...start, time: 0 } }).at(-1).mean[1];
  });
  for (const mean of means) assert.ok(Math.abs(mean - (0.8 - 0.3 * Math.exp(-2.4))) < 0.005, `${means}`);
  assert.ok(Math.abs(weight(250) - 0.632) < 0.001);
});

test('between two classes that are close the headline does not flicker', () => {
  const next = random(7);
  const all = series(() => {
    const p = 0.45 + 0.1 * (next() - 0.5);
    return frame({ 1: p, 2: 0.9 - p });
  }, { until: 20_000 });
  const changes = all.filter((s, i) => i > 0 && s.head !== all[i - 1].head).length;
  assert.ok(changes <= 2, `${changes} changes in 20 seconds`);
  const raw = all.filter((s, i) => i > 0 && (s.latest[1] > s.latest[2]) !== (all[i - 1].latest[1] > all[i - 1].latest[2]));
  assert.ok(raw.length > 100, 'the frames themselves do');
});

test('where all are unlikely, the headline is not left behind', () => {
  const [start] = series(() => frame({ 1: 0.12, 2: 0.06 }), { until: 34 });
  const all = series(() => frame({ 1: 0.04, 2: 0.1 }), { from: start, start: 34, until: 1000 });
  assert.ok(all.find((s) => s.head === 2)?.time < 500);
});

test('a class that stays a little ahead takes the headline after a while', () => {
  const [start] = series(() => frame({ 1: 0.48, 2: 0.42 }), { until: 34 });
  const all = series(() => frame({ 1: 0.42, 2: 0.48 }), { from: start, start: 34, until: 3000 });
  const { time } = all.find((s) => s.head === 2);
  assert.ok(time > 900 && time < 2000, `${time} ms`);
  assert.ok(all.slice(all.findIndex((s) => s.head === 2)).every((s) => s.head === 2));
});

test('whether it is sure does not flicker', () => {
  const next = random(3);
  const all = series(() => [A, next() < 0.5], { until: 20_000 });
  const changes = all.filter((s, i) => i > 0 && s.isSure !== all[i - 1].isSure).length;
  assert.ok(changes <= 8, `${changes} changes in 20 seconds`);
});

test('after a pause, and for another model, it begins anew', () => {
  const last = series(() => A).at(-1);
  assert.deepEqual(follow(last, B, true, last.time + 5000).mean, B);
  assert.equal(follow(last, new Float32Array([0, 1, 0]), true, last.time + 30).mean.length, 3);
});

test('classes that do not exclude each other are averaged as well', () => {
  const p = new Float32Array(CLASSES);
  p[3] = p[4] = 0.9;
  const q = new Float32Array(CLASSES);
  q[5] = q[6] = 0.9;
  const all = series((t) => (t < 500 ? p : q), { until: 1000 });
  assert.equal(all.at(-1).head, 5);
  assert.ok(follow(null, new Float32Array(CLASSES), false, 0).head === 0, 'none at all');
});

test('bars keep their places while the headline stays', () => {
  const one = follow(null, frame({ 1: 0.5, 2: 0.2, 3: 0.1, 4: 0.08 }), true, 0);
  const shown = places([], one, 4);
  assert.deepEqual(shown, [1, 2, 3, 4]);
  const swapped = follow(null, frame({ 1: 0.5, 4: 0.2, 2: 0.1, 3: 0.08, 7: 0.04 }), true, 0);
  assert.deepEqual(places(shown, swapped, 4), [1, 2, 3, 4]);
  const left = follow(null, frame({ 1: 0.5, 4: 0.1, 7: 0.09, 3: 0.08, 8: 0.07, 9: 0.06, 10: 0.05 }), true, 0);
  assert.deepEqual(places(shown, left, 4), [1, 7, 3, 4], 'the one that fell behind gives its place to the next');
  assert.deepEqual(places(shown, follow(null, frame({ 4: 0.6, 1: 0.2, 3: 0.1 }), true, 0), 3), [4, 1, 3]);
});
