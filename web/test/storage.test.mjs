// Where a browser keeps nothing: storage that is full or forbidden, and private windows. The model is then fetched each
// time; all else works.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { inBrowsers, launch } from './harness.mjs';

// Two classifiers after one another, and whether they left the model in the cache.
async function twice(expected) {
  await import('/t/page.js');
  const counts = [];
  const isKept = () => caches.open('resnet-web').then((c) => c.keys()).then((keys) => keys.length > 0, () => false);
  for (let i = 0; i < 2; i++) {
    const c = await make();
    counts.push((await c.classify(await picture('scene.png'))).predictions.length);
    // It is put away after the classifier is ready.
    const end = performance.now() + (expected ? 30_000 : 500);
    while (performance.now() < end && !await isKept()) await new Promise((r) => { setTimeout(r, 50); });
    c.close();
  }
  return { counts, kept: await isKept() };
}

async function check(w, context, { prepare = () => {}, kept = false } = {}) {
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (e) => errors.push(e.message));
  await page.goto(`${w.origin}/blank/`);
  await prepare(page);
  assert.deepEqual(await page.evaluate(twice, kept), { counts: [5, 5], kept });
  await page.goto(`${w.origin}/index.html`);
  await page.waitForSelector('#load[data-state="ready"]', { timeout: 120_000 });
  await page.close();
  if (w.name === 'chromium') assert.deepEqual(errors, []); // Firefox reports what policies and settings block, too
}

inBrowsers('storage', (w) => {
  test('is used where there is some', () => check(w, w.browser, { kept: true }));

  test('holds no model of an earlier build', async () => {
    const page = await w.open();
    const left = await page.evaluate(async () => {
      await import('/t/page.js');
      const cache = await caches.open('resnet-web');
      for (const key of await cache.keys()) await cache.delete(key);
      for (const name of ['/f/small/old.msgpack', '/f/other/model.msgpack', '/f/small/deeper/model.msgpack']) await cache.put(name, new Response('x'));
      const c = await make();
      // The worker keeps the new one last.
      for (let i = 0; i < 300 && !await cache.match('/f/small/model.msgpack'); i++) await new Promise((r) => { setTimeout(r, 100); });
      c.close();
      return (await cache.keys()).map((r) => new URL(r.url).pathname).sort();
    });
    await page.close();
    assert.deepEqual(left, ['/f/other/model.msgpack', '/f/small/deeper/model.msgpack', '/f/small/model.msgpack']);
  });

  test('is full', async (t) => {
    if (w.name === 'firefox') return t.skip('Firefox sets no quota by a protocol');
    await check(w, await w.browser.createBrowserContext(), { prepare: async (page) => {
      const session = await page.createCDPSession();
      await session.send('Storage.overrideQuotaForOrigin', { origin: w.origin, quotaSize: 1000 });
    } });
  });

  test('is forbidden', async () => {
    const profile = w.name === 'firefox' ? undefined : mkdtempSync(path.join(tmpdir(), 'resnet-profile-'));
    if (profile) {
      mkdirSync(path.join(profile, 'Default'));
      writeFileSync(path.join(profile, 'Default/Preferences'), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
    }
    const browser = await launch(w.name, { profile, prefs: { 'network.cookie.cookieBehavior': 2 } });
    try {
      await check(w, browser);
    } finally {
      await browser.close();
      if (profile) rmSync(profile, { recursive: true, force: true });
    }
  });

  test('ends with a private window', async () => {
    const browser = w.name === 'firefox' ? await launch(w.name, { prefs: { 'browser.privatebrowsing.autostart': true } }) : await w.browser.createBrowserContext();
    try {
      await check(w, browser, { kept: true });
    } finally {
      await browser.close();
    }
  });
}, { own: (name) => name === 'chromium' }); // in which a context is a private window
