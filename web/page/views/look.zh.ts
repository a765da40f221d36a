// The texts of look.en.ts in Chinese.

import type { LookTexts } from './look.en.ts';

const MB = (n: number) => (n / 1e6).toFixed(1);

const texts: LookTexts = {
  lead: '选一张照片，马上看到答案。神经网络就在你的设备上运行。',
  private2: '图片既不上传，也不保存。',
  fast1: '瞬间出结果。',
  fast2: '直接在你的处理器上运行，无需服务器。',
  offline1: '离线可用。',
  offline2: '首次访问之后，完全不需要网络。',
  film: '使用摄像头',
  goLive: '继续实时',
  drop: '把图片拖到页面任意处',
  pick: '先选一张图片',
  samples: '手边没有图片？试试我们画的',
  sample: (name) => `识别我们画的：${name}`,
  saw: (size, hint) => `模型只看到这个正方形，缩小到 ${size}\u00A0×\u00A0${size} 像素。${hint}`,
  facts: '运行详情',
  time: '用时',
  timeValue: (ms) => [`${ms.inference} 毫秒`, ` 推理 · 共 ${ms.total} 毫秒`],
  runs: '运行于',
  runsValue: (simd, threads) => [
    `${threads} 个线程`,
    { relaxed: ' · relaxed SIMD', fixed: ' · SIMD', none: ' · 无 SIMD' }[simd],
  ],
  noise: '像素',
  noiseValue: ['有改动', ' · 为防止跟踪，此浏览器会改动网页读到的像素，结果可能略有不同'],
  model: '模型',
  modelValue: (name, classes, bytes) => [name, ` · ${classes} 类 · ${MB(bytes)} MB`],
  drawings: {
    monarch: '帝王蝶',
    espresso: '浓缩咖啡',
    lighthouse: '灯塔',
    orange: '橙子',
    'school-bus': '校车',
    hourglass: '沙漏',
    'bell-pepper': '甜椒',
    candle: '蜡烛',
    lemon: '柠檬',
    keyboard: '电脑键盘',
  },
};

export default texts;
