// axe-core on what visitors see: the page, the frame and the offline file, in light and dark surroundings.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { dist, inBrowsers } from './harness.mjs';
import { site } from './site.mjs';

const axe = readFileSync(path.join(import.meta.dirname, 'node_modules/axe-core/axe.min.js'), 'utf8');
const scene = readFileSync(path.join(import.meta.dirname, 'pictures/scene.png')).toString('base64');

// In the page: what is given by the visitor, and what axe finds.
const give = (base64, more) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  if (base64) transfer.items.add(new File([bytes], 'scene.png', { type: 'image/png' }));
  if (more) transfer.items.add(new File([more], 'z.png', { type: 'image/png' }));
  document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
};
const found = async () => {
  const ending = document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations !== Infinity);
  await Promise.allSettled(ending.map((a) => a.finished)); // one that is cancelled has ended, too
  const { violations } = await globalThis.axe.run();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.target.join(' ')).join(', ')}`);
};

inBrowsers('axe', (w) => {
  let s;
  before(async () => { s = await site(); });
  after(() => s.stop());

  // Firefox cannot be told to prefer dark colours once it runs.
  const schemes = w.name === 'firefox' ? ['light'] : ['light', 'dark'];
  for (const [name, address] of [
    ['page', () => s.origin], ['frame', () => `${s.origin}/embed.html`],
    ['offline file', () => pathToFileURL(path.join(dist, 'offline.html')).href],
  ]) {
    test(`${name}, ${schemes.join(' and ')}`, async () => {
      const page = await w.browser.newPage();
      page.setDefaultTimeout(60_000);
      await page.goto(address());
      await page.evaluate(axe);
      const wrong = {};
      const look = async (state) => {
        for (const scheme of schemes) {
          if (w.name === 'chromium') await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
          wrong[`${state}, ${scheme}`] = await page.evaluate(found);
        }
      };
      if (name !== 'frame') await page.waitForSelector('#load[data-state="ready"]');
      else await page.waitForSelector('#load[data-state="asleep"]');
      await look('start');
      await page.evaluate(give, btoa('no picture'));
      await page.waitForSelector('body[data-state="problem"]');
      await look('problem');
      for (let i = 0; i < 2; i++) {
        await page.evaluate(give, scene);
        await page.waitForSelector('body[data-state="result"]');
      }
      await page.click('#heat-toggle');
      await look('result');
      if (name !== 'frame') {
        await page.waitForSelector('#strip:not([hidden])');
        if (name === 'page') assert.ok(await page.$eval('#drawings', (e) => e.hidden), 'this model names none of our drawings');
        await page.click('#zoom-in');
        await page.evaluate(give, '');
        await page.waitForSelector('#note:not([hidden])');
        await look('note');
        await page.click('#open-classes');
        await look('classes');
        for (let i = 0; i < 3; i++) await page.keyboard.press('Escape'); // the list, the note, the result
        await page.click('#film');
        await page.waitForSelector('#live-bars li');
        await page.click('#live-heat-toggle');
        await look('live');
        await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide')));
        await page.waitForSelector('#live-held:not([hidden])');
        await look('held');
        await page.keyboard.press('Escape');
        await page.click('[data-view-link="sort"]');
        await page.waitForSelector('#sort-start:not([hidden])');
        await look('sort, empty');
        await page.evaluate(give, scene, 'no picture');
        await page.waitForSelector('#pictures');
        await page.waitForFunction(() => document.getElementById('run').hidden);
        await look('sort');
        await page.focus('#pictures');
        await page.keyboard.press('Home');
        await page.waitForSelector('#bar:not([hidden])');
        await look('sort, chosen');
        await page.click('#group');
        await look('sort, in groups');
        await page.click('[data-layout="table"]');
        await look('sort, table');
        await page.click('#save-menu');
        await look('sort, menu');
        await page.keyboard.press('Escape');
        await page.focus('#pictures');
        await page.keyboard.press('l');
        await page.waitForSelector('#label-query');
        await look('sort, label');
      }
      assert.deepEqual(Object.entries(wrong).filter(([, list]) => list.length > 0), []);
      await page.close();
    });
  }
});
