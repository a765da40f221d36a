// The texts of en.ts in Chinese.

import type { PartsTexts } from './en.ts';

const kB = (n: number) => Math.round(n / 1000).toLocaleString('en');
const MB = (n: number) => (n / 1e6).toFixed(1);

const texts: PartsTexts = {
  tagline: '图里是什么？',
  fullPage: '打开完整页面',
  private1: '像素不离开本页。',
  picture: '图片',
  dropHere: '把图片拖到这里',
  choose: '选择图片',
  photo: '拍照',
  another: '换一张图片',
  paste: (key) => ['或用 ', key, ' + V 粘贴'],
  dropNow: '松手即可识别',
  shoot: '拍下这张',
  back: '返回',
  loading: { download: '正在加载', warmup: '正在预热' },
  bytes: (loaded, total) => (total < 1e6 ? `${kB(loaded)} / ${kB(total)} kB` : `${MB(loaded)} / ${MB(total)} MB`),
  ready: (classes) => `已就绪，认识 ${classes} 类事物。`,
  failed: '模型尚未加载。',
  waiting: '正在等待模型…',
  looking: '正在识别…',
  looksLike: '看起来是',
  unsure: '不确定，也许是',
  unsureNote: '没有哪个类别特别突出。下面是最接近的猜测；图中的东西可能不在它认识的类别之内。',
  nothing: '没有突出的类别',
  announce: (name, percent, sure) => (sure ? `看起来是${name}，${percent}。` : `不确定，也许是${name}，${percent}。`),
  crop: (name) => `${name} 中模型所看到的部分`,
  heat: '热力图',
  heatCaption: (name) => `亮处：支持“${name}”的部分。`,
  barsHint: '点按一个类别，看看模型在哪里找到了它。',
  retry: '重试',
  chooseOther: '选择另一张图片',
  details: '详情',
  errors: {
    'no-picture': ['这里没有图片', '拖入或粘贴的内容不含图片文件。请先保存图片，再拖入或选择该文件。'],
    'no-camera': ['没有可用的摄像头', '请在浏览器询问时允许使用摄像头，或改为选择图片。'],
    'image-decode': ['无法把此文件读作图片', '文件为空、已损坏，或浏览器不支持此格式。JPEG、PNG、WebP 和 GIF 都可以；HEIC 照片请先存为 JPEG。'],
    'image-too-large': ['图片太大', '其宽度或高度超出内存所能容纳。请缩小图片，或裁剪出重要部分。'],
    'image-fetch': ['无法获取图片', '请检查网络后重试，或先保存图片再拖入文件。'],
    'image-tainted': ['不允许读取此图片', '其网站不允许其他页面读取。请保存图片，再拖入文件。'],
    'model-fetch': ['无法下载模型', '请检查网络后重试。'],
    'model-integrity': ['模型下载有误', '校验和不符，因此未使用。请重试以重新下载。'],
    'model-format': ['收到的不是模型文件', '服务器返回了别的内容。如果这是你的服务器，请重新构建页面。'],
    'out-of-memory': ['内存不足', '请关闭其他标签页或程序后重试。'],
    'worker-crashed': ['识别程序意外停止', '请重试：它会重新启动，你的图片已保留。'],
    'wasm-unsupported': ['程序无法在此运行', '请检查网络并重新载入页面；如果仍不行，请使用较新的浏览器，并关闭禁止 WebAssembly 的模式。'],
    'embed-refused': ['此网站无权使用', '尚未允许该网站展示此分类器。'],
    other: ['出了点问题', '请重试；若仍不行，请重新加载页面。'],
  },
};

export default texts;
