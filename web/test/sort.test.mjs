// Sort: many pictures, as a person goes through them, with the small model in both browsers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { inBrowsers, makeModel } from './harness.mjs';
import { site } from './site.mjs';

const scene = readFileSync(path.join(import.meta.dirname, 'pictures/scene.png')).toString('base64');

// In the page: small pictures of several colours and shapes, as files.
async function paint(n) {
  return Promise.all(Array.from({ length: n }, async (_, i) => {
    const canvas = new OffscreenCanvas(40 + 3 * (i % 7), 32 + 2 * (i % 5));
    const g = canvas.getContext('2d');
    for (let k = 0; k < 6; k++) {
      g.fillStyle = `hsl(${(i * 47 + k * 60) % 360} ${40 + (i * 13) % 60}% ${20 + (k * 29 + i * 7) % 70}%)`;
      g.fillRect((k * 17 + i * 5) % 40, (k * 11 + i * 3) % 30, 20, 14);
    }
    return new File([await canvas.convertToBlob()], `photo-${String(i).padStart(3, '0')}.png`, { type: 'image/png' });
  }));
}

// In the page: what the system does when files are let go over it.
function give(files) {
  const dataTransfer = new DataTransfer();
  for (const file of files) dataTransfer.items.add(file);
  document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
}

// In the page: what is said of the pictures in the document, in their order.
function tiles() {
  return [...document.querySelectorAll('#pictures [data-picture]')].filter((e) => !e.hidden && e.closest('.line:not([hidden])'))
    .map((e) => ({
      id: Number(e.dataset.picture), kind: e.dataset.kind, path: e.title, value: e.querySelector('b').textContent,
      label: e.querySelector('.tile-label, .label .text').textContent, isChosen: e.getAttribute('aria-selected') === 'true',
      top: e.getBoundingClientRect().top, hasThumb: e.querySelector('.thumb canvas') !== null,
    }));
}

inBrowsers('sort', (w) => {
  let s;
  let page;
  const errors = [];
  before(async () => {
    s = await site({ model: readFileSync(makeModel('unsure.msgpack', '-unsure', '0.4')) });
    page = await w.browser.newPage();
    page.setDefaultTimeout(Number(process.env.WAIT ?? 120_000));
    page.on('pageerror', (e) => errors.push(e.message));
    await page.setViewport({ width: 1280, height: 900 });
    await page.evaluateOnNewDocument(`try { localStorage.setItem('lang', 'en'); } catch {}
      globalThis.paint = ${paint}; globalThis.give = ${give}; globalThis.tiles = ${tiles}; globalThis.violations = [];
      addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));`);
    await page.goto(s.origin);
    await page.evaluate(() => {
      globalThis.said = [];
      new MutationObserver(([{ target }]) => said.push(target.textContent)).observe(document.getElementById('announcer'), { childList: true });
    });
    await page.waitForSelector('#load[data-state="ready"]');
  });
  after(() => s.stop());

  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const over = () => page.waitForFunction(() => document.querySelector('#run')?.hidden, { timeout: 500_000 });
  const until = (f, ...args) => page.waitForFunction(f, {}, ...args);
  const shown = () => page.evaluate(() => tiles());
  const title = () => page.$eval('#sort-title', (e) => e.textContent);
  const active = () => page.$eval('#pictures', (e) => e.getAttribute('aria-activedescendant'));
  const chosen = async () => (await shown()).filter((t) => t.isChosen).map((t) => t.id);

  test('several files open it, and have the answers of single calls; bad ones say so', async () => {
    const wanted = await page.evaluate(async () => {
      globalThis.files = await paint(24);
      const { createClassifier } = await import('./resnet.js');
      const c = await createClassifier();
      const list = [];
      for (const file of files) {
        const { predictions: [{ label, probability }], sure } = await c.classify(file);
        list.push({ label: label[0].toUpperCase() + label.slice(1), percent: `${Math.round(100 * probability)}%`, sure });
      }
      c.close();
      const bad = [new File(['no picture'], 'z-a.jpg'), new File([], 'z-empty.png'), new File([files[0].slice(0, 99)], 'z-cut.png')];
      give([...files.slice(0, 20), ...bad, ...files.slice(20), new File([files[3]], 'twin.png', { type: 'image/png' })]);
      return list;
    });
    await page.waitForSelector('#pictures');
    await over();
    assert.equal(await page.evaluate(() => location.hash), '#sort');
    assert.equal(await page.$eval('[data-view-link="sort"]', (a) => a.ariaCurrent), 'page');
    assert.equal(await title(), '28 pictures');
    assert.match(await page.$eval('#sort-summary', (e) => e.textContent), /3 unreadable/);
    const found = new Map((await shown()).map((t) => [t.path, t]));
    wanted.forEach(({ label, percent, sure }, i) => {
      const its = found.get(`photo-${String(i).padStart(3, '0')}.png`);
      assert.deepEqual([its.label, its.value, its.kind], [label, percent, sure ? 'sure' : 'unsure']);
    });
    for (const name of ['z-a.jpg', 'z-empty.png', 'z-cut.png']) assert.equal(found.get(name).kind, 'failed', name);
    await until(() => tiles().every((t) => t.kind === 'failed' || t.hasThumb));
    await until(() => said.some((words) => /Done: 25 pictures named, 3 could not be read/.test(words)));
  });

  test('by keys: move, choose, say what it is, take it back', async () => {
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pictures', 'the list has the focus');
    await press('Home');
    const [first, second, third] = await shown();
    assert.equal(await active(), `picture-${first.id}`);
    await press('ArrowRight');
    assert.deepEqual(await chosen(), [second.id]);
    await page.keyboard.down('Shift');
    await press('ArrowRight');
    await page.keyboard.up('Shift');
    assert.deepEqual(await chosen(), [second.id, third.id]);
    await press('ArrowDown', 'ArrowUp', ' ');
    assert.deepEqual(await chosen(), []);
    await press(' ');
    assert.deepEqual(await chosen(), [third.id]);
    const guesses = await page.$$eval('.guess', (l) => l.map((b) => b.querySelector('span').textContent));
    assert.equal(guesses.length, 6);
    await press('2');
    await until((id) => document.getElementById(`picture-${id}`).dataset.kind === 'corrected', third.id);
    assert.equal((await shown())[2].label, guesses[1]);
    await press('u');
    await until((id) => document.getElementById(`picture-${id}`).dataset.kind !== 'corrected', third.id);
    assert.equal((await shown())[2].label, third.label);
    await press('Delete');
    assert.equal(await title(), '27 pictures');
    await press('u');
    assert.equal(await title(), '28 pictures');
    await page.keyboard.down('Control');
    await press('a');
    await page.keyboard.up('Control');
    assert.equal((await chosen()).length, 28);
    await press('Escape', 'Escape');
    assert.deepEqual(await chosen(), []);
  });

  test('a word of the visitor’s own is a class like the others', async () => {
    await page.focus('#pictures');
    await press('Home', 'l');
    await page.waitForSelector('#label-query');
    await page.keyboard.type('Zebra fish');
    await press('Enter');
    await page.waitForSelector('#label-query', { hidden: true });
    assert.equal((await shown())[0].label, 'Zebra fish');
    await press('ArrowRight', 'l');
    await page.keyboard.type('zebra');
    await press('Enter');
    assert.deepEqual((await shown()).slice(0, 2).map((t) => t.label), ['Zebra fish', 'Zebra fish']);
    await press('Escape');
    await page.click('[data-show="corrected"]');
    assert.equal(await title(), '2 of 28 pictures');
    await page.click('[data-show="all"]');
    const kinds = await page.$$eval('#kind option', (l) => l.map((o) => o.textContent));
    assert.ok(kinds.includes('Zebra fish (2)'), `${kinds}`);
  });

  test('what leaves the filter makes room for the next', async () => {
    await page.click('[data-show="unsure"]');
    const before = await shown();
    assert.ok(before.length > 5 && before.every((t) => t.kind === 'unsure'));
    await page.focus('#pictures');
    await press('Home', '1');
    assert.deepEqual(await chosen(), [before[1].id]);
    await press('1');
    assert.deepEqual(await chosen(), [before[2].id]);
    await press('u', 'u', 'Escape');
    await page.click('[data-show="failed"]');
    assert.equal((await shown()).length, 3);
    await page.click('[data-show="all"]');
    await press('/');
    await page.keyboard.type('photo-01');
    assert.equal(await title(), '10 of 28 pictures');
    await press('Escape');
    assert.equal(await title(), '28 pictures');
  });

  test('a list that becomes empty, and one that comes back, keep the focus', async () => {
    const focus = () => page.evaluate(() => document.activeElement.id);
    const every = async () => {
      await page.focus('#pictures');
      await page.keyboard.down('Control');
      await press('a');
      await page.keyboard.up('Control');
    };
    const [value] = await page.$$eval('#kind option', (l) => l.map((o) => o.value).filter((v) => v !== ''));
    await page.select('#kind', value);
    await every();
    await press('l');
    await page.waitForSelector('#label-query');
    await page.keyboard.type('Lungfish');
    await press('Enter');
    await page.waitForSelector('#label-query', { hidden: true });
    assert.equal(await title(), '28 pictures', 'the class is empty, and no filter any more');
    assert.equal(await page.$eval('#kind', (e) => e.value), '');
    assert.equal(await focus(), 'pictures');
    await press('u', 'Escape');
    await page.click('[data-show="unsure"]');
    await every();
    await press('1');
    assert.match(await title(), /^0 of 28/);
    assert.equal(await focus(), 'show-all');
    await press('u');
    assert.equal(await focus(), 'pictures');
    await page.click('[data-show="all"]');
    await every();
    await press('Delete');
    assert.equal(await title(), '0 pictures');
    assert.equal(await focus(), 'sort-title');
    await press('u');
    assert.equal(await focus(), 'pictures');
    assert.equal(await page.$eval('#note', (e) => e.hidden), true);
    await press('Home');
    await page.focus('#bar-close');
    await press('Enter');
    assert.equal(await focus(), 'pictures');
  });

  test('the table is ordered by its columns, and groups have their classes as headings', async () => {
    await page.click('[data-layout="table"]');
    assert.equal(await page.$eval('#pictures', (e) => e.getAttribute('aria-rowcount')), '29');
    await page.click('[data-order="confidence"]');
    assert.equal(await page.$eval('.table-head .confidence', (e) => e.getAttribute('aria-sort')), 'descending');
    const values = async () => (await shown()).filter((t) => t.value.endsWith('%')).map((t) => parseFloat(t.value));
    const down = await values();
    assert.deepEqual(down, down.toSorted((a, b) => b - a));
    await page.click('[data-order="confidence"]');
    const up = await values();
    assert.deepEqual(up, up.toSorted((a, b) => a - b));
    await page.focus('#pictures');
    await press('End');
    assert.equal((await shown()).at(-1).kind, 'failed', 'what has no answer comes last');
    await press('Escape', 'Home', 'Escape');
    await page.click('[data-order="name"]');
    const names = (await shown()).map((t) => t.path);
    assert.deepEqual(names, names.toSorted());
    await page.click('[data-layout="grid"]');
    await page.click('#group');
    await page.focus('#pictures');
    await press('End');
    const sections = await page.$$eval('.section:not([hidden])', (l) => l.map((e) => e.textContent));
    assert.deepEqual(sections.slice(-2), ['Zebra fish2 pictures', 'Without a class3 pictures']);
    await press('Home', 'Escape');
    await page.click('#group');
    await page.select('#order', 'given');
  });

  test('what is like one picture, and near duplicates', async () => {
    await page.focus('#pictures');
    const twin = (await shown()).find((t) => t.path === 'photo-003.png');
    await page.click(`#picture-${twin.id}`);
    await press('s');
    await page.waitForSelector('#like:not([hidden])');
    const [first, second] = await shown();
    assert.deepEqual([first.path, second.path, second.value], ['photo-003.png', 'twin.png', '100% alike']);
    await press('Escape');
    await page.waitForSelector('#like[hidden]');
    await press('Escape');
    await page.click('[data-show="twins"]');
    await until(() => tiles().some((t) => t.path === 'twin.png'));
    await page.click('[data-show="all"]');
  });

  test('Look for one picture, and Back to the same place', async () => {
    await page.click('[data-show="unsure"]');
    await page.focus('#pictures');
    await press('Home', 'ArrowRight', 'ArrowRight');
    await page.setViewport({ width: 700, height: 500 });
    await until(() => Number(document.getElementById('pictures').getAttribute('aria-colcount')) < 5);
    await press('End');
    const at = await active();
    const place = await page.evaluate(() => scrollY);
    assert.ok(place > 100);
    for (const back of [() => press('Escape'), () => page.click('#return button'), () => page.evaluate(() => history.back())]) {
      await page.focus('#pictures');
      await press('Enter');
      await page.waitForSelector('body[data-state="result"]');
      assert.equal(await page.evaluate(() => location.hash), '#look');
      await back();
      await page.waitForSelector('#pictures');
      await until((y) => Math.abs(scrollY - y) < 2, place);
      assert.equal(await page.evaluate(() => document.activeElement.id), 'pictures');
      assert.equal(await active(), at);
      assert.equal(await page.$eval('[data-show="unsure"]', (b) => b.ariaPressed), 'true');
    }
    await page.evaluate(() => history.forward());
    await page.waitForSelector('body[data-state="result"]');
    await page.click('[data-view-link="sort"]');
    await page.waitForSelector('#pictures');
    await page.setViewport({ width: 1280, height: 900 });
    await page.click('[data-show="all"]');
    await press('Escape');
  });

  // The text of the next file that the page saves.
  const saved = () => page.evaluate(() => new Promise((resolve) => {
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob) => {
      URL.createObjectURL = createObjectURL;
      blob.text().then(resolve);
      return createObjectURL.call(URL, blob);
    };
    HTMLAnchorElement.prototype.click = () => {}; // and no download
  }));

  test('answers are saved as they are shown', async () => {
    await page.click('#save-menu');
    const csv = saved();
    await page.click('[data-save="csv"]');
    const lines = (await csv).trim().split('\r\n');
    assert.equal(lines.length, 29);
    assert.equal(lines.filter((l) => l.includes(',Zebra fish,true,')).length, 2);
    await page.click('#save-menu');
    const zip = saved();
    await page.click('[data-save="zip"]');
    assert.equal((await zip).match(/Zebra fish\/photo-000\.png/g)?.length, 2, 'a header, and one in the directory');
    await until(() => /Saved: 25 pictures/.test(document.getElementById('note').textContent));
  });

  test('in Chinese, with what was chosen', async () => {
    await page.focus('#pictures');
    await press('Home');
    await page.click('[data-lang="zh"]');
    await until(() => document.getElementById('sort-title')?.textContent === '28 张图片');
    assert.match((await shown())[5].label, /^第\d类$/);
    assert.equal((await shown())[0].label, 'Zebra fish');
    assert.equal((await chosen()).length, 1);
    await page.click('[data-lang="en"]');
    await until(() => document.getElementById('sort-title')?.textContent === '28 pictures');
    await press('Escape');
  });

  test('2,000 files of which 300 are no pictures: paused, looked past, resumed, few of them in the document', async () => {
    await page.evaluate(() => {
      const many = (from, n) => Array.from({ length: n }, (_, i) => (i % 20 < 3
        ? new File([`no picture ${from + i}`], `bad-${from + i}.jpg`) : new File([files[i % 24]], `${from + i}.png`, { type: 'image/png' })));
      give(many(0, 1200));
      give(many(1200, 800)); // joins the queue
    });
    await until(() => /2,028 pictures/.test(document.getElementById('sort-title').textContent));
    await page.click('#run-hold');
    await until(() => document.getElementById('run').dataset.run === 'paused');
    const counts = () => page.$eval('#run-text', (e) => e.textContent);
    await new Promise((done) => { setTimeout(done, 300); }); // for what was asked
    const held = await counts();
    await page.click('#save-menu');
    const csv = saved();
    await page.click('[data-save="csv"]');
    const waiting = (await csv).split('\r\n').filter((l) => l.endsWith(',it has not been looked at yet'));
    assert.ok(waiting.length > 100);
    assert.match(waiting[0], /,false,,\d*,,,/, 'no answer is neither sure nor unsure');
    await page.evaluate(() => { location.hash = 'look'; });
    await page.waitForSelector('#drop');
    await page.evaluate((base64) => give([new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'scene.png')]), scene);
    await page.waitForSelector('body[data-state="result"]');
    await page.click('[data-view-link="sort"]');
    await page.waitForSelector('#pictures');
    assert.equal(await counts(), held);
    await page.click('#run-hold');
    await page.evaluate(() => { location.hash = 'look'; }); // it goes on behind another view
    await page.waitForSelector('#look');
    await page.click('[data-view-link="sort"]');
    await page.waitForSelector('#pictures');
    await over();
    assert.equal(await title(), '2,028 pictures');
    assert.equal(await page.$eval('[data-show="failed"] span', (e) => e.textContent), '303');
    await page.focus('#pictures');
    await press('End');
    await until(() => tiles().some((t) => t.id === 2027));
    assert.ok((await page.$$('#pictures [data-picture]')).length < 150);
    assert.equal(await page.$eval('#pictures', (e) => e.getAttribute('aria-rowcount')), String(Math.ceil(2028 / 6)));
  });

  test('a run that is cancelled leaves out what has no answer, until that is taken back', async () => {
    await press('Escape');
    await page.evaluate(() => give(Array.from({ length: 400 }, (_, i) => new File([files[i % 24]], `late-${i}.png`, { type: 'image/png' }))));
    await until(() => /2,428 pictures/.test(document.getElementById('sort-title').textContent));
    await page.click('#run-cancel');
    await over();
    const left = Number((await title()).replace(/\D/g, ''));
    assert.ok(left >= 2028 && left < 2428, `${left}`);
    await page.focus('#pictures');
    await press('u');
    await until(() => /2,428 pictures/.test(document.getElementById('sort-title').textContent));
    await until(() => document.getElementById('run').dataset.run === 'paused');
    await page.focus('#pictures');
    await page.keyboard.down('Control');
    await press('a');
    await page.keyboard.up('Control');
    await press('Delete');
    await over(); // though it is paused
    await press('u');
    await until(() => document.getElementById('run').dataset.run === 'paused');
    await page.click('#run-hold');
    await over();
    assert.equal(await page.$eval('[data-show="failed"] span', (e) => e.textContent), '303');
  });

  test('a page that is opened at Sort, or with ?url=, goes from view to view', async () => {
    const other = await w.browser.newPage();
    await other.goto(`${s.origin}#sort`);
    await other.waitForSelector('#sort-start:not([hidden])');
    await other.click('[data-view-link="look"]');
    await other.waitForSelector('#choose');
    assert.ok(await other.$eval('#broken', (e) => e.hidden));
    await other.goto(`${s.origin}?url=samples/lemon.svg`);
    await other.waitForSelector('body[data-state="result"]');
    await other.click('[data-view-link="sort"]');
    await other.waitForSelector('#sort-start');
    await other.evaluate(() => history.back());
    await other.waitForSelector('body[data-state="result"] #best');
    assert.match(await other.evaluate(() => location.search), /lemon/);
    await other.close();
  });

  test('nothing that the policy forbids, and no error', async () => {
    assert.deepEqual(await page.evaluate(() => violations), []);
    assert.deepEqual(errors, []);
  });
});
