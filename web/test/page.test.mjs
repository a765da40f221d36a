// The page as a person uses it, on dist/ behind the real server, in both browsers.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { dist, inBrowsers, serve } from './harness.mjs';

const manifest = JSON.parse(readFileSync(path.join(dist, 'manifest.json')));

const hashOf = (data) => createHash('sha256').update(data).digest('hex');

// web/serve, and before it a proxy that notes what is asked for and can fail. Below /some/where/ it leaves out all headers
// that a plain static host would not send.
async function site() {
  const dir = mkdtempSync(path.join(tmpdir(), 'resnet-serve-'));
  const server = spawn(serve(), ['-dir', dist, 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const upstream = await new Promise((resolve, reject) => {
    server.stdout.once('data', (text) => resolve(/http:\S+/.exec(text)[0]));
    server.on('exit', (code) => reject(new Error(`serve ended with ${code}`)));
  });
  const s = { asked: [], fails: () => false, edit: null, moved: false, dir };
  const proxy = http.createServer((request, response) => {
    const bare = request.url.startsWith('/some/where/');
    const url = bare ? request.url.slice('/some/where'.length) : request.url;
    s.asked.push(`${request.method} ${url}`);
    if (s.fails(url)) return response.destroy();
    if (s.moved && url === '/index.html') return response.writeHead(308, { Location: './' }).end();
    const sent = { ...request.headers };
    if (s.edit) ['accept-encoding', 'if-none-match', 'range'].forEach((h) => delete sent[h]);
    http.request(new URL(url, upstream), { method: request.method, headers: sent }, async (r) => {
      const headers = bare ? Object.fromEntries(['content-type', 'content-length', 'content-encoding'].filter((h) => r.headers[h]).map((h) => [h, r.headers[h]])) : r.headers;
      if (!s.edit || !/\.(js|json|css)$/.test(url)) return r.pipe(response.writeHead(r.statusCode, headers));
      const text = s.edit(url, Buffer.concat(await r.toArray()).toString());
      response.writeHead(r.statusCode, { ...headers, etag: '"edited"', 'content-length': Buffer.byteLength(text) }).end(text);
    }).on('error', () => response.destroy()).end();
  });
  await new Promise((resolve) => proxy.listen(0, 'localhost', resolve));
  s.origin = `http://localhost:${proxy.address().port}`;
  s.stop = () => {
    server.removeAllListeners('exit');
    server.kill();
    proxy.closeAllConnections();
    proxy.close();
    rmSync(dir, { recursive: true });
  };
  return s;
}

// In the page: a PNG of 640×480 with one of our drawings in its middle.
async function png(name) {
  const image = new Image();
  image.src = `samples/${name}.svg`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
  const g = canvas.getContext('2d');
  g.fillStyle = '#c8cdc9';
  g.fillRect(0, 0, 640, 480);
  g.drawImage(image, 80, 0, 480, 480);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

// In the page: what the system does when files are let go over it, or pasted.
function give(kind, files) {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  const init = { bubbles: true, cancelable: true };
  const target = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  if (kind === 'paste') {
    const event = new ClipboardEvent('paste', init);
    Object.defineProperty(event, 'clipboardData', { value: transfer }); // Firefox lets no script fill one
    return document.activeElement.dispatchEvent(event);
  }
  for (const type of ['dragenter', 'dragover', 'drop']) target.dispatchEvent(new DragEvent(type, { ...init, dataTransfer: transfer }));
}

const HELPERS = `globalThis.png = ${png}; globalThis.give = ${give}; globalThis.violations = [];
globalThis.started = 0;
globalThis.Worker = class extends Worker { constructor(url) { super(url); started += /worker\.js/.test(url) ? 1 : 0; } };
addEventListener('securitypolicyviolation', (e) => violations.push(e.effectiveDirective + ' ' + e.blockedURI));`;

inBrowsers('page', (w) => {
  let s;
  let pages = [];
  let shared; // a page that is at its start, for tests that need no more
  before(async () => { s = await site(); });
  after(() => s.stop());
  beforeEach(async () => {
    for (const { context } of pages.splice(0)) await context.close(); // of a test that has failed
  });

  // The start page, ready. Loading it takes seconds, so that tests share one; a fresh one has a profile of its own, with
  // nothing kept from other tests, as does another address, and a page that is not awaited.
  async function visit(address = '/', { ready = true, lang = 'en', size, fresh = address !== '/' || !ready || size } = {}) {
    if (!fresh && shared) {
      pages.push(shared);
      shared = undefined;
      return pages.at(-1).page;
    }
    const context = await w.browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const seen = { page, context, fresh, errors: [], outside: [] };
    pages.push(seen);
    page.on('pageerror', (e) => seen.errors.push(e.message));
    page.on('request', (r) => /^(blob|data):/.test(r.url()) || new URL(r.url()).origin === s.origin || seen.outside.push(r.url()));
    await page.setViewport(size ?? { width: 1280, height: 800 });
    await page.evaluateOnNewDocument(`try { localStorage.getItem('lang') ?? localStorage.setItem('lang', '${lang}') } catch {} ${HELPERS}`);
    await page.goto(s.origin + address);
    if (ready) await page.waitForSelector('#load[data-state="ready"]');
    if (!fresh) seen.entries = await page.evaluate(() => history.length);
    return page;
  }

  // Back over the results to the first entry of the history, which is the start.
  async function back({ page, entries }) {
    const steps = await page.evaluate(() => history.length) - entries;
    if (steps > 0) await page.evaluate((n) => history.go(-n), steps);
    await page.waitForSelector('body[data-state="empty"]');
    await page.evaluate(() => {
      document.getElementById('announcer').textContent = '';
      document.activeElement.blur();
    });
  }

  // Each test ends with this: no script error, nothing that the policy forbids, nothing asked of anybody else.
  async function leave(...meant) {
    for (const seen of pages.splice(0)) {
      const { page, context, fresh, errors, outside } = seen;
      assert.deepEqual(await page.evaluate(() => violations), []);
      assert.deepEqual(errors, []);
      assert.deepEqual(outside, []);
      if (fresh) await context.close();
      else shared = await back(seen).then(() => seen);
    }
    const known = new Set([...meant, '/', '/manifest.json', '/sw.js', '/favicon.ico', ...Object.keys(manifest.files).filter((f) => !/\.ts$|^(npm\.js|offline\.html|package\.json)$/.test(f)).map((f) => `/${f}`)]);
    for (const request of s.asked.splice(0)) {
      const [method, url] = request.split(' ');
      assert.ok(method === 'GET' && known.has(url), `unexpected request ${request}`);
    }
  }

  const read = (page) => page.evaluate(() => ({
    best: document.getElementById('best').textContent,
    bars: [...document.querySelectorAll('.bar')].map((b) => ({ id: b.dataset.id, label: b.querySelector('.bar-label').textContent, percent: parseFloat(b.querySelector('.bar-value').textContent), width: b.querySelector('.fill').getBoundingClientRect().width / b.querySelector('.track').getBoundingClientRect().width })),
    sure: document.getElementById('answer').dataset.sure,
    facts: document.getElementById('facts').textContent,
    spoken: document.getElementById('announcer').textContent,
    drawn: document.getElementById('crop').getContext('2d').getImageData(0, 0, 9, 9).data.some((x) => x > 0 && x < 255),
  }));
  async function result(page) {
    await page.waitForSelector('body[data-state="result"]');
    await page.waitForFunction(() => document.getElementById('announcer').textContent && document.getAnimations().length === 0);
    return read(page);
  }
  const problem = async (page) => {
    await page.waitForSelector('body[data-state="problem"]');
    return page.$eval('#problem-title', (e) => e.textContent);
  };
  const drop = (page, name) => page.evaluate(async (n) => give('drop', [new File([await png(n)], `${n}.png`, { type: 'image/png' })]), name);

  test('a dropped picture gets five classes with bars', async () => {
    const page = await visit();
    await drop(page, 'orange');
    const r = await result(page);
    assert.equal(r.bars[0].id, 'n07747607', `took an orange for: ${r.best}`);
    assert.equal(r.best, r.bars[0].label);
    assert.equal(r.bars.length, 5);
    for (const [i, b] of r.bars.entries()) {
      assert.ok(b.percent >= 0 && b.percent <= 100 && (i === 0 || b.percent <= r.bars[i - 1].percent), JSON.stringify(r.bars));
      assert.ok(Math.abs(b.width - b.percent / 100) < 0.02, `bar ${i} of ${b.percent} % is ${b.width} wide`);
    }
    assert.ok(r.drawn, 'the crop is not drawn');
    assert.match(r.facts, /\d ms/);
    assert.ok(r.spoken.toLowerCase().includes(r.best.toLowerCase()), `the announcer says "${r.spoken}"`);
    await leave();
  });

  if (w.name === 'chromium') {
    test('a file dragged in from outside, by the browser itself', async () => {
      const page = await visit();
      const file = path.join(s.dir, 'lemon.png');
      writeFileSync(file, Buffer.from(await page.evaluate(async () => [...new Uint8Array(await (await png('lemon')).arrayBuffer())])));
      const cdp = await page.createCDPSession();
      const data = { items: [], files: [file], dragOperationsMask: 1 };
      await cdp.send('Input.dispatchDragEvent', { type: 'dragEnter', x: 900, y: 300, data });
      assert.ok(await page.$eval('body', (b) => b.classList.contains('dragging')), 'nothing shows that a picture may be let go');
      await cdp.send('Input.dispatchDragEvent', { type: 'dragOver', x: 900, y: 300, data });
      await cdp.send('Input.dispatchDragEvent', { type: 'drop', x: 900, y: 300, data });
      assert.equal((await result(page)).bars[0].id, 'n07749582');
      assert.ok(!await page.$eval('body', (b) => b.classList.contains('dragging')));
      await leave();
    });
  }

  test('a pasted picture, a chosen one, and one given before the model is there', async () => {
    const page = await visit('/', { ready: false });
    await page.evaluate(async () => give('paste', [new File([await png('orange')], 'image.png', { type: 'image/png' })]));
    assert.equal((await result(page)).bars[0].id, 'n07747607');
    const file = path.join(s.dir, 'chosen.png');
    writeFileSync(file, Buffer.from(await page.evaluate(async () => [...new Uint8Array(await (await png('bell-pepper')).arrayBuffer())])));
    await (await page.$('#file')).uploadFile(file);
    await page.waitForFunction(() => document.querySelector('.bar')?.dataset.id === 'n07720875');
    assert.ok(await page.$eval('#whole', (c) => !c.hidden), 'of a picture that is not square, the whole is shown too');
    await leave();
  });

  test('every sample is named rightly', async () => {
    const page = await visit();
    const wrong = [];
    for (const button of await page.$$('.sample')) {
      const [wanted, name] = await button.evaluate((b) => {
        document.getElementById('announcer').textContent = '';
        b.click();
        return [b.dataset.id, b.title];
      });
      await page.waitForSelector('body[data-state="result"]');
      const r = await read(page);
      if (r.bars[0].id !== wanted || r.sure !== 'true') wrong.push(`${name}: ${r.bars.map((b) => `${b.label} ${b.percent} %`)} sure ${r.sure}`);
    }
    assert.deepEqual(wrong, []);
    await leave();
  });

  test('the newest picture wins', async () => {
    const page = await visit();
    await page.evaluate(async () => {
      const files = await Promise.all(['orange', 'lemon', 'bell-pepper'].map(async (n) => new File([await png(n)], n, { type: 'image/png' })));
      for (const f of files) give('drop', [f]);
    });
    const r = await result(page);
    assert.equal(r.bars[0].id, 'n07720875');
    assert.match(await page.$eval('#crop', (c) => c.getAttribute('aria-label')), /bell-pepper/);
    await leave();
  });

  const note = async (page) => {
    const text = await page.waitForSelector('#note:not([hidden]) #note-text');
    return text.evaluate((e) => e.textContent);
  };

  test('what is no picture is said, and the next picture works', async () => {
    const page = await visit();
    for (const [i, [bytes, name, type]] of [['hello', 'notes.txt', 'text/plain'], ['', 'empty.png', 'image/png'], ['\x89PNG\r\n\x1a\nxx', 'cut.png', 'image/png'], ['<svg', 'broken.svg', 'image/svg+xml']].entries()) {
      await page.evaluate((...file) => give('drop', [new File([file[0]], file[1], { type: file[2] })]), bytes, name, type);
      if (i === 0) {
        assert.match(await problem(page), /cannot be read as a picture/, name);
        assert.ok(await page.$eval('#retry', (b) => b.hidden), 'another try cannot help');
      } else { // and the result on show stays
        assert.match(await note(page), /cannot be read as a picture/, name);
        assert.equal((await result(page)).bars[0].id, 'n07747607');
      }
      await drop(page, 'orange');
      assert.equal((await result(page)).bars[0].id, 'n07747607');
    }
    for (const kind of ['drop', 'paste']) {
      await page.evaluate((k) => give(k, []), kind);
      assert.match(await note(page), /No picture found/);
      await page.click('#note-close');
      await page.waitForSelector('#note[hidden]');
    }
    await drop(page, 'lemon');
    await page.waitForFunction(() => document.querySelector('.bar')?.dataset.id === 'n07749582');
    await drop(page, 'orange');
    await page.waitForFunction(() => document.querySelector('.bar')?.dataset.id === 'n07747607');
    assert.equal((await result(page)).bars[0].id, 'n07747607');
    await leave();
  });

  test('a model that does not arrive: the picture is kept, and another try works', async () => {
    s.fails = (url) => url.endsWith('.msgpack');
    const page = await visit('/', { ready: false });
    assert.match(await problem(page), /model could not be downloaded/);
    await drop(page, 'orange');
    assert.match(await problem(page), /model could not be downloaded/);
    s.fails = () => false;
    await page.click('#retry');
    assert.equal((await result(page)).bars[0].id, 'n07747607');
    await leave();
  });

  test('the keyboard does everything', async () => {
    const page = await visit('/', { fresh: true });
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.dataset.id || document.activeElement.className);
    const tabTo = async (wanted) => {
      const way = [];
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        way.push(await focused());
        if (way.at(-1) === wanted) return;
      }
      assert.fail(`Tab does not reach ${wanted}: ${way.join(', ')}`);
    };
    await tabTo('open-classes');
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'query');
    const list = () => page.$$eval('#class-list li', (l) => l.map((e) => e.textContent));
    const all = (await list()).length;
    assert.ok((await list()).some((t) => t.startsWith('iPod')) && (await list()).some((t) => t.startsWith('Orange')));
    assert.match(await page.$eval('#classes-title', (e) => e.textContent), new RegExp(`^${all} `));
    await page.keyboard.type('n07747607');
    assert.equal((await list()).length, 1);
    for (let i = 0; i < 9; i++) await page.keyboard.press('Backspace');
    await page.keyboard.type('no such thing');
    assert.equal((await list()).length, 0);
    assert.match(await page.$eval('#none', (e) => e.innerText), /no such thing/);
    await page.keyboard.press('Escape');
    assert.equal(await focused(), 'open-classes');
    await tabTo('choose');
    await tabTo('n07747607');
    await page.keyboard.press('Enter');
    await result(page);
    assert.equal(await focused(), 'best');

    await page.evaluate(() => document.getElementById('main').focus());
    await tabTo('heat-toggle');
    await page.keyboard.press(' ');
    assert.equal(await page.$eval('#heat-toggle', (b) => b.getAttribute('aria-checked')), 'true');
    const heat = () => page.$eval('#heat', (c) => [getComputedStyle(c).opacity > 0 || c.classList.contains('on'), c.toDataURL()]);
    const [on, first] = await heat();
    assert.ok(on, 'the heat map does not show');
    await tabTo('another');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.bar')[1].getAttribute('aria-pressed') === 'true');
    assert.notEqual((await heat())[1], first, 'another class has the same heat map');
    await leave();
  });

  const chunks = Object.keys(manifest.files).filter((f) => /^chunk-/.test(f));
  const holds = (text) => `/${chunks.find((f) => readFileSync(path.join(dist, f), 'utf8').includes(text))}`;

  test('Chinese and English, of which one is loaded', async () => {
    const page = await visit('/', { fresh: true });
    const other = holds('选一张照片');
    assert.ok(!await page.evaluate((f) => performance.getEntriesByType('resource').some((e) => e.name.endsWith(f)), other));
    await drop(page, 'orange');
    const english = (await result(page)).best;
    await page.click('[data-lang="zh"]');
    await page.waitForFunction((e) => document.body.dataset.state === 'result' && document.getElementById('best').textContent !== e, {}, english);
    const chinese = await read(page);
    assert.equal(chinese.bars[0].id, 'n07747607');
    assert.match(chinese.best, /^\p{Script=Han}+$/u);
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-Hans');
    assert.equal(await page.$eval('#choose', (e) => e.textContent), '选择图片');
    assert.ok(s.asked.includes(`GET ${other}`));
    assert.equal(await page.evaluate(() => started), 1, 'no classifier is loaded for a language');
    assert.deepEqual(await page.$$eval('[data-t]', (l) => l.filter((e) => /undefined|^$/.test(e.textContent)).map((e) => e.dataset.t)), []);
    await leave();
  });

  // In Firefox, page.goBack waits for a navigation that does not come within one document.
  const go = (page, steps) => page.evaluate((n) => history.go(n), steps);

  test('each result is an entry of the history, shown again from memory', async () => {
    const page = await visit('/', { fresh: true });
    const start = await page.evaluate(() => history.length);
    const shown = (id) => page.waitForFunction((i) => document.body.dataset.state === 'result'
      && document.querySelector('.bar')?.dataset.id === i, {}, id);
    await drop(page, 'orange');
    await shown('n07747607');
    const first = await result(page);
    await drop(page, 'lemon');
    await shown('n07749582');
    await page.evaluate(() => give('paste', []));
    assert.match(await note(page), /No picture found/);
    assert.equal(await page.evaluate(() => history.length), start + 2);
    await shown('n07749582');
    await go(page, -1);
    await shown('n07747607');
    const again = await result(page);
    assert.equal(again.facts, first.facts, 'it was classified again');
    assert.ok(again.drawn, 'the crop is not drawn');
    await go(page, -1);
    await page.waitForSelector('body[data-state="empty"] #choose');
    await go(page, 1);
    await shown('n07747607');

    // Another picture takes the place of what was ahead; a place within the page changes nothing.
    await drop(page, 'bell-pepper');
    await shown('n07720875');
    await page.evaluate(() => { location.hash = '#main'; });
    await go(page, -1);
    await page.waitForFunction(() => location.hash === '');
    await shown('n07720875');
    await go(page, -1);
    await shown('n07747607');

    // After the page is loaded again, nothing is remembered.
    await page.reload();
    await page.waitForSelector('body[data-state="empty"] #choose');
    await go(page, -1);
    await page.waitForSelector('body[data-state="empty"] #choose');
    await leave();
  });

  test('an address with a wrong hash shows Look', async () => {
    for (const hash of process.env.RESNET_LONG ? ['#toString', '#%00', '#none', '#look'] : ['#toString', '#%00']) {
      const page = await visit(`/${hash}`, { ready: false });
      await page.waitForSelector('body[data-state="empty"] #choose');
      if (hash === '#toString') {
        await drop(page, 'orange');
        assert.equal((await result(page)).bars[0].id, 'n07747607', hash);
        await page.evaluate(() => { location.hash = '#elsewhere'; });
        assert.equal(await page.$eval('body', (b) => b.dataset.state), 'result');
      }
      await leave();
    }
  });

  for (const [what, text, usual] of [['view', 'samples/', 'missing'], ['language', 'Choose a photo and see what', 'broken']]) {
    test(`a ${what} that cannot be loaded is told, and another try works`, async () => {
      const chunk = holds(text);
      for (const way of process.env.RESNET_LONG ? ['missing', 'broken'] : [usual]) {
        if (way === 'missing') s.fails = (url) => url === chunk;
        else s.edit = (url, script) => (url === chunk ? '<!doctype html>' : script);
        try {
          const page = await visit('/', { ready: false });
          await page.waitForSelector('#broken:not([hidden])');
          assert.equal(await page.$eval('#outlet', (e) => e.hidden), true);
          s.fails = () => false;
          s.edit = null;
          await Promise.all([page.waitForNavigation(), page.click('#broken-retry')]);
          await page.waitForSelector('#load[data-state="ready"]');
          assert.equal(await page.$eval('#broken', (e) => e.hidden), true);
          await drop(page, 'orange');
          assert.equal((await result(page)).bars[0].id, 'n07747607', way);
        } finally {
          s.fails = () => false;
          s.edit = null;
        }
      }
      await leave();
    });
  }

  test('one worker, which does not wait for the page', async () => {
    const page = await visit('/', { fresh: true });
    assert.equal(await page.evaluate(() => started), 1);
    assert.equal(s.asked.filter((r) => r === `GET /${manifest.model}`).length, 1);
    await leave();

    s.fails = (url) => url === '/page.js';
    try {
      const early = await visit('/', { ready: false });
      await early.waitForFunction(() => started === 1 && resnetBooted.events.some((e) => e.data?.op === 'alive'));
    } finally {
      s.fails = () => false;
    }
    await leave();
  });

  for (const [what, edit, count] of [
    ['other settings', (text) => text.replace('threads:"auto"', 'threads:1'), 2],
    ['another model', (text) => text.replace(manifest.model, 'other.msgpack'), 1],
    ['a file that is no script', () => '<!doctype html>', 1],
  ]) {
    test(`the first script has ${what}`, async () => {
      s.edit = (url, text) => (url === '/boot.js' ? edit(text) : text);
      try {
        const page = await visit('/', { ready: false });
        await page.waitForSelector('#load[data-state="ready"]');
        assert.equal(await page.evaluate(() => started), count);
        assert.equal(await page.evaluate(() => globalThis.resnetBooted), undefined);
        await drop(page, 'orange');
        assert.equal((await result(page)).bars[0].id, 'n07747607');
      } finally {
        s.edit = null;
      }
      if (what.includes('script')) pages.at(-1).errors = [];
      await leave('/other.msgpack');
    });
  }

  // Firefox does not tell.
  if (w.name === 'chromium') {
    for (const [width, height, lang] of [[1280, 800, 'en'], [1350, 940, 'zh'], [900, 1000, 'en'], [412, 823, 'en']]) {
      test(`nothing shifts on ${width}×${height} in ${lang}`, async () => {
        const page = await visit('/', { lang, size: { width, height } });
        await page.waitForFunction(() => document.getElementById('foot-offline').textContent);
        const shift = await page.evaluate(() => new Promise((resolve) => {
          let sum = 0;
          new PerformanceObserver((list) => { for (const { value } of list.getEntries()) sum += value; })
            .observe({ type: 'layout-shift', buffered: true });
          setTimeout(() => resolve(sum), 300);
        }));
        assert.ok(shift <= 0.02, `${shift}`);
        await leave();
      });
    }
  }

  test('the offline file is offered with its size', async () => {
    const page = await visit();
    const link = await page.waitForSelector('#foot-offline a');
    const size = `${(manifest.files['offline.html'].bytes / 1e6).toFixed(1)} MB`;
    const offer = await link.evaluate(async (a) => {
      const { status, headers } = await fetch(a.href);
      return [a.textContent, a.download, status, headers.get('Content-Disposition')];
    });
    assert.deepEqual(offer, [`Download as one file (${size.replace(' ', '\u00A0')})`, 'resnet-web.html', 200, 'attachment; filename=resnet-web.html']);
    await leave('/offline.html');
  });

  test('below a path, without any special header', async () => {
    const page = await visit('/some/where/');
    assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    await drop(page, 'orange');
    const r = await result(page);
    assert.equal(r.bars[0].id, 'n07747607');
    assert.match(r.facts, /1 thread\b/);
    await leave();
  });

  for (const moved of [false, true]) test(`without a network, after a first visit${moved ? ' to a host that redirects index.html' : ''}`, async () => {
    s.moved = moved;
    const page = await visit('/', { fresh: true });
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    await page.evaluate(async () => {
      await navigator.serviceWorker.ready;
      // The model is put away after the page is ready.
      for (let i = 0; i < 300 && !(await (await caches.open('resnet-web')).keys()).length; i++) await new Promise((r) => setTimeout(r, 100));
    });
    s.fails = () => true;
    try {
      await page.reload();
      await page.waitForSelector('#load[data-state="ready"]');
      await drop(page, 'orange');
      assert.equal((await result(page)).bars[0].id, 'n07747607');
      assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    } finally {
      s.fails = () => false;
      s.moved = false;
    }
    await leave();
  });

  test('a new version is offered, and taken when the visitor says so', async () => {
    const page = await visit('/', { fresh: true });
    await page.evaluate(async () => { await navigator.serviceWorker.ready; });
    await page.reload();
    await page.waitForFunction(() => navigator.serviceWorker.controller);
    const css = `${readFileSync(path.join(dist, 'page.css'))}\n:root { --new: 1 }`;
    const listing = readFileSync(path.join(dist, 'manifest.json'), 'utf8');
    const next = listing.replace(manifest.version, 'ffffffffffff').replace(manifest.files['page.css'].sha256, hashOf(css));
    let given = 'not what the manifest says';
    s.edit = (url, text) => {
      if (url === '/sw.js') return text.replace(hashOf(listing), hashOf(next));
      return url === '/manifest.json' ? next : url === '/page.css' ? given : text;
    };
    try {
      await page.evaluate(async () => {
        const registration = await navigator.serviceWorker.getRegistration();
        await registration.update();
        const next = registration.installing;
        if (next) await new Promise((done) => { next.onstatechange = () => next.state === 'redundant' && done(); });
      });
      assert.ok(await page.$eval('#update', (e) => e.hidden), 'a damaged version is offered');
      given = css;
      await page.evaluate(async () => { await (await navigator.serviceWorker.getRegistration()).update(); });
      await page.waitForSelector('#update:not([hidden])');
      await page.waitForSelector('#load[data-state="ready"]');
      await Promise.all([page.waitForNavigation(), page.click('#update-now')]);
      await page.waitForFunction(() => getComputedStyle(document.documentElement).getPropertyValue('--new') === '1');
      await page.waitForSelector('#load[data-state="ready"]');
      assert.ok(await page.$eval('#update', (e) => e.hidden), 'it is offered again');
    } finally {
      s.edit = null;
    }
    await leave();
  });

  test('what the service worker has kept heals, whatever is damaged in it', async () => {
    const page = await visit('/', { fresh: true });
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.reload();
    await page.waitForFunction(() => navigator.serviceWorker.controller);
    const files = ['index.html', 'page.js', 'worker.js', 'resnet.wasm', 'manifest.json'];
    for (const damaged of process.env.RESNET_LONG ? [files, ...files.map((f) => [f])] : [files]) {
      await page.evaluate(async (names) => {
        const [shell] = (await caches.keys()).filter((name) => name.startsWith('shell '));
        const cache = await caches.open(shell);
        for (const name of names) {
          const address = new URL(name, location).href;
          const { headers } = await cache.match(address);
          await cache.put(address, new Response('not what the build made', { headers }));
        }
      }, damaged);
      await page.reload();
      await page.waitForSelector('#load[data-state="ready"]');
      for (const file of damaged) {
        const kept = await page.evaluate(async (file) => {
          const [shell] = (await caches.keys()).filter((name) => name.startsWith('shell '));
          const response = await (await caches.open(shell)).match(new URL(file, location).href);
          return [...new Uint8Array(await crypto.subtle.digest('SHA-256', await response.arrayBuffer()))];
        }, file);
        assert.equal(Buffer.from(kept).toString('hex'), hashOf(readFileSync(path.join(dist, file))), `${file} is right again`);
      }
    }
    await leave();
  });

  test('a manifest of another build, during the first visit, leaves nothing behind', async () => {
    s.edit = (url, text) => (url === '/manifest.json' ? text.replace(manifest.files[manifest.model].sha256, '0'.repeat(64)) : text);
    let page;
    try {
      page = await visit('/', { ready: false });
      assert.match(await problem(page), /model/);
    } finally {
      s.edit = null;
    }
    await page.reload();
    await page.waitForSelector('#load[data-state="ready"]');
    await page.evaluate(() => navigator.serviceWorker.ready);
    await leave();
  });

  test('text stands out from its ground in both colour schemes', async () => {
    const page = await visit();
    for (const scheme of ['light', 'dark']) {
      if (w.name === 'firefox' && scheme === 'dark') continue; // cannot be emulated there
      if (w.name === 'chromium') await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      const low = await page.evaluate(() => {
        const g = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const style = getComputedStyle(document.documentElement);
        const light = (name) => {
          g.fillStyle = style.getPropertyValue(`--${name}`);
          g.fillRect(0, 0, 1, 1);
          const [r, gr, b] = [...g.getImageData(0, 0, 1, 1).data].map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * gr + 0.0722 * b;
        };
        // WCAG 2.2, 1.4.3: 4.5 for text; 1.4.11: 3 for the outlines of controls.
        return [['ink', 'paper', 4.5], ['ink', 'card', 4.5], ['soft', 'paper', 4.5], ['soft', 'card', 4.5], ['soft', 'accent-soft', 4.5], ['accent-ink', 'accent', 4.5], ['warn', 'warn-soft', 4.5], ['accent', 'paper', 3], ['line-strong', 'card', 3], ['line-strong', 'paper', 3]]
          .map(([a, b, want]) => [a, b, want, (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05)])
          .filter(([, , want, got]) => got < want);
      });
      assert.deepEqual(low, [], scheme);
    }
    if (w.name === 'chromium') await page.emulateMediaFeatures([]);
    await leave();
  });
});
