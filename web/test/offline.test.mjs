// dist/offline.html as it comes to a visitor: one file on a disk, opened by double click.

import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { dist, inBrowsers } from './harness.mjs';

const picture = path.join(import.meta.dirname, 'pictures/scene.png');
const scene = readFileSync(picture).toString('base64');

// Runs before the page: notes policy violations and when the classifier is ready, in ms since the page was opened.
const HELPERS = `
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', (e) => violations.push(e.effectiveDirective + ' ' + e.blockedURI));
  new MutationObserver(() => {
    if (document.querySelector('#load[data-state="ready"]')) globalThis.readyAt ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true });
  globalThis.give = (kind) => {
    const file = new File([Uint8Array.from(atob('${scene}'), (c) => c.charCodeAt(0))], 'scene.png', { type: 'image/png' });
    const transfer = new DataTransfer();
    transfer.items.add(file);
    const init = { bubbles: true, cancelable: true };
    if (kind === 'drop') return document.body.dispatchEvent(new DragEvent('drop', { ...init, dataTransfer: transfer }));
    const event = new ClipboardEvent('paste', init);
    Object.defineProperty(event, 'clipboardData', { value: transfer }); // Firefox lets no script fill one
    document.body.dispatchEvent(event);
  };
`;

inBrowsers('offline page', (w) => {
  let dir;
  before(() => {
    // Alone in a folder, so that nothing beside it can help.
    dir = mkdtempSync(path.join(tmpdir(), 'resnet-offline-'));
    copyFileSync(path.join(dist, 'offline.html'), path.join(dir, 'a page & more.html'));
  });
  after(() => rmSync(dir, { recursive: true }));

  const answer = async (page) => {
    await page.waitForSelector('body[data-state="result"]');
    return page.evaluate(() => [...document.querySelectorAll('.bar')].map((b) => [b.dataset.id, b.querySelector('.bar-value').textContent]));
  };
  // Gives a picture by act, after taking the last answer away.
  const next = async (page, act) => {
    await page.evaluate(() => document.getElementById('bars').replaceChildren());
    await act();
    await page.waitForSelector('.bar');
    return answer(page);
  };

  test('the page of the server, opened from a disk, leads here at once', {
    skip: w.name === 'firefox' && 'puppeteer has it load modules from a disk',
  }, async () => {
    const page = await w.browser.newPage();
    await page.goto(pathToFileURL(path.join(dist, 'index.html')).href);
    assert.equal(await page.$eval('#late', (e) => getComputedStyle(e).visibility), 'visible');
    assert.equal(await page.$eval('#late a', (e) => e.getAttribute('href')), 'offline.html');
    await page.close();
  });

  test('works from a disk: samples, drop, paste, choose, heat map, both languages', async (t) => {
    const page = await w.browser.newPage();
    page.setDefaultTimeout(60_000);
    const errors = [];
    const asked = [];
    page.on('pageerror', (e) => errors.push(e.message));
    page.on('request', (r) => /^(blob|data):/.test(r.url()) || asked.push(r.url()));
    await page.evaluateOnNewDocument(HELPERS);
    const url = pathToFileURL(path.join(dir, 'a page & more.html')).href;
    await page.goto(url);
    await page.waitForFunction(() => globalThis.readyAt || document.body.dataset.state === 'problem');
    assert.equal(await page.$eval('#problem-detail', (e) => e.textContent), '');
    t.diagnostic(`${(statSync(path.join(dist, 'offline.html')).size / 1e6).toFixed(1)} MB, ready ${Math.round(await page.evaluate(() => readyAt))} ms after opening`);

    const id = await page.evaluate(() => {
      const sample = document.querySelector('.sample');
      sample.click();
      return sample.dataset.id;
    });
    assert.equal((await answer(page))[0][0], id, 'the first sample is taken for something else');

    const dropped = await next(page, () => page.evaluate(() => give('drop')));
    const pasted = await next(page, () => page.evaluate(() => give('paste')));
    const file = await page.$('#file');
    const chosen = await next(page, () => file.uploadFile(picture));
    assert.equal(dropped.length, 5);
    assert.deepEqual([pasted, chosen], [dropped, dropped]);

    // The same answer as that of the served classifier.
    const served = await w.open();
    const expected = await served.evaluate(async (base64) => {
      const { createClassifier } = await import('/resnet.js');
      const c = await createClassifier();
      const { predictions } = await c.classify(new Blob([Uint8Array.from(atob(base64), (x) => x.charCodeAt(0))]));
      c.close();
      return predictions.map((p) => [p.id, new Intl.NumberFormat('en', { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(p.probability)]);
    }, scene);
    await served.close();
    assert.deepEqual(dropped, expected);

    const heat = () => page.evaluate(() => {
      const canvas = document.getElementById('heat');
      const shown = canvas.classList.contains('on');
      return [shown, canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.reduce((sum, x, i) => (sum * 31 + x * (i + 1)) % 1000003, 0)];
    });
    await page.click('#heat-toggle');
    const [shown, first] = await heat();
    assert.ok(shown);
    await page.evaluate(() => document.querySelectorAll('.bar')[4].click());
    await page.waitForFunction(() => document.querySelectorAll('.bar')[4].getAttribute('aria-pressed') === 'true');
    assert.notEqual((await heat())[1], first, 'two classes have the same heat map');

    await page.evaluate(() => document.querySelector('[data-lang="zh"]').click());
    await page.waitForFunction(() => /[\u4e00-\u9fff]/.test(document.querySelector('.bar-label')?.textContent));
    assert.deepEqual((await answer(page)).map(([x]) => x), dropped.map(([x]) => x));

    const licence = await page.evaluate(() => {
      document.querySelector('a[href="#NOTICES.txt"]').click();
      return document.getElementById('NOTICES.txt').innerText;
    });
    assert.match(licence, /The Go Authors/);
    assert.match(await page.$eval('#foot-version', (e) => e.textContent), /[0-9a-f]{12}/);
    assert.equal(await page.$('#foot-offline a'), null, 'the file offers itself');
    assert.deepEqual([errors, await page.evaluate(() => violations), asked.filter((x) => x.split('#')[0] !== url)], [[], [], []]);
    await page.close();
  });
});
