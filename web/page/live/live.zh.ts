// The texts of live.en.ts in Chinese.

import type { LiveTexts } from './live.en.ts';

const texts: LiveTexts = {
  freeze: '定格',
  stop: '停止',
  resume: '继续',
  view: '摄像头画面',
  asking: '正在等待摄像头…',
  camera: '摄像头',
  cameraName: (n) => `摄像头 ${n}`,
  mirror: '镜像画面',
  play: '播放',
  pause: '暂停',
  seek: '播放位置',
  rate: (frames, whole, network) => `每秒 ${frames} 帧 · 每帧 ${whole} 毫秒（推理 ${network}）`,
  hidden: '页面被隐藏，已暂停。',
  ended: '摄像头已停止。',
  left: '摄像头已关闭。',
  leftFile: '视频已暂停。',
};

export default texts;
