// What the page is opened with: pictures by address (?url=), those that other apps share with the installed page, and
// files that the system opens with it; and the manifest by which it does.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { dist, inBrowsers } from './harness.mjs';
import { host, site } from './site.mjs';

const picture = (name) => readFileSync(path.join(import.meta.dirname, 'pictures', name)).toString('base64');
const [png, jpeg] = [picture('scene.png'), picture('baseline.jpg')];

// Runs in each page before its own scripts.
const HELPERS = `
  try { localStorage.getItem('lang') ?? localStorage.setItem('lang', 'en'); } catch {}
  globalThis.fileOf = (base64, name, type) => (
    new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
  globalThis.scene = (name = 'scene.png') => fileOf('${png}', name, 'image/png');
  globalThis.drop = (...files) => {
    const dataTransfer = new DataTransfer();
    for (const file of files) dataTransfer.items.add(file);
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
  };
`;

inBrowsers('arrivals', (w) => {
  let s;
  let others;
  let seen; // the pages of a test, with what they ask of other origins
  before(async () => {
    others = await host();
    s = await site({ moved: { '/away.png': `${others.origin}/away.png` } });
  });
  after(() => {
    s.stop();
    others.stop();
  });
  afterEach(async () => {
    await seen?.context.close();
    seen = undefined;
  });

  // A page in a profile of its own, or another one in that of this test.
  async function visit(address = '/', before = '') {
    seen ??= { context: await w.browser.createBrowserContext(), outside: [], errors: [] };
    const page = await seen.context.newPage();
    page.setDefaultTimeout(60_000);
    // Firefox reports requests that failed, and those that were under way when the page was left.
    page.on('pageerror', (e) => /^Failed to load /.test(e.message) || seen.errors.push(e.message));
    page.on('request', (r) => {
      const { protocol, origin, pathname } = new URL(r.url());
      const isKnown = origin === s.origin || (origin === others.origin && pathname !== '/away.png');
      if (!isKnown && !/^(blob|data):$/.test(protocol)) seen.outside.push(r.url());
    });
    await page.evaluateOnNewDocument(HELPERS + before);
    await page.goto(new URL(address, s.origin).href);
    return page;
  }
  const installed = async () => {
    const page = await visit();
    await page.evaluate(() => navigator.serviceWorker.ready.then(({ active }) => active.state === 'activated'
      || new Promise((resolve) => { active.onstatechange = () => active.state === 'activated' && resolve(); })));
    return page;
  };
  const shows = (page, name) => page.waitForFunction((n) => document.body.dataset.state === 'result'
    && document.getElementById('crop').getAttribute('aria-label').includes(n), {}, name);
  const sorts = (page, ...names) => page.waitForFunction((list) => location.hash === '#sort'
    && list.every((n) => document.body.innerHTML.includes(n)), {}, names);
  const note = async (page) => {
    const text = await page.waitForSelector('#note:not([hidden]) #note-text');
    return text.evaluate((e) => e.textContent);
  };
  const problem = async (page) => {
    await page.waitForSelector('body[data-state="problem"]');
    return page.$eval('#problem-title', (e) => e.textContent);
  };
  const search = (page) => page.evaluate(() => location.search);
  const shares = (page) => page.evaluate(async () => (
    (await caches.keys()).filter((name) => name.startsWith('shared '))));

  // Another app shares: the system posts a form for it, as a form on a page of another site does.
  async function share(page, files, fields = {}) {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    const form = others.page(`<form method="post" enctype="multipart/form-data" action="${s.origin}/?shared">
      <input type="file" name="files" multiple>${inputs}</form>`);
    await page.goto(form);
    await page.evaluate((list) => {
      const transfer = new DataTransfer();
      for (const file of list) transfer.items.add(fileOf(...file));
      document.querySelector('[type="file"]').files = transfer.files;
    }, files);
    await Promise.all([page.waitForNavigation(), page.evaluate(() => document.forms[0].submit())]);
    assert.equal(new URL(page.url()).origin, s.origin);
  }

  test('the manifest: its addresses are there, below any path, and icons have their sizes', async () => {
    const manifest = JSON.parse(readFileSync(path.join(dist, 'manifest.webmanifest')));
    assert.equal(manifest.id, undefined, 'it would be taken relative to the origin, and not to the folder of the page');
    const { start_url: start, scope, share_target: target, icons, shortcuts, file_handlers: handlers } = manifest;
    const named = [icons, shortcuts, target, handlers].flat().map((x) => x.src ?? x.url ?? x.action);
    const addresses = [start, scope, ...named];
    assert.ok(addresses.length > 8);
    for (const address of addresses) {
      const { origin, pathname } = new URL(address, 'https://x.example/some/where/manifest.webmanifest');
      assert.ok(origin === 'https://x.example' && pathname.startsWith('/some/where/'), address);
      const file = pathname.slice('/some/where/'.length) || 'index.html';
      const bytes = readFileSync(path.join(dist, file));
      const icon = manifest.icons.find(({ src }) => src === address);
      if (icon?.type === 'image/png') assert.equal(icon.sizes, `${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`);
    }
    for (const [type, names] of Object.entries(manifest.file_handlers[0].accept)) {
      assert.match(type, /^image\//);
      for (const name of names) assert.match(name, /^\.\w+$/);
    }
    if (w.name !== 'chromium') return;
    const page = await installed();
    const cdp = await page.createCDPSession();
    const { errors, url } = await cdp.send('Page.getAppManifest');
    assert.deepEqual([errors, url], [[], `${s.origin}/manifest.webmanifest`]);
  });

  test('a shared picture is taken by the page that is opened with it, once', async () => {
    const page = await installed();
    const other = await visit();
    await other.waitForSelector('#load[data-state="ready"]');
    await page.bringToFront();
    s.asked.length = 0;
    await share(page, [[png, '面 1.png', 'image/png']], { text: 'https://other.example/' });
    await shows(page, '面 1.png');
    assert.equal(await search(page), '');
    assert.deepEqual(s.asked.filter((url) => url.includes('shared')), [], 'the server was asked for what was shared');
    assert.deepEqual(await shares(page), []);
    assert.equal(await other.$eval('body', (b) => b.dataset.state), 'empty', 'another tab has taken it');
    await page.reload();
    await page.waitForSelector('#load[data-state="ready"]');
    assert.equal(await page.$eval('body', (b) => b.dataset.state), 'empty');
    assert.ok(await page.$eval('#note', (e) => e.hidden));
    assert.deepEqual([seen.errors, seen.outside], [[], []]);
  });

  test('several shared pictures, of which some are none', async () => {
    const page = await installed();
    await share(page, [
      [png, 'first.png', 'image/png'], [jpeg, 'second.jpg', 'image/jpeg'], [btoa('no'), 'third.png', 'image/png'],
    ]);
    await sorts(page, 'first.png', 'second.jpg', 'third.png');
    assert.deepEqual([await shares(page), await search(page)], [[], '']);
    assert.deepEqual(seen.errors, []);
  });

  test('a share is kept until it is taken, and then no longer', async () => {
    const page = await installed();
    await page.reload(); // so that the service worker has this page
    const kept = () => page.evaluate(async () => {
      await caches.open(`shared ${new URL('./', location).href} 5-old`);
      const form = new FormData();
      form.append('files', scene('mine.png'));
      const { type } = await fetch('./?shared', { method: 'POST', body: form, redirect: 'manual' });
      return type;
    });
    assert.equal(await kept(), 'opaqueredirect');
    const [name, ...more] = await shares(page);
    assert.deepEqual(more, [], 'one that nobody has taken for an hour is thrown away');
    const address = `/?shared=${name.split(' ')[2]}&other=1%20+`;
    await page.goto(s.origin + address);
    await shows(page, 'mine.png');
    assert.equal(await search(page), '?other=1%20+');
    await page.goto(s.origin + address);
    assert.match(await note(page), /did not arrive.*Share or open it once more/);
    assert.equal(await search(page), '?other=1%20+');
  });

  test('a shared address, and a share without a picture', async () => {
    const page = await installed();
    await share(page, [], { text: `Look at this: ${s.origin}/icons/icon-192.png` });
    await shows(page, 'icon-192.png');
    await share(page, [], { url: 'https://other.example/cat.jpg', title: 'A cat' });
    assert.match(await note(page), /Pictures on other sites cannot be read.*Save the picture and drop the file/);
    await share(page, [], { text: 'only words' });
    assert.match(await note(page), /No picture found/);
    assert.equal(await search(page), '');
    assert.deepEqual([seen.errors, seen.outside], [[], []]);
  });

  test('a share that no service worker answers is told', async () => {
    const page = await installed();
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration()).unregister());
    await share(page, [[png, 'lost.png', 'image/png']]);
    assert.match(await note(page), /did not arrive/);
    assert.equal(await search(page), '');
  });

  for (const [what, address, name] of [
    ['relative', () => 'icons/icon-192.png', 'icon-192.png'],
    ['absolute', (origin) => `${origin}/samples/orange.svg`, 'orange.svg'],
    ['data:', () => `data:image/png;base64,${png}`, 'Picture'],
  ]) {
    test(`?url= with an address that is ${what}`, async () => {
      const page = await visit(`/?a=%41&url=${encodeURIComponent(address(s.origin))}&b`);
      const given = await search(page);
      await shows(page, name);
      assert.equal(await search(page), given, 'the address no longer leads to the picture');
      await page.reload();
      await shows(page, name);
      assert.equal(await search(page), given);
      await page.evaluate(() => drop(scene('mine.png')));
      await shows(page, 'mine.png');
      assert.equal(await search(page), '?a=%41&b', 'the address leads to another picture than that on show');
      await page.evaluate(() => history.back());
      await shows(page, name);
      assert.equal(await search(page), given);
      await page.click('#brand');
      await page.waitForSelector('body[data-state="empty"]');
      assert.equal(await search(page), '?a=%41&b');
      assert.deepEqual([seen.errors, seen.outside], [[], []]);
    });
  }

  test('?url= with what is no picture of this site', async () => {
    for (const [address, words] of [
      ['https://other.example/cat.jpg', /Pictures on other sites cannot be read/],
      ['//other.example/cat.jpg', /Pictures on other sites cannot be read/],
      ['javascript:alert(1)', /Pictures on other sites cannot be read/],
      ['none.png', /could not be fetched/],
      ['http://[', /could not be fetched/],
      ['data:image/png;base64,!', /could not be fetched/],
      ['away.png', /could not be fetched/],
      ['', /No picture found/],
    ]) {
      const page = await visit(`/?url=${encodeURIComponent(address)}`);
      assert.match(await note(page), words, address);
      assert.equal(await search(page), `?url=${encodeURIComponent(address)}`);
      await page.close();
    }
    const header = Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0\0\0\0\0', 'latin1');
    for (const [address, words] of [
      ['LICENSE.txt', /cannot be read as a picture/],
      [`data:image/png;base64,${header.toString('base64')}`, /too large/],
    ]) {
      const page = await visit(`/?url=${encodeURIComponent(address)}`);
      assert.match(await problem(page), words);
      await page.close();
    }
    assert.deepEqual([seen.errors, seen.outside], [[], []]);
  });

  test('a picture that is given before the one at ?url= has come takes its place', async () => {
    const page = await visit('/');
    await page.waitForSelector('#load[data-state="ready"]');
    await page.close();
    const next = await visit('/?url=icons/icon-192.png', `
      const get = fetch;
      globalThis.fetch = async (...a) => {
        if (!String(a[0]).includes('icon-192')) return get(...a);
        while (!document.body || document.body.dataset.state !== 'result') await new Promise((r) => setTimeout(r, 50));
        globalThis.came = true;
        return get(...a);
      };`);
    await next.waitForSelector('#load[data-state="ready"]');
    await next.evaluate(() => drop(scene('mine.png')));
    await shows(next, 'mine.png');
    await next.waitForFunction(() => globalThis.came);
    await next.evaluate(() => new Promise((r) => { setTimeout(r, 300); }));
    await shows(next, 'mine.png');
    assert.equal(await search(next), '');
  });

  // No browser without a window opens files with a page. This is launchQueue as Chromium has it: what came before there
  // is a consumer waits for it, and a page that is loaded again is given the same once more.
  const QUEUE = `{
    const queue = [];
    let consumer;
    globalThis.launch = (targetURL, ...files) => {
      const handleOf = (file) => ({ kind: 'file', name: file.name, async getFile() {
        if (file.name === 'gone.png') throw new DOMException('it is not there', 'NotFoundError');
        return file;
      } });
      queue.push(Object.freeze({ targetURL, files: Object.freeze(files.map(handleOf)) }));
      if (consumer) consumer(queue.shift());
    };
    Object.defineProperty(globalThis, 'launchQueue', { configurable: true, value: { setConsumer(f) {
      consumer = f;
      while (queue.length > 0) consumer(queue.shift());
    } } });
  }`;

  test('files that the system opens with the page', async () => {
    const page = await visit('/', `${QUEUE} launch(location.href, scene('opened.png'));`);
    await shows(page, 'opened.png');
    await page.evaluate(() => launch(location.href, scene('later.png')));
    await shows(page, 'later.png');
    await page.evaluate(() => launch(location.href, scene('gone.png')));
    assert.match(await note(page), /did not arrive/);
    await page.evaluate(() => launch(`${location.href}#look`));
    await page.waitForFunction(() => location.hash === '#look');
    await page.evaluate(() => launch(location.pathname && new URL('./', location).href));
    await shows(page, 'later.png');
    await page.evaluate(() => launch(location.href, scene('one.png'), scene('two.png')));
    await sorts(page, 'one.png', 'two.png');
    await page.goto(`${s.origin}/`);
    await shows(page, 'opened.png');
    await page.reload();
    await page.waitForSelector('#load[data-state="ready"]');
    assert.equal(await page.$eval('body', (b) => b.dataset.state), 'empty', 'it is opened again');
    assert.deepEqual([seen.errors, seen.outside], [[], []]);
  });
});
