// Draws what bench.mjs has measured of one network as an SVG of horizontal bars.

const WIDTH = 720, LEFT = 260, BAR = 22, GAP = 8, TOP = 44;

/** ResNet-50, or the last network that is not the built-in one, in milliseconds per picture. */
export function chart({ network = [], cpu }) {
  const named = network.filter((n) => n.name !== 'built-in');
  const n = named.find(({ name }) => name === 'resnet50') ?? named.at(-1);
  if (!n) throw new Error('--chart: want the part network among --only');
  const rows = [1, 2].flatMap((threads) => {
    const on = threads === 1 ? '1 thread' : `${threads} threads`;
    return [
      { name: `resnet-web, ${on}`, ours: true, ms: n[`relaxed${threads}`].median },
      { name: `onnxruntime-web int8, ${on}`, ms: n[`onnx-qdq${threads}`].median },
      { name: `onnxruntime-web float32, ${on}`, ms: n[`onnx${threads}`].median },
    ];
  });
  const most = Math.max(...rows.map(({ ms }) => ms));
  const scale = (ms) => Math.round((ms / most) * (WIDTH - LEFT - 80));
  const bars = rows.map(({ name, ms, ours }, i) => {
    const y = TOP + i * (BAR + GAP) + (i >= rows.length / 2 ? GAP * 2 : 0);
    return `<text x="${LEFT - 10}" y="${y + 16}" text-anchor="end"${ours ? ' class="ours"' : ''}>${name}</text>`
      + `<rect x="${LEFT}" y="${y}" width="${scale(ms)}" height="${BAR}" rx="3"${ours ? ' class="ours"' : ''}/>`
      + `<text x="${LEFT + scale(ms) + 8}" y="${y + 16}"${ours ? ' class="ours"' : ''}>${ms.toFixed(0)} ms</text>`;
  });
  const title = `${n.name.replace('resnet', 'ResNet-')}, one picture of ${n.relaxed1.size} × ${n.relaxed1.size} pixels in Chromium, median`;
  const height = TOP + rows.length * (BAR + GAP) + GAP * 4;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">
<title id="title">${title} (${cpu})</title>
<style>
  text { font: 13px system-ui, sans-serif; fill: #55605a; }
  text.head { font-size: 14px; font-weight: 600; fill: #17201c; }
  text.ours { font-weight: 600; fill: #17201c; }
  rect { fill: #b9bfb9; }
  rect.ours { fill: #0b6b52; }
  @media (prefers-color-scheme: dark) {
    text { fill: #a3aea8; }
    text.head, text.ours { fill: #edf2ef; }
    rect { fill: #47514b; }
    rect.ours { fill: #57d3a6; }
  }
</style>
<text class="head" x="0" y="18">${title}</text>
${bars.join('\n')}
</svg>
`;
}
