// <resnet-classifier> on the pages of others: what it loads and when, under which policies it works, whom it believes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { inBrowsers } from './harness.mjs';
import { host, modelName, site } from './site.mjs';

const scene = readFileSync(path.join(import.meta.dirname, 'pictures/scene.png')).toString('base64');

// Runs in each page before its own scripts.
const HELPERS = `
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', (e) => e.blockedURI.endsWith('/favicon.ico') || violations.push(e.effectiveDirective + ' ' + e.blockedURI));
  globalThis.told = [];
  for (const type of ['ready', 'progress', 'result', 'error']) {
    document.addEventListener(type, (e) => e.detail && told.push({ type, id: e.target.id, code: e.detail.code, message: e.detail.message, place: [e.detail.index, e.detail.count].filter((x) => x !== undefined), detail: type === 'error' ? null : e.detail }), true);
  }
  globalThis.scene = () => new Blob([Uint8Array.from(atob('${scene}'), (c) => c.charCodeAt(0))], { type: 'image/png' });
  globalThis.alive = new Set(); // workers, here and in frames
  globalThis.most = 0;
  globalThis.Worker = class extends Worker {
    constructor(...args) {
      super(...args);
      alive.add(this);
      most = Math.max(most, alive.size);
    }

    terminate() {
      alive.delete(this);
      super.terminate();
    }
  };
  globalThis.failure = (promise) => promise.then(() => 'none', (e) => ({ code: e.code, name: e.name, message: e.message }));
  globalThis.element = (id) => document.querySelector(id ? '#' + id : 'resnet-classifier');
`;

// Declares helpers for one suite: two sites of others, one of ours, pages in profiles of their own.
function fixture(w, options) {
  const f = {};
  before(async () => {
    f.site = await site(options);
    f.host = await host();
  });
  after(() => {
    f.site.stop();
    f.host.stop();
  });
  f.html = (attributes = '', inside = '') => `<script type="module" src="${f.site.origin}/embed.js"></script><resnet-classifier ${attributes}>${inside}</resnet-classifier>`;
  f.open = async (html, headers, address = f.host.page(html, headers)) => {
    const context = await w.browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.leave = () => context.close();
    page.errors = [];
    page.on('pageerror', (e) => page.errors.push(e.message));
    await page.evaluateOnNewDocument(HELPERS);
    await page.goto(address);
    return page;
  };
  f.frame = (page) => page.frames().find((frame) => frame.url() === `${f.site.origin}/embed.html`);
  return f;
}

const defined = (page) => page.waitForFunction(() => document.querySelector('resnet-classifier')?.shadowRoot);
const event = async (page, type, from = 0) => {
  await page.waitForFunction((t, n) => told.slice(n).some((e) => e.type === t), {}, type, from);
  return page.evaluate((t, n) => told.slice(n).find((e) => e.type === t), type, from);
};
const start = async (page) => {
  await defined(page);
  await page.click('resnet-classifier');
  return (await event(page, 'ready')).detail;
};

inBrowsers('embed', (w) => {
  const f = fixture(w);

  test('nothing is loaded until the button is pressed; then pictures are classified in the frame', async () => {
    f.site.asked.length = 0;
    const page = await f.open(`<main>${f.html('heatmap')}</main>`);
    await defined(page);
    await page.evaluate(() => new Promise((r) => { setTimeout(r, 300); }));
    assert.deepEqual(f.site.asked, ['/embed.js']);
    assert.equal(await page.evaluate(() => element().shadowRoot.querySelector('iframe')), null);
    const seen = () => page.evaluate(() => {
      const [button, link] = ['button', 'a'].map((tag) => element().shadowRoot.querySelector(tag));
      return { button: button.hidden ? '' : button.innerText, link: link.checkVisibility() ? link.href : '' };
    });
    const before = await seen();
    assert.match(before.button, /What is in this picture\?\s+Start \(\d+ MB, once\)\s+Runs on your device/);
    assert.equal(before.link, '');

    // By keyboard: the button is reached and pressed, and the focus goes on into the frame.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const { detail: info } = await event(page, 'ready');
    assert.equal(info.classes.length, 10);
    assert.equal(info.threads, 1, 'a page that is not isolated has no shared memory');
    assert.equal(await page.evaluate(() => element().shadowRoot.activeElement?.localName), 'iframe');
    assert.deepEqual(await page.evaluate(() => [...new Set(told.filter((e) => e.type === 'progress').map((e) => e.detail.phase))].sort()), ['model', 'runtime', 'warmup']);
    assert.equal(await page.evaluate(() => element().info.architecture), info.architecture);
    assert.deepEqual(await seen(), { button: '', link: `${f.site.origin}/` });

    // The visitor's own picture, dropped on the frame: the page is told the answer.
    const frame = f.frame(page);
    await frame.evaluate((base64) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'mine.png', { type: 'image/png' }));
      document.getElementById('drop').dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }, scene);
    const { detail: result } = await event(page, 'result');
    assert.equal(result.predictions.length, 5);
    assert.ok(result.predictions[0].probability >= result.predictions[4].probability);
    assert.ok(result.heatmap.width > 0 && result.heatmap.box.width > 0);
    await frame.waitForSelector('body[data-state="result"]');
    assert.equal((await frame.$eval('#best', (e) => e.textContent)).toLowerCase(), result.predictions[0].label.toLowerCase());
    assert.ok(await frame.$eval('#heat', (e) => e.classList.contains('on')), 'the attribute heatmap shows it');

    // Several at once are looked at one after the other.
    await frame.evaluate((base64) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      for (const name of ['1.png', '2.png', '3.png']) transfer.items.add(new File([bytes], name, { type: 'image/png' }));
      document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer }));
    }, scene);
    await page.waitForFunction(() => told.filter((e) => e.type === 'result').length === 4);
    await frame.waitForSelector('body[data-state="result"]');

    // The frame is as high as what it shows, at any width.
    for (const width of [900, 380]) {
      await page.setViewport({ width, height: 900 });
      const fits = async () => {
        const outer = await page.evaluate(() => element().shadowRoot.querySelector('iframe').getBoundingClientRect().height);
        const inner = await frame.evaluate(() => document.documentElement.getBoundingClientRect().height);
        return [Math.abs(outer - inner) <= 1 && outer > 200, outer, inner];
      };
      let fit;
      for (let i = 0; i < 300 && !(fit = await fits())[0]; i++) await new Promise((r) => { setTimeout(r, 100); });
      assert.ok(fit[0], `at ${width} pixels the frame is ${fit[1]} high, its content ${fit[2]}`);
    }
    const wanted = ['/embed.js', '/embed.html', '/embed.css', '/frame.js', '/chunk', '/embed.json', '/resnet.js', '/worker.js', '/resnet.wasm', '/manifest.json', `/${modelName}`];
    const asked = f.site.asked.map((a) => a.replace(/^\/chunk-\w+\.js$/, '/chunk'));
    assert.deepEqual(asked.filter((a, i) => a !== '/chunk' || asked.indexOf(a) === i).toSorted(), wanted.toSorted());
    assert.deepEqual([await page.evaluate(() => violations), await frame.evaluate(() => violations), page.errors], [[], [], []]);
    await page.leave();
  });

  test('several files at once: an event for each, in order', async () => {
    const page = await f.open(f.html());
    await start(page);
    const frame = f.frame(page);
    const [scenes, photo, text] = ['scene.png', 'baseline.jpg', 'make.py'].map((name) => path.join(import.meta.dirname, 'pictures', name));
    const heard = async (count, from = 0) => {
      const isOver = (n, start) => told.slice(start).filter((e) => /result|error/.test(e.type)).length === n;
      await page.waitForFunction(isOver, {}, count, from);
      return page.evaluate((start) => told.slice(start).filter((e) => /result|error/.test(e.type)).map(({ type, code, place }) => [type, code ?? null, ...place]), from);
    };
    const shown = () => frame.evaluate(() => [document.getElementById('place').textContent, document.querySelectorAll('#strip:not([hidden]) button').length]);
    await (await frame.$('#file')).uploadFile(scenes, text, photo);
    const files = [['result', null, 0, 3], ['error', 'image-decode', 1, 3], ['result', null, 2, 3]];
    // Files come in the order of their names, wherever they were chosen.
    const order = (await heard(3)).map(([type]) => type);
    assert.deepEqual(order.toSorted(), ['error', 'result', 'result']);
    assert.deepEqual((await heard(3)).map((e) => e.slice(2)), files.map((e) => e.slice(2)));
    assert.equal((await heard(3)).filter(([, code]) => code === 'image-decode').length, 1);
    await frame.waitForSelector('body[data-state="result"]');
    assert.deepEqual(await shown(), ['3 of 3', 2]);

    // Dropped, with one that is no picture and one that can no longer be read; and pictures of the site in between.
    let from = await page.evaluate(() => told.length);
    const drop = (...list) => frame.evaluate((base64, names) => {
      const dataTransfer = new DataTransfer();
      for (const name of names) {
        const bytes = name.endsWith('.txt') ? [1] : Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: 'image/png' }));
      }
      document.getElementById('stage').dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
    }, scene, list);
    await drop('1.png', '2.txt', '3.png', '4.png');
    assert.deepEqual(await heard(4, from), [['result', null, 0, 4], ['error', 'image-decode', 1, 4], ['result', null, 2, 4], ['result', null, 3, 4]]);
    assert.deepEqual(await shown(), ['4 of 4', 5]);
    assert.equal(await page.evaluate(async () => (await element().classify(scene())).index), undefined);
    assert.equal((await shown())[0], '');

    // What is dropped next ends what has not had its turn.
    from = await page.evaluate(() => told.length);
    await drop(...Array.from({ length: 200 }, (_, i) => `${i}.png`));
    await page.waitForFunction((start) => told.slice(start).some((e) => e.place[0] === 1), {}, from);
    await drop('mine.png');
    await page.waitForFunction((start) => told.slice(start).some((e) => e.type === 'result' && e.place.length === 0), {}, from);
    await page.evaluate(() => new Promise((r) => { setTimeout(r, 500); }));
    const all = await page.evaluate((start) => told.slice(start).map(({ place }) => place[0] ?? -1), from);
    assert.ok(all.length < 200, `${all.length} events`);
    assert.deepEqual(all, [...Array(all.length - 1).keys(), -1]);

    // Another model in the meantime: none is left out.
    from = await page.evaluate(() => told.length);
    await drop('a.png', 'b.png', 'c.png');
    await page.evaluate(() => element().setAttribute('model', './'.repeat(3) + new URL(element().info.model).pathname.slice(1)));
    await page.waitForFunction((start) => told.slice(start).some((e) => e.place[0] === 2), {}, from);
    const places = await page.evaluate((start) => told.slice(start).filter((e) => e.type === 'result').map((e) => e.place[0]), from);
    assert.deepEqual([...new Set(places)], [0, 1, 2]);
    assert.deepEqual(page.errors, []);
    await page.leave();
  });

  test('methods, properties and attributes', async () => {
    const page = await f.open(f.html('top-k="2"'));
    await defined(page);
    const r = await page.evaluate(async () => {
      const c = element();
      const out = { before: [c.topK, c.threshold, c.heatmap, c.theme, c.model, c.info] };
      const first = c.classify(scene()); // starts it
      out.early = await failure(c.classify(scene(), { signal: AbortSignal.abort() }));
      out.first = await first;
      out.buffer = await c.classify(await scene().arrayBuffer());
      const abort = new AbortController();
      const given = c.classify(scene(), { signal: abort.signal });
      abort.abort();
      out.aborted = await failure(given);
      out.many = (await Promise.all(Array.from({ length: 8 }, () => c.classify(scene())))).map((x) => x.predictions[0].index);
      c.topK = 4;
      c.heatmap = true;
      out.more = await c.classify(scene());
      c.threshold = 0.99;
      out.none = await c.classify(scene());
      c.threshold = null;
      out.type = await failure(c.classify('cat.png'));
      out.option = await failure(c.classify(scene(), { sgnal: undefined }));
      out.large = await failure(c.classify(new Blob([new Uint8Array((64 << 20) + 1)])));
      out.text = await failure(c.classify(new Blob(['hello'])));
      out.next = (await c.classify(scene())).predictions.length;
      out.attributes = c.outerHTML;
      out.errors = told.filter((e) => e.type === 'error').map((e) => e.code);
      out.loose = await failure(document.createElement('resnet-classifier').classify(scene()));
      return out;
    });
    assert.deepEqual(r.before, [2, 0, false, 'auto', '', null]);
    assert.equal(r.first.predictions.length, 2);
    assert.equal(r.first.heatmap, undefined);
    assert.ok(r.first.timings.total > 0);
    assert.deepEqual(r.buffer.predictions, r.first.predictions);
    assert.deepEqual([r.early.code, r.aborted.code, r.aborted.name], ['aborted', 'aborted', 'AbortError']);
    assert.deepEqual(r.many, Array(8).fill(r.first.predictions[0].index));
    assert.equal(r.more.predictions.length, 4);
    assert.ok(r.more.heatmap.width > 0);
    assert.deepEqual(r.none.predictions, []);
    assert.match(r.option.message, /sgnal: .*did you mean signal\?/);
    assert.deepEqual([r.type.code, r.large.code, r.text.code, r.loose.code], ['bad-option', 'image-too-large', 'image-decode', 'closed']);
    assert.equal(r.next, 4);
    assert.match(r.attributes, /top-k="4".*heatmap=""/);
    assert.deepEqual(r.errors, ['image-decode'], 'what fails in the frame is told as an event too');
    await page.leave();
  });

  test('what throws, is of another frame or only calls itself a picture', async () => {
    const page = await f.open(f.html());
    await defined(page);
    const r = await page.evaluate(async () => {
      const c = element();
      const { proxy: revoked, revoke } = Proxy.revocable({}, {});
      revoke();
      const nothing = Object.create(null);
      const wrong = [];
      for (const image of [null, nothing, revoked, Symbol(), new Proxy(scene(), {}), { [Symbol.toStringTag]: 'Blob', size: '9' }, new ArrayBuffer(8, { maxByteLength: 16 })]) wrong.push(await failure(c.classify(image)));
      for (const options of [null, 5, revoked, { signal: 5 }, { signal: revoked }, { signal: { [Symbol.toStringTag]: 'AbortSignal' } }, { get signal() { throw revoked; } }]) wrong.push(await failure(c.classify(scene(), options)));
      for (const name of ['topK', 'threshold', 'model', 'theme']) wrong.push(await failure((async () => { c[name] = nothing; })()));
      const { contentWindow: other } = document.body.appendChild(document.createElement('iframe'));
      const bytes = new Uint8Array(await scene().arrayBuffer());
      const buffer = new other.ArrayBuffer(bytes.length);
      new Uint8Array(buffer).set(bytes);
      const taken = [];
      for (const image of [new other.Blob([bytes]), new other.File([bytes], 'a.png'), buffer]) taken.push((await c.classify(image, { signal: new other.AbortController().signal })).predictions.length);
      other.document.body.append(c);
      const moved = [await failure(c.load()), await failure(c.classify(scene()))];
      c.addEventListener('error', (e) => moved.push({ code: e.detail.code, message: e.detail.message }));
      c.shadowRoot.querySelector('button').click();
      document.body.append(c);
      return { wrong, taken, moved, back: (await c.classify(scene())).predictions.length, sheets: c.shadowRoot.adoptedStyleSheets.length };
    });
    for (const e of r.wrong) assert.equal(e.code, 'bad-option', JSON.stringify(e));
    assert.deepEqual([r.taken, r.back, r.sheets], [[5, 5, 5], 5, 1]);
    assert.equal(r.moved.length, 3);
    for (const e of r.moved) assert.ok(e.code === 'embed-refused' && /load embed.js there/.test(e.message), JSON.stringify(e));
    assert.deepEqual(page.errors, []);
    await page.leave();
  });

  test('an option that is wrong, a model that is not there, and then the right ones', async () => {
    const page = await f.open(f.html(`model="${f.host.origin}/a.msgpack" top-k="many"`));
    await start(page);
    const complaints = await page.evaluate(() => told.filter((e) => e.type === 'error').map((e) => `${e.code} ${e.message}`));
    assert.equal(complaints.length, 2, complaints);
    assert.match(complaints.join(), /bad-option resnet: model: want .*got 'http.*bad-option resnet: topK: want a whole number from 1 to 100, got NaN/);
    const r = await page.evaluate(async () => {
      const c = element();
      c.topK = null;
      const loaded = told.filter((e) => e.type === 'ready').length;
      c.model = 'none.msgpack';
      const missing = await failure(c.classify(scene()));
      const again = await failure(c.load());
      c.model = null;
      const info = await c.load();
      const fine = (await c.classify(scene())).predictions.length;
      // What changes nothing, or is refused, leaves the classifier as it is, and load() comes back.
      const same = [];
      for (const [name, value] of [['lang', 'en'], ['model', new URL(info.model).pathname.slice(1)], ['model', '/a/page'], ['model', 'a.msgpack?secret'], ['model', '//evil.example/a.msgpack']]) {
        c.setAttribute(name, value);
        same.push((await c.load()).classes.length, c.info !== null);
      }
      // What is wrong beside it does not make load() fail.
      c.model = null;
      const pending = c.load();
      c.topK = 0;
      same.push((await pending).classes.length);
      c.topK = null;
      return { missing, again, classes: info.classes.length, fine, same, loaded };
    });
    assert.deepEqual(r.same, [...Array.from({ length: 5 }, () => [10, true]).flat(), 10]);
    assert.equal(r.missing.code, 'model-fetch');
    assert.match(r.missing.message, /none\.msgpack.*404/);
    assert.equal(r.again.code, 'model-fetch');
    assert.deepEqual([r.classes, r.fine], [10, 5]);
    await page.leave();
  });

  test('150 changes in a second leave one classifier', async () => {
    const page = await f.open(f.html());
    await start(page);
    const r = await page.evaluate(async (name) => {
      const c = element();
      for (let i = 0; i < 150; i++) {
        if (i % 2) c.lang = ['en', 'zh', 'de'][i % 3];
        else c.model = i % 4 ? '' : `${name}`;
        await new Promise((resolve) => { setTimeout(resolve, 6); });
      }
      c.lang = 'zh';
      c.model = '';
      const info = await c.load();
      const { predictions } = await c.classify(scene());
      return { label: info.classes[0].label, answer: predictions[0].label, errors: told.filter((e) => e.type === 'error') };
    }, modelName);
    assert.match(r.label, /[\u4e00-\u9fff]/);
    assert.match(r.answer, /[\u4e00-\u9fff]/);
    assert.deepEqual(r.errors, []);
    assert.deepEqual(await f.frame(page).evaluate(() => [alive.size, most <= 2]), [1, true]);
    await page.leave();
  });

  test('colours, themes and languages', async () => {
    const page = await f.open(`<style>resnet-classifier { --resnet-accent: rgb(200, 0, 100); --resnet-radius: 3px; --resnet-paper: red; --resnet-ink: url(https://evil.example/); }</style><main lang="zh_Hans">${f.html('theme="dark"')}</main>`);
    await start(page);
    assert.deepEqual(await page.evaluate(() => told.filter((e) => e.type === 'error')), []);
    const frame = f.frame(page);
    const look = () => frame.evaluate(() => {
      const css = getComputedStyle(document.documentElement);
      const body = getComputedStyle(document.body);
      return { accent: getComputedStyle(document.getElementById('choose')).backgroundColor, paper: body.backgroundColor, ink: body.color, radius: css.getPropertyValue('--radius').trim(), scheme: css.colorScheme, text: document.getElementById('choose').textContent };
    });
    const dark = await look();
    assert.deepEqual([dark.accent, dark.paper, dark.radius, dark.scheme, dark.text], ['rgb(200, 0, 100)', 'rgb(255, 0, 0)', '3px', 'dark', '选择图片']);
    const label = await page.evaluate(async () => (await element().classify(scene())).predictions[0].label);
    assert.match(label, /[\u4e00-\u9fff]/);
    const told = await page.evaluate(() => globalThis.told.length);
    await page.evaluate(() => {
      element().style.setProperty('--resnet-paper', 'initial');
      element().theme = 'light';
      element().lang = 'en';
    });
    await event(page, 'ready', told);
    await page.waitForFunction((n) => globalThis.told.slice(n).some((e) => e.type === 'result'), {}, told);
    const light = await look();
    assert.deepEqual([light.accent, light.scheme, light.text], ['rgb(200, 0, 100)', 'light', 'Choose a picture']);
    assert.ok(light.ink !== dark.ink && light.paper !== dark.paper, JSON.stringify([light, dark]));
    assert.match(await frame.$eval('#best', (e) => e.textContent), /class/i);
    await page.leave();
  });

  test('two on one page share a download, and a third that is not pressed loads nothing', async () => {
    for (const together of [false, true]) {
      f.site.asked.length = 0;
      const page = await f.open(['a', 'b', 'c'].map((id) => f.html(`id="${id}"`)).join(''));
      await defined(page);
      const load = (...ids) => page.evaluate(async (list) => {
        await Promise.all(list.map((id) => element(id).load()));
      }, ids);
      if (together) await load('a', 'b');
      else {
        await load('a');
        // It is kept after it is used.
        await f.frame(page).waitForFunction(async () => (await (await caches.open('resnet-web')).keys()).length > 0);
        await load('b');
      }
      const results = await page.evaluate(() => Promise.all(['a', 'b'].map(async (id) => (await element(id).classify(scene())).predictions[0].index)));
      assert.equal(results[0], results[1]);
      assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('resnet-classifier')].map((e) => Boolean(e.shadowRoot.querySelector('iframe')))), [true, true, false]);
      assert.equal(f.site.asked.filter((url) => url === `/${modelName}`).length, 1, `pressed ${together ? 'together' : 'one after the other'}`);
      await page.leave();
    }
  });

  test('out of the document it ends, and put back it is a button again', async () => {
    const page = await f.open('');
    const r = await page.evaluate(async (script) => {
      const signals = [];
      const listen = EventTarget.prototype.addEventListener;
      EventTarget.prototype.addEventListener = function (type, listener, options) {
        if (this === window || this instanceof MediaQueryList) signals.push(options?.signal);
        return listen.call(this, type, listener, options);
      };
      const { ResnetClassifierElement } = await import(script);
      const c = new ResnetClassifierElement();
      document.body.append(c);
      await c.load();
      const held = [signals.length, signals.every((s) => s && !s.aborted)];
      const asked = failure(c.classify(scene()));
      const loading = failure(c.load());
      c.remove();
      const out = { held, asked: await asked, loading: await loading, ended: signals.every((s) => s.aborted), frame: c.shadowRoot.querySelector('iframe'), info: c.info };
      postMessage({ resnet: 'hello', version: 1 }, '*');
      document.body.append(c);
      out.button = !c.shadowRoot.querySelector('button').hidden && !c.shadowRoot.querySelector('iframe');
      out.again = (await c.classify(scene())).predictions.length;
      return out;
    }, `${f.site.origin}/embed.js`);
    assert.deepEqual(r.held, [2, true]);
    assert.equal(r.asked.code, 'closed');
    assert.ok(r.loading === 'none' || r.loading.code === 'closed');
    assert.deepEqual([r.ended, r.frame, r.info, r.button, r.again], [true, null, null, true, 5]);
    assert.deepEqual(page.errors, []);
    await page.leave();
  });

  if (w.name === 'chromium') {
    test('a picture from the camera', async () => {
      const page = await f.open(f.html());
      await start(page);
      const frame = f.frame(page);
      await frame.click('#photo');
      await frame.waitForFunction(() => document.getElementById('video').videoWidth > 0);
      await frame.$eval('#shoot', (b) => b.click()); // by the mouse it may be missed: the frame grows with the video
      const { detail } = await event(page, 'result');
      assert.equal(detail.predictions.length, 5);
      assert.equal(await frame.evaluate(() => document.getElementById('video').srcObject), null, 'the camera stays on');
      const live = await frame.evaluate(async () => {
        const streams = [];
        const { mediaDevices } = navigator;
        const ask = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (wanted) => {
          streams.push(await ask(wanted));
          return streams.at(-1);
        };
        const button = (id) => document.getElementById(id).click();
        // Which of so many streams are on; some time is given for that to become no more than so many.
        const live = async (count, on) => {
          for (let i = 0; ; i++) {
            await new Promise((r) => { setTimeout(r, 100); });
            const lives = streams.map((s) => s.getTracks().some((track) => track.readyState === 'live'));
            if (streams.length === count && lives.filter(Boolean).length <= on || i === 300) return lives;
          }
        };
        button('photo');
        button('photo');
        const twice = await live(2, 1);
        button('back');
        button('photo');
        button('back');
        return [twice, await live(3, 0)];
      });
      assert.deepEqual(live, [[false, true], [false, false, false]], 'a camera stays on that nobody sees');
      await page.leave();
      const closed = await f.open(f.html(), { 'Permissions-Policy': 'camera=()' });
      await start(closed);
      assert.ok(await f.frame(closed).$eval('#photo', (e) => e.hidden), 'a camera is offered that the page around forbids');
      await closed.leave();
    });
  }
});

inBrowsers('embed under the rules of others', (w) => {
  const f = fixture(w);
  const strict = (policy) => ({ 'Content-Security-Policy': `default-src 'none'; ${policy}` });
  const guide = readFileSync(path.join(import.meta.dirname, '../README.md'), 'utf8');
  const rows = Object.fromEntries([...guide.matchAll(/^\| ([^|]+) \| `([^`]*-src [^`]*)` \|$/gm)].map(([, way, policy]) => [way, policy]));
  const ours = (text) => text.replaceAll('https://resnet.example', f.site.origin);

  // What each way in shows when it works.
  const ways = {
    element: async (policy) => {
      const page = await f.open(f.html(), strict(policy));
      try {
        if (!await page.evaluate(() => customElements.get('resnet-classifier') !== undefined)) return 'not defined';
        const classes = await page.evaluate(() => element().load().then((info) => info.classes.length, (e) => e.code));
        if (classes === 10) assert.deepEqual(await page.evaluate(() => violations), []);
        return classes === 10 ? 'works' : classes;
      } finally {
        await page.leave();
      }
    },
    'frame by hand': async (policy) => {
      const page = await f.open(`<iframe src="${f.site.origin}/embed.html" allow="cross-origin-isolated; camera" width="640" height="420"></iframe>`, strict(policy));
      try {
        const frame = f.frame(page);
        if (!frame || !await frame.$('#file').catch(() => null)) return 'no frame';
        await frame.evaluate((base64) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'mine.png', { type: 'image/png' }));
          document.getElementById('file').files = transfer.files;
          document.getElementById('file').dispatchEvent(new Event('change'));
        }, scene);
        await frame.waitForSelector('body[data-state="result"]', { timeout: 60_000 });
        assert.deepEqual([await page.evaluate(() => violations), await frame.evaluate(() => violations)], [[], []]);
        return 'works';
      } finally {
        await page.leave();
      }
    },
    'API from another origin': async (policy) => {
      const page = await f.open('', strict(policy));
      try {
        const found = await page.evaluate(async (script) => {
          try {
            const { createClassifier } = await import(script);
            const c = await createClassifier();
            return (await c.classify(scene())).predictions.length === 5 ? 'works' : 'wrong';
          } catch (e) {
            return String(e.code ?? e);
          }
        }, `${f.site.origin}/resnet.js`);
        if (found === 'works') assert.deepEqual(await page.evaluate(() => violations), []);
        return found;
      } finally {
        await page.leave();
      }
    },
  };

  test('the guide has a row for each way in', () => assert.deepEqual(Object.keys(rows), Object.keys(ways)));

  for (const [way, works] of Object.entries(ways)) {
    test(`${way}: works under the policy of the guide, and not with less`, { timeout: 200_000 }, async () => {
      const policy = ours(rows[way]);
      assert.equal(await works(way.startsWith('API') ? policy : `${policy}; require-trusted-types-for 'script'`), 'works');
      const directives = policy.split('; ');
      for (const [i, directive] of directives.entries()) {
        const [name, ...sources] = directive.split(' ');
        for (const source of sources) {
          const less = directives.with(i, [name, ...sources.filter((s) => s !== source)].join(' ')).map((d) => (d.includes(' ') ? d : `${d} 'none'`)).join('; ');
          assert.notEqual(await works(less), 'works', `it also works with ${less}`);
        }
      }
    });
  }

  test('a frame that does not come is told, and the button comes back', async () => {
    const page = await f.open(f.html(), strict(`script-src ${f.site.origin}`));
    const r = await page.evaluate(async () => ({ load: await failure(element().load()), button: !element().shadowRoot.querySelector('button').hidden, frame: element().shadowRoot.querySelector('iframe') }));
    assert.equal(r.load.code, 'embed-unreachable');
    assert.match(r.load.message, /frame-src http/);
    assert.deepEqual([r.button, r.frame], [true, null]);
    assert.equal((await event(page, 'error')).code, 'embed-unreachable');
    await page.leave();
  });

  for (const coep of ['require-corp', 'credentialless']) {
    test(`an isolated page (${coep}) gets threads`, async () => {
      const page = await f.open(f.html(), { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': coep });
      const isolated = await page.evaluate(() => crossOriginIsolated);
      if (coep === 'require-corp') assert.ok(isolated);
      const info = await start(page);
      assert.equal(await f.frame(page).evaluate(() => crossOriginIsolated), isolated);
      if (isolated && await page.evaluate(() => navigator.hardwareConcurrency) > 1) assert.ok(info.threads > 1, `${info.threads} threads`);
      assert.equal(await page.evaluate(async () => (await element().classify(scene())).predictions.length), 5);
      await page.leave();
    });
  }

  test('a page that is itself in a sandbox', async () => {
    const inner = f.host.page(f.html());
    const run = async (sandbox) => {
      const page = await f.open(`<iframe sandbox="${sandbox}" src="${inner}"></iframe>`);
      const frame = page.frames().find((x) => x.url() === inner);
      await defined(frame);
      const r = await frame.evaluate(() => element().classify(scene()).then((x) => x.predictions.length, (e) => `${e.code}: ${e.message}`));
      await page.leave();
      return r;
    };
    assert.equal(await run('allow-scripts allow-same-origin'), 5);
    assert.match(await run('allow-scripts'), /^embed-refused: .*allow-same-origin/);
  });

  test('the snippets of the guide', async () => {
    const snippets = [...guide.matchAll(/^```html\n([^]*?)^```/gm)].map(([, text]) => ours(text));
    assert.equal(snippets.length, 5);
    for (const text of snippets) {
      const page = await f.open(text);
      if (text.includes('<resnet-classifier')) {
        const info = await start(page);
        assert.equal(info.classes.length, 10);
        if (text.includes('id="file"')) {
          await (await page.$('#file')).uploadFile(path.join(import.meta.dirname, 'pictures/scene.png'));
          await event(page, 'result');
        }
      }
      if (text.includes('id="label"')) await page.waitForFunction(() => /class|not sure/.test(document.getElementById('label').textContent));
      if (text.includes('<iframe')) await f.frame(page).waitForSelector('#choose');
      assert.deepEqual([page.errors, await page.evaluate(() => told.filter((e) => e.type === 'error'))], [[], []], text);
      await page.leave();
    }
  });
});

inBrowsers('embed and liars', (w) => {
  const f = fixture(w);

  // A page that speaks to the frame itself. Answers of the port gather in heard.
  const speak = async (page, { version = 1, ports = 1 } = {}) => page.evaluate(async (src, v, n) => {
    const frame = Object.assign(document.createElement('iframe'), { src });
    const hello = new Promise((resolve) => addEventListener('message', (e) => e.source === frame.contentWindow && resolve(e.data)));
    document.body.append(frame);
    const said = await hello;
    const { port1, port2 } = new MessageChannel();
    globalThis.heard = [];
    globalThis.port = port1;
    port1.onmessage = (e) => heard.push(e.data);
    frame.contentWindow.postMessage({ resnet: 'connect', version: v, options: {} }, '*', n === 1 ? [port2] : n === 0 ? [] : [port2, new MessageChannel().port2]);
    return said;
  }, `${f.site.origin}/embed.html`, version, ports);
  const hears = (page, test) => page.waitForFunction(`heard.some(${test})`);
  const silence = () => new Promise((r) => { setTimeout(r, 700); });

  test('the frame wants the right version, one port, and its own parent', async () => {
    const page = await f.open('');
    assert.deepEqual(await speak(page), { resnet: 'hello', version: 1 });
    await hears(page, "(m) => m.event === 'ready'");

    await speak(page, { version: 2 });
    await hears(page, "(m) => m.event === 'error'");
    assert.deepEqual(await page.evaluate(() => heard.map((m) => [m.event, m.detail.code])), [['error', 'embed-refused']]);

    for (const ports of [0, 2]) {
      await speak(page, { ports });
      await silence();
      assert.deepEqual(await page.evaluate(() => heard), [], `with ${ports} ports`);
    }

    // A window beside it that the parent has made, of the parent's own origin.
    f.site.asked.length = 0;
    const r = await page.evaluate(async (src) => {
      const frame = Object.assign(document.createElement('iframe'), { src });
      const hello = new Promise((resolve) => addEventListener('message', (e) => e.source === frame.contentWindow && resolve()));
      document.body.append(frame);
      await hello;
      const liar = document.createElement('iframe');
      document.body.append(liar);
      const { port1, port2 } = new MessageChannel();
      const answers = [];
      port1.onmessage = (e) => answers.push(e.data);
      liar.contentWindow.eval('globalThis.say = (to, ...rest) => to.postMessage(...rest)');
      liar.contentWindow.say(frame.contentWindow, { resnet: 'connect', version: 1, options: {} }, '*', [port2]);
      await new Promise((resolve) => { setTimeout(resolve, 700); });
      return answers;
    }, `${f.site.origin}/embed.html`);
    assert.deepEqual(r, []);
    assert.ok(!f.site.asked.includes('/resnet.wasm'), 'it was made to load');
    await page.leave();
  });

  test('the element wants its own frame, from the exact origin, with the right version', async () => {
    const evil = f.host.page(`<script>
      globalThis.got = [];
      addEventListener('message', (e) => got.push([e.data, e.ports.length]));
      parent.postMessage({ resnet: 'hello', version: 1 }, '*');
    </script>`);
    const page = await f.open(f.html());
    await defined(page);
    // From the page itself, from a frame beside it, and of other forms.
    await page.evaluate(async (src) => {
      element().load();
      const frame = element().shadowRoot.querySelector('iframe');
      frame.src = 'about:blank'; // so that the true one does not answer
      const beside = Object.assign(document.createElement('iframe'), { src, name: 'beside' });
      document.body.append(beside);
      for (const data of [{ resnet: 'hello', version: 1 }, null, 'hello', 7, [], { resnet: 'hello' }, { resnet: { toString: 1 } }]) postMessage(data, '*');
    }, evil);
    await silence();
    const beside = page.frames().find((x) => x.url() === evil);
    assert.deepEqual(await beside.evaluate(() => got), []);
    await page.leave();

    // Its own frame, led to another origin: the source is right, the origin is not.
    const led = await f.open(f.html());
    await defined(led);
    await led.evaluate((src) => {
      element().load();
      element().shadowRoot.querySelector('iframe').src = src;
      element().classify(scene()).catch(() => {});
    }, evil);
    const isEvil = (x) => x.url() === evil;
    await led.waitForFrame(isEvil);
    await silence();
    // Looked for again: Chromium gives a frame that was led to another origin another process, and the driver another object.
    assert.deepEqual(await led.frames().find(isEvil).evaluate(() => got), []);
    await led.leave();

    // Its own frame, of the right origin, and another version.
    const later = await f.open(f.html());
    await start(later);
    await f.frame(later).evaluate(() => parent.postMessage({ resnet: 'hello', version: 99 }, '*'));
    const { code, message } = await event(later, 'error');
    assert.equal(code, 'embed-refused');
    assert.match(message, /want version 1 .* has 99/);
    assert.deepEqual([page.errors, led.errors, later.errors], [[], [], []]);
    await later.leave();
  });

  test('whatever comes through the port is answered or ignored', async () => {
    const page = await f.open('');
    await speak(page);
    await hears(page, "(m) => m.event === 'ready'");
    const frame = f.frame(page);
    await frame.evaluate(() => {
      globalThis.broken = [];
      addEventListener('error', (e) => broken.push(e.message));
      addEventListener('unhandledrejection', (e) => broken.push(String(e.reason)));
    });
    const known = await page.evaluate(async () => {
      const answer = (id) => new Promise((resolve) => {
        const timer = setInterval(() => {
          const m = heard.find((x) => x.id === id);
          if (m) resolve(clearInterval(timer) ?? [m.event, m.detail.code]);
        }, 20);
      });
      port.postMessage({ op: 'dance', id: 1 });
      port.postMessage({ op: 'classify', id: 2, image: 'https://evil.example/x.png' });
      port.postMessage({ op: 'classify', id: 3, image: new Blob([new Uint8Array((64 << 20) + 1)]) });
      port.postMessage({ op: 'classify', id: 4, image: { size: 1, type: 'image/png' } });
      const out = [await answer(1), await answer(2), await answer(3), await answer(4)];
      for (let i = 0; i < 40; i++) port.postMessage({ op: 'classify', id: 100 + i, image: scene() });
      port.postMessage({ op: 'classify', id: 100, image: scene() });
      const flood = await Promise.all(Array.from({ length: 40 }, (_, i) => answer(100 + i)));
      return { out, results: flood.filter(([type]) => type === 'result').length, refused: flood.filter(([, code]) => code === 'bad-option').length };
    });
    assert.deepEqual(known.out, [['error', 'bad-option'], ['error', 'bad-option'], ['error', 'image-too-large'], ['error', 'bad-option']]);
    assert.ok(known.results >= 31 && known.results + known.refused === 40, JSON.stringify(known));

    // Seeded nonsense of the right and of wrong shapes.
    const count = process.env.RESNET_LONG ? 20_000 : 1000;
    const sent = await page.evaluate(async (n) => {
      let seed = 7;
      const pick = (list) => list[(seed = (seed * 48271) % 2147483647) % list.length];
      const ids = [1, 2, -1, 0, 1.5, NaN, Infinity, '1', null, undefined, {}, [], 2 ** 53, 9007199254740991];
      const values = [...ids, true, false, '', 'x'.repeat(5000), new Date(), /x/, new Map([[1, 2]]), new Set(), new ArrayBuffer(0), new ArrayBuffer(64), new Uint8Array(9), new Blob([]), new Blob(['GIF89a']), new Error('x'), 12n,
        { constructor: 1 }, { __proto__: null }, ['classify'], { op: 'set' }];
      const ops = ['classify', 'cancel', 'set', 'load', 'toString', '__proto__', 'constructor', undefined, null, 1, {}];
      const keys = ['model', 'topK', 'threshold', 'heatmap', 'lang', 'theme', 'style', 'accent', '__proto__', 'x'];
      const options = () => (pick([0, 1]) ? pick(values) : Object.fromEntries(Array.from({ length: pick([0, 1, 3, 9]) }, () => [pick(keys), pick(values)])));
      let posted = 0;
      for (let i = 0; i < n; i++) {
        const message = pick([0, 1, 2]) ? { op: pick(ops), id: pick(ids), image: pick(values), options: options() } : pick(values);
        // A model of another address would be loaded, and another language loads the model anew: slow, and tested elsewhere.
        if (message?.options) for (const k of ['model', 'lang']) if (typeof message.options[k] === 'string') delete message.options[k];
        port.postMessage(message);
        posted++;
        if (i % 100 === 99) await new Promise((r) => { setTimeout(r, 20); });
      }
      port.postMessage({ op: 'set', options: {} });
      return posted;
    }, count);
    assert.equal(sent, count);
    await page.evaluate(() => port.postMessage({ op: 'classify', id: 424242, image: scene() }));
    await hears(page, "(m) => m.id === 424242 && m.event === 'result' && m.detail.predictions.length === 5");
    assert.deepEqual(await frame.evaluate(() => [broken, violations]), [[], []]);
    await page.leave();
  });
});

inBrowsers('embed with a list of parents', (w) => {
  const bare = fixture(w, { parents: ['https://friend.example'], bare: true });
  const f = fixture(w, { parents: ['https://friend.example'] });
  const open = {};
  before(async () => {
    open.host = await host();
    open.site = await site({ parents: [open.host.origin] });
  });
  after(() => {
    open.host.stop();
    open.site.stop();
  });
  const run = async (fixture_, address) => {
    const page = await fixture_.open('', {}, address);
    await defined(page);
    const r = await page.evaluate(() => element().classify(scene()).then((x) => x.predictions.length, (e) => `${e.code}: ${e.message}`));
    await page.leave();
    return r;
  };

  test('a site on it may', async () => {
    assert.equal(await run(f, open.host.page(`<script type="module" src="${open.site.origin}/embed.js"></script><resnet-classifier></resnet-classifier>`)), 5);
  });

  test('a site that is not on it may not: by the header, and by the frame where no headers are sent', async () => {
    assert.match(await run(f, f.host.page(f.html())), /^embed-unreachable/);
    assert.match(await run(bare, bare.host.page(bare.html())), /^embed-refused: resnet: http:\/\/127\.0\.0\.1:\d+ may not embed/);
  });
});
