// A picture with its answer in one image, to be kept or sent.

import type { PartsTexts } from '../../lib/strings/en.ts';
import { tagOf } from '../app/language.ts';
import type { Show } from '../app/state.ts';
import { linesOf } from './actions.ts';
import { headline } from './answer.ts';
import { make } from './dom.ts';
import { drawBox } from './draw.ts';
import { context, middle } from './picture.ts';

const WIDTH = 1080;
const MARGIN = 60;
const ROW = 82; // height of a class with its bar

/** Saves the square that the network saw, and below it the answer, as a PNG file. */
export async function saveCard({ picture, answer }: Show & { state: 'result' }, lang: string, t: PartsTexts) {
  const { drawn, result, info } = answer;
  const box = result.heatmap?.box ?? (drawn && middle(drawn));
  if (!drawn || !box) throw new Error('this browser cannot draw the picture');
  const lines = linesOf(answer, lang);
  const side = WIDTH - 2 * MARGIN;
  const square = make('canvas');
  drawBox(square, drawn, box, side);
  const height = MARGIN + side + 180 + lines.length * ROW + 70;
  const card = make('canvas', { width: WIDTH, height, lang: tagOf(lang) });
  const g = context(card);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const font = getComputedStyle(document.body).fontFamily;
  const write = (text: string, x: number, y: number, size: number, weight: number, most: number) => {
    g.font = `${weight} ${size}px ${font}`;
    let cut = text;
    while (cut.length > 1 && g.measureText(cut === text ? text : `${cut}…`).width > most) cut = cut.slice(0, -1);
    g.fillText(cut === text ? text : `${cut}…`, x, y);
  };
  g.fillStyle = colour('paper');
  g.fillRect(0, 0, card.width, card.height);
  g.drawImage(square, MARGIN, MARGIN);
  g.textBaseline = 'alphabetic';
  let y = MARGIN + side + 56;
  g.fillStyle = colour('soft');
  const { eyebrow, title } = headline(answer, lang, t);
  if (lines.length > 0) write(eyebrow, MARGIN, y, 32, 550, side);
  y += 72;
  g.fillStyle = colour('ink');
  write(title, MARGIN, y, 64, 700, side);
  y += 44;
  lines.forEach(({ label, percent, p }, rank) => {
    y += ROW;
    g.fillStyle = colour(rank === 0 ? 'ink' : 'soft');
    g.textAlign = 'right';
    write(percent, WIDTH - MARGIN, y - 34, 34, 600, 200);
    g.textAlign = 'left';
    write(label, MARGIN, y - 34, 34, rank === 0 ? 650 : 500, side - 200);
    g.fillStyle = colour('line');
    g.fillRect(MARGIN, y - 18, side, 12);
    g.fillStyle = colour(rank === 0 ? 'accent' : 'line-strong');
    g.fillRect(MARGIN, y - 18, Math.max(4, side * p), 12);
  });
  g.fillStyle = colour('soft');
  write(`resnet-web · ${t.card(info.classes.length)}`, MARGIN, y + 50, 26, 500, side);
  const blob = await new Promise<Blob | null>((done) => { card.toBlob(done, 'image/png'); });
  if (!blob) throw new Error('this browser has no memory left to draw with');
  const url = URL.createObjectURL(blob);
  const name = (lines[0]?.label || picture.name || 'picture').replace(/[^\p{L}\p{N}]+/gu, '-');
  make('a', { href: url, download: `${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
