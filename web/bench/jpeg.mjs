// What decoders cost: node jpeg.mjs FOLDER [COUNT] classifies the folder's JPEG files with dist/ in Chromium and Firefox and
// with the command line, and prints how far the probabilities of the best class differ. Browsers decode JPEG with
// libjpeg-turbo, the command line with Go's image/jpeg; everything after the decoder is the same to the bit.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import { browsers, command, serve } from './serve.mjs';

const [folder, count = '500'] = process.argv.slice(2);
const files = fs.readdirSync(folder, { recursive: true }).map((f) => path.join(folder, f)).filter((f) => /\.jpe?g$/i.test(f)).sort().slice(0, Number(count));
if (!files.length) throw new Error(`no JPEG files in ${folder}`);

const native = execFileSync(command('./weights/cmd/resnet'), ['classify', '-json', '-k', '1000', ...files], { encoding: 'utf8', maxBuffer: 1 << 30 })
  .trim().split('\n').map((line) => JSON.parse(line).predictions);

const { url, server } = await serve();

console.log(`| ${files.length} JPEG files, browser against command line | same best class | difference of its probability: mean | largest |\n|---|---|---|---|`);
for (const [name, launch] of Object.entries(browsers)) {
  const browser = await puppeteer.launch(launch);
  const page = await browser.newPage();
  await page.goto(url);
  let same = 0, sum = 0, max = 0;
  for (const [i, file] of files.entries()) {
    const { index, probability } = await page.evaluate(async (data) => {
      const { createClassifier } = await import('./resnet.js');
      globalThis.classifier ??= await createClassifier();
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      return (await globalThis.classifier.classify(new Blob([bytes], { type: 'image/jpeg' }))).predictions[0];
    }, fs.readFileSync(file).toString('base64'));
    if (native[i][0].index === index) same++;
    const d = Math.abs(native[i].find((p) => p.index === index).probability - probability);
    sum += d;
    max = Math.max(max, d);
  }
  await browser.close();
  console.log(`| ${name} | ${((100 * same) / files.length).toFixed(1)} % | ${(sum / files.length).toFixed(4)} | ${max.toFixed(3)} |`);
}
server.kill();
