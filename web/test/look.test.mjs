// What a visitor does with a picture and its answer in Look, in one visit for each browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { dist, inBrowsers, serve } from './harness.mjs';

// In the page: a picture of 640×480 with one of our drawings in its middle, or two over each other, as an address.
async function drawing(name, over) {
  const image = new Image();
  image.src = `samples/${name}.svg`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
  const g = canvas.getContext('2d');
  g.fillStyle = '#c8cdc9';
  g.fillRect(0, 0, 640, 480);
  g.drawImage(image, 80, 0, 480, 480);
  if (over) {
    image.src = `samples/${over}.svg`;
    await image.decode();
    g.globalAlpha = 0.55;
    g.drawImage(image, 80, 0, 480, 480);
  }
  return canvas.toDataURL();
}

// In the page: what the system does when something of these types is pasted.
function paste(data, files = []) {
  const clipboardData = new DataTransfer();
  for (const [type, text] of Object.entries(data)) clipboardData.setData(type, text);
  for (const file of files) clipboardData.items.add(file);
  const event = new ClipboardEvent('paste', { bubbles: true, cancelable: true });
  Object.defineProperty(event, 'clipboardData', { value: clipboardData }); // Firefox lets no script fill one
  document.body.dispatchEvent(event);
}

const [ORANGE, LEMON, MONARCH] = ['n07747607', 'n07749582', 'n02279972'];

inBrowsers('look', (w) => {
  let server;
  let origin;
  let page;
  const errors = [];
  before(async () => {
    server = spawn(serve(), ['-dir', dist, 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    origin = await new Promise((resolve) => {
      server.stdout.once('data', (text) => resolve(new URL(/http:\S+/.exec(text)[0]).origin));
    });
    page = await w.browser.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (e) => errors.push(e.message));
    await page.setViewport({ width: 1280, height: 900 });
    await page.evaluateOnNewDocument(`try { localStorage.setItem('lang', 'en'); } catch {}
      globalThis.drawing = ${drawing};
      globalThis.paste = ${paste}; globalThis.violations = [];
      addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));`);
    await page.goto(origin);
    await page.waitForSelector('#load[data-state="ready"]');
  });
  after(() => server.kill());

  const shows = (id) => page.waitForFunction((i) => document.body.dataset.state === 'result'
    && document.querySelector('.bar')?.dataset.id === i, {}, id);
  const noted = async (pattern) => {
    await page.waitForFunction((p) => new RegExp(p).test(document.querySelector('#note:not([hidden])')?.textContent),
      {}, pattern.source);
  };
  const text = (selector) => page.$eval(selector, (e) => e.textContent);
  const values = () => page.$$eval('.bar-value', (l) => l.map((e) => e.textContent).join());
  const state = () => page.$eval('body', (b) => b.dataset.state);

  test('addresses that can be read are, and all other input leaves the result on show', async () => {
    await page.evaluate(async () => paste({ 'text/plain': await drawing('orange') }));
    await shows(ORANGE);
    const seen = await values();
    for (const [data, pattern] of [
      [{ 'text/plain': 'hello' }, /No picture found/],
      [{ 'text/plain': 'https://example.org/cat.jpg' }, /other sites cannot be read/],
      [{ 'text/uri-list': '# a comment\r\nfile:///home/cat.jpg' }, /other sites cannot be read/],
      [{ 'text/plain': `${origin}/none.png` }, /could not be fetched/],
      [{ 'text/plain': 'data:image/png;base64,AAAA' }, /cannot be read as a picture/],
    ]) {
      await page.evaluate(paste, data);
      await noted(pattern);
      await page.waitForSelector('body[data-state="result"]');
      assert.equal(await values(), seen);
      await page.keyboard.press('Escape');
      await page.waitForSelector('#note[hidden]');
    }
    await page.evaluate(() => { // an empty folder
      const entry = { isDirectory: true, name: 'folder', createReader: () => ({ readEntries: (done) => done([]) }) };
      const folder = { kind: 'file', webkitGetAsEntry: () => entry };
      const event = new ClipboardEvent('paste', { bubbles: true });
      Object.defineProperty(event, 'clipboardData',
        { value: { items: [folder], files: [new File([], 'folder')], types: ['Files'], getData: () => '' } });
      document.body.dispatchEvent(event);
    });
    await noted(/holds no files/);
    assert.equal(await values(), seen);
    await page.click('#note-close');
    await page.evaluate(paste, { 'text/uri-list': `${origin}/samples/monarch.svg` });
    await shows(MONARCH);
  });

  test('the visit is a strip of pictures; Escape and the brand lead to the start, Back to the result', async () => {
    await page.evaluate(async () => paste({ 'text/plain': await drawing('lemon') }));
    await shows(LEMON);
    assert.equal((await page.$$('#strip-list button')).length, 3);
    await page.click('#strip-list li:last-child button');
    await shows(ORANGE);
    assert.equal(await page.$eval('#strip-list li:last-child button', (b) => b.ariaCurrent), 'true');
    await page.keyboard.press('Escape');
    await page.waitForSelector('body[data-state="empty"]');
    await page.evaluate(() => history.back());
    await shows(ORANGE);
    await page.evaluate(() => history.back());
    await shows(LEMON);
    await page.click('#brand');
    await page.waitForSelector('body[data-state="empty"]');
    await page.click('#strip-list li:first-child button');
    await shows(LEMON);
  });

  test('who chooses by keyboard is taken to the answer', async () => {
    await page.keyboard.press('Escape');
    await page.waitForSelector('body[data-state="empty"]');
    await page.focus('#choose');
    await page.evaluate(async () => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([await (await fetch('samples/lemon.svg')).blob()], 'lemon.svg', { type: 'image/svg+xml' }));
      const input = document.getElementById('file');
      input.files = transfer.files;
      input.dispatchEvent(new Event('change'));
    });
    await shows(LEMON);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'best');
  });

  test('the square is moved and zoomed by keys, pointer and wheel, and the answer follows', async () => {
    await page.evaluate(async () => paste({ 'text/plain': await drawing('orange') }));
    await shows(ORANGE);
    const whole = await values();
    const changes = async (act) => {
      const was = await values();
      await act();
      await page.waitForFunction((v) => [...document.querySelectorAll('.bar-value')].map((e) => e.textContent).join() !== v,
        {}, was);
      await page.waitForSelector('body[data-state="result"]');
    };
    assert.ok(await page.$eval('#reset', (b) => b.disabled));
    await page.focus('#aim');
    await changes(() => page.keyboard.press('ArrowLeft'));
    await changes(() => page.keyboard.press('+'));
    assert.ok(await page.$eval('#whole', (c) => !c.hidden));
    const { x, y } = await page.$eval('#aim', (e) => {
      const { left, top, width, height } = e.getBoundingClientRect();
      return { x: left + width / 3, y: top + height / 3 };
    });
    await page.mouse.move(x, y);
    await changes(async () => {
      await page.mouse.down();
      await page.mouse.move(x + 60, y + 30, { steps: 5 });
      await page.mouse.up();
    });
    await changes(() => page.mouse.wheel({ deltaY: -200 }));
    if (w.name === 'chromium') { // puppeteer has one finger elsewhere
      await page.focus('#aim');
      await changes(() => page.keyboard.press('0'));
      await changes(async () => {
        const one = await page.touchscreen.touchStart(x, y);
        const other = await page.touchscreen.touchStart(x + 30, y);
        for (const far of [50, 80, 110]) await other.move(x + far, y);
        await other.end();
        await one.end();
      });
      assert.ok(await page.$eval('#zoom-out', (b) => !b.disabled), 'two fingers have not zoomed in');
    }
    await changes(() => page.keyboard.press('0'));
    await page.waitForFunction((v) => [...document.querySelectorAll('.bar-value')].map((e) => e.textContent).join() === v,
      {}, whole);
    const before = await page.evaluate(() => history.length);
    await changes(() => page.click('#zoom-in'));
    assert.equal(await page.evaluate(() => history.length), before, 'another part is no other entry');
    await page.click('#strip-list li:last-child button');
    await page.click('#strip-list li:first-child button');
    assert.ok(!await page.$eval('#reset', (b) => b.disabled), 'the square is where it was left');
    await page.click('#reset');
    await page.waitForFunction((v) => [...document.querySelectorAll('.bar-value')].map((e) => e.textContent).join() === v,
      {}, whole);
  });

  test('where relatives share the probability, it says what they are', async () => {
    await page.evaluate(async () => paste({ 'text/plain': await drawing('orange', 'lemon') }));
    await page.waitForFunction(() => document.getElementById('eyebrow').textContent === 'A fruit, probably');
    assert.match(await text('#best'), /Orange|Lemon/);
    const colour = () => page.$eval('.fill', (e) => getComputedStyle(e).backgroundColor);
    const related = await colour();
    await page.click('[data-lang="zh"]');
    await page.waitForFunction(() => document.getElementById('eyebrow').textContent === '是水果，可能是');
    await page.click('[data-lang="en"]');
    await page.waitForFunction(() => document.getElementById('eyebrow').textContent === 'A fruit, probably');
    await page.evaluate(async () => paste({ 'text/plain': await drawing('orange') }));
    await shows(ORANGE);
    assert.equal(await text('#eyebrow'), 'It looks like');
    assert.equal(await colour(), related, 'bars without the colour of a warning');
  });

  test('large text of the browser fits a phone', {
    skip: w.name === 'firefox' && 'its protocol sets no text size',
  }, async () => {
    const phone = await w.browser.newPage();
    await phone.setViewport({ width: 390, height: 844 });
    const client = await phone.createCDPSession();
    await client.send('Page.setFontSizes', { fontSizes: { standard: 28, fixed: 24 } });
    await phone.goto(origin);
    await phone.waitForSelector('#load[data-state="ready"]');
    await phone.click('.sample');
    await phone.waitForSelector('body[data-state="result"]');
    const seen = await phone.evaluate((html = document.documentElement) => [
      getComputedStyle(html).fontSize, html.scrollWidth,
    ]);
    assert.deepEqual(seen, ['28px', 390]);
    await phone.close();
  });

  test('the answer is copied, and saved with its picture', async () => {
    const copied = page.evaluate(() => new Promise((resolve) => {
      Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (t) => resolve(t) }, configurable: true });
    }));
    await page.click('#copy');
    assert.match(await copied, /^Orange\t\d+\.\d%\n/);
    await noted(/Copied/);
    const saved = page.evaluate(() => new Promise((resolve) => {
      addEventListener('click', async (e) => {
        if (!(e.target instanceof HTMLAnchorElement)) return;
        e.preventDefault();
        const { width, height } = await createImageBitmap(await made);
        resolve([e.target.download, width, height]);
      }, { capture: true });
      const made = new Promise((done) => {
        const { createObjectURL } = URL;
        URL.createObjectURL = (blob) => {
          URL.createObjectURL = createObjectURL;
          done(blob);
          return createObjectURL.call(URL, blob);
        };
      });
      HTMLAnchorElement.prototype.click = function () { // not in the document
        this.hidden = true;
        document.body.append(this);
        this.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
        this.remove();
      };
    }));
    await page.click('#save');
    const [name, width, height] = await saved;
    assert.deepEqual([name, width], ['Orange.png', 1080]);
    assert.ok(height > 1500, `${height}`);
    await noted(/Saved/);
  });

  test('what the model knows is found by what people call it, in both languages', async () => {
    await page.click('#open-classes');
    await page.waitForSelector('#class-list h3');
    assert.ok(!/n\d{8}/.test(await text('#class-list')));
    for (const [query, wanted, count] of [
      ['dog', 'Golden retriever', 6], ['fruit', 'Banana', 4], ['bird', 'Goose', 6], ['snake', 'Boa constrictor', 1],
      ['monkey', 'Baboon', 3], ['shoe', 'Sandal', 1], ['狗', 'Chihuahua', 6], ['水果', 'Lemon', 4], ['蛇', 'Boa constrictor', 1],
      ['鸟', 'King penguin', 0],
    ]) {
      await page.$eval('#query', (e, q) => {
        e.value = q;
        e.dispatchEvent(new Event('input'));
      }, query);
      const found = await page.$$eval('#class-list li', (l) => l.map((e) => e.textContent));
      assert.ok(found.includes(wanted), `${query}: ${found}`);
      if (count) assert.equal(found.length, count, `${query}: ${found}`);
    }
    await page.keyboard.press('Escape');
    assert.equal(await state(), 'result', 'Escape has closed the list alone');
  });

  test('the page says what travels, the program compressed', async () => {
    const { model, files } = JSON.parse(readFileSync(path.join(dist, 'manifest.json')));
    const bytes = Number(await page.$eval('#load', (e) => e.dataset.bytes));
    const program = bytes - files[model].bytes;
    assert.ok(program > 0.2 * files['resnet.wasm'].bytes && program < 0.4 * files['resnet.wasm'].bytes, `${program}`);
  });

  test('nothing that the policy forbids, and no error', async () => {
    assert.deepEqual(await page.evaluate(() => violations), []);
    assert.deepEqual(errors, []);
  });
});
