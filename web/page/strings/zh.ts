// The texts of en.ts in Chinese.

import type { ShellTexts } from './en.ts';

const MB = (n: number) => (n / 1e6).toFixed(1);

const texts: ShellTexts = {
  title: 'resnet-web：图里是什么？',
  views: '视图',
  look: '看图',
  sort: '整理',
  return: '返回全部图片',
  skip: '跳到图片',
  knows: '它认识什么',
  footPrivate: '图片只由本页面打开、缩小和识别。无需账号，没有 Cookie，没有跟踪。',
  licence: 'MIT 许可证',
  notices: '第三方声明',
  version: (v) => `版本 ${v}`,
  offlineFile: (bytes) => `下载离线单文件版（${MB(bytes)} MB）`,
  update: '新版本已就绪。',
  reload: '重新加载',
  later: '稍后',
  close: '关闭',
  classesTitle: (n) => `它认识的 ${n} 类事物`,
  search: '搜索，例如狗、水果',
  found: (n, all) => (n === all ? `${all}` : `${n} / ${all}`),
  foundSpoken: (n) => `找到 ${n} 类`,
  none: (q) => `没有名称包含“${q}”。`,
  otherClasses: '其他',
  tools: '模型与语言',
  home: 'resnet-web，回到开头',
};

export default texts;
