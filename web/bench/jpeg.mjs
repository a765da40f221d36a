// What decoders cost: node jpeg.mjs FOLDER [COUNT] classifies the folder's JPEG files with dist/ in Chromium and Firefox and
// with the command line, and prints how far the probabilities of the best class differ. Browsers decode JPEG with
// libjpeg-turbo, the command line with Go's image/jpeg; everything after the decoder is the same to the bit.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const root = path.resolve(import.meta.dirname, '../..');
const [folder, count = '500'] = process.argv.slice(2);
const files = fs.readdirSync(folder, { recursive: true }).map((f) => path.join(folder, f)).filter((f) => /\.jpe?g$/i.test(f)).sort().slice(0, Number(count));
if (!files.length) throw new Error(`no JPEG files in ${folder}`);

const command = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'resnet-jpeg-')), 'resnet');
execFileSync('go', ['build', '-o', command, './weights/cmd/resnet'], { cwd: root });
const native = execFileSync(command, ['classify', '-json', '-k', '1000', ...files], { encoding: 'utf8', maxBuffer: 1 << 30 })
  .trim().split('\n').map((line) => JSON.parse(line).predictions);

const server = path.join(path.dirname(command), 'serve');
execFileSync('go', ['build', '-o', server, './web/serve'], { cwd: root });
const child = spawn(server, ['-dir', path.join(root, 'dist'), 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
const url = await new Promise((found) => child.stdout.on('data', (d) => { const m = /http:\S+/.exec(d); if (m) found(m[0]); }));

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browsers = {
  Chromium: { executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags },
  Firefox: { browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true },
};
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
child.kill();
fs.rmSync(path.dirname(command), { recursive: true });
