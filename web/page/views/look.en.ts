// What the view Look says. A function makes a text that has values in it.

import type { Simd } from '../../types/resnet.d.ts';

/** A fact: what matters, and the rest of the sentence. */
type Strong = [strong: string, rest: string];

const MB = (n: number) => (n / 1e6).toFixed(1);

const texts = {
  lead: 'Choose a photo and see what the network makes of it, right on your device.',
  private2: 'Pictures are neither uploaded nor kept.',
  fast1: 'Answers at once.',
  fast2: 'Runs on your own processor; no server involved.',
  offline1: 'Works offline.',
  offline2: 'After the first visit it needs no network at all.',
  film: 'Use the camera',
  goLive: 'Live again',
  drop: 'Drop a picture anywhere',
  pick: 'Start with a picture',
  samples: 'No picture at hand? Try one of ours',
  sample: (name: string) => `Classify our drawing: ${name}`,
  saw: (size: number, hint: string) =>
    `The network sees only this square, shrunk to ${size}\u00A0×\u00A0${size} pixels. ${hint}`,
  facts: 'How it was done',
  time: 'Time',
  timeValue: (ms: { inference: string; total: string }): Strong =>
    [`${ms.inference} ms`, ` network · ${ms.total} ms in all`],
  runs: 'Runs on',
  runsValue: (simd: Simd, threads: number): Strong => [
    `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    { relaxed: ' · relaxed SIMD', fixed: ' · SIMD', none: ' · no SIMD' }[simd],
  ],
  noise: 'Pixels',
  noiseValue: [
    'altered',
    ' · this browser changes what a page reads of a picture, to hinder tracking; answers may differ a little',
  ] satisfies Strong,
  model: 'Model',
  modelValue: (name: string, classes: number, bytes: number): Strong =>
    [name, ` · ${classes} classes · ${MB(bytes)} MB`],
  drawings: {
    monarch: 'monarch butterfly',
    espresso: 'espresso',
    lighthouse: 'lighthouse',
    orange: 'orange',
    'school-bus': 'school bus',
    hourglass: 'hourglass',
    'bell-pepper': 'bell pepper',
    candle: 'candle',
    lemon: 'lemon',
    keyboard: 'computer keyboard',
  },
};

export default texts;
export type LookTexts = typeof texts;
