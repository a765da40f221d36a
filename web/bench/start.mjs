// How long a visitor waits: node start.mjs [COUNT] opens the page of dist/ from its own server and the offline file from the
// disk, in a fresh Chromium and Firefox each time, and prints the milliseconds from the opening of the page until the
// classifier is ready: median (min–max).
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';
import { browsers, dist, serve } from './serve.mjs';

const count = Number(process.argv[2] ?? 5);
const { url, server } = await serve();

// In the page, before anything else.
function watch() {
  new MutationObserver(() => {
    if (document.querySelector('#load[data-state="ready"]')) globalThis.readyAt ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true });
}

// Opens addresses one after another in a fresh browser; returns the times.
async function open(launch, ...addresses) {
  const browser = await puppeteer.launch(launch);
  try {
    const page = await browser.newPage();
    await page.evaluateOnNewDocument(watch);
    const times = [];
    for (const address of addresses) {
      await page.goto(address);
      await page.waitForFunction(() => globalThis.readyAt, { timeout: 120_000 });
      times.push(await page.evaluate(() => globalThis.readyAt));
      await new Promise((r) => { setTimeout(r, 2000); }); // the service worker and the cache take what the next visit needs
    }
    return times;
  } finally {
    await browser.close();
  }
}

const cell = (times) => {
  times.sort((a, b) => a - b);
  const [min, median, max] = [times[0], times[times.length >> 1], times.at(-1)].map(Math.round);
  return `${median} (${min}–${max})`;
};

console.log(`${os.cpus()[0].model.trim()}, ${os.cpus().length} cores; of ${count} starts\n\n| ready after, ms | first visit, from localhost | second visit | offline file |\n|---|---|---|---|`);
for (const [name, launch] of Object.entries(browsers)) {
  const first = [], second = [], offline = [];
  for (let i = 0; i < count; i++) {
    const [a, b] = await open(launch, url, url);
    first.push(a);
    second.push(b);
    offline.push(...await open(launch, pathToFileURL(path.join(dist, 'offline.html')).href));
  }
  console.log(`| ${name} | ${cell(first)} | ${cell(second)} | ${cell(offline)} |`);
}
server.kill();
