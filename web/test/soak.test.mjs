// Many pictures of random sizes and kinds, some calls given up at random points, while model and language change and the
// tab is hidden and shown: memory stays flat and nothing fails that was not asked to. 80 pictures; 2,000 with RESNET_LONG, which
// also judges memory.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { dist, inBrowsers } from './harness.mjs';

const batches = process.env.RESNET_LONG ? 100 : 4;
const batch = 20;
const large = JSON.parse(readFileSync(path.join(dist, 'manifest.json'))).model;

// Megabytes of all processes that descend from pid; what they share is counted once.
function memory(pid) {
  const processes = readdirSync('/proc').filter((d) => /^\d+$/.test(d)).flatMap((d) => {
    try {
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${d}/status`, 'utf8'))[1]);
      return [{ pid: Number(d), parent, kB: Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${d}/smaps_rollup`, 'utf8'))?.[1] ?? 0) }];
    } catch {
      return []; // has ended
    }
  });
  const sum = (p) => p.kB + processes.filter((q) => q.parent === p.pid).reduce((s, q) => s + sum(q), 0);
  return sum(processes.find((p) => p.pid === pid)) / 1024;
}

// Has Firefox collect its garbage, which in a busy page it puts off for long: a signal asks for a report after that.
async function collect(pid) {
  process.kill(pid, 35); // SIGRTMIN + 1
  for (let tries = 0; tries < 300; tries++) {
    await new Promise((r) => { setTimeout(r, 200); });
    const file = readdirSync(tmpdir()).find((f) => f.startsWith('unified-memory-report') && f.endsWith(`-${pid}.json.gz`));
    if (file) return rmSync(path.join(tmpdir(), file));
  }
  throw new Error('no memory report came');
}

// In the page: n pictures; how often each code came.
async function some(n) {
  const codes = {};
  for (let i = 0; i < n; i++) {
    const canvas = new OffscreenCanvas(1 + random(1600), 1 + random(1200));
    const g = canvas.getContext('2d');
    g.fillStyle = `rgb(${random(256)} ${random(256)} ${random(256)})`;
    g.fillRect(0, 0, canvas.width / 2, canvas.height);
    const source = await [
      () => canvas, () => createImageBitmap(canvas), () => g.getImageData(0, 0, canvas.width, canvas.height),
      ...['png', 'jpeg', 'webp'].map((type) => () => canvas.convertToBlob({ type: `image/${type}` })),
    ][random(6)]();
    const control = new AbortController();
    const given = random(3) === 0 && setTimeout(() => control.abort(), random(1.5 * usual));
    const start = performance.now();
    const { code } = await failure(c.classify(source, { signal: control.signal, heatmap: random(2) === 0 }));
    clearTimeout(given);
    source.close?.();
    if (code === 'none') usual += (performance.now() - start - usual) / 10;
    codes[code] = (codes[code] ?? 0) + 1;
  }
  return codes;
}

// In the page: another model in place of the last one, after a try that is given up.
async function change(model) {
  c.close();
  const codes = [(await failure(c.classify(new ImageData(1, 1)))).code];
  const control = new AbortController();
  setTimeout(() => control.abort(), random(500));
  const given = make({ model, signal: control.signal });
  given.then((c) => c.close(), () => {});
  codes.push((await failure(given)).code);
  globalThis.c = await make({ model, lang: ['en', 'zh-CN'][random(2)] });
  return codes;
}

const HELPERS = `
  let seed = 1;
  globalThis.random = (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * n);
  };
  globalThis.usual = 20; // ms of a call
  globalThis.some = ${some};
  globalThis.change = ${change};`;

inBrowsers('soak', (w) => {
  test(`${batches * batch} pictures`, { timeout: batches * 60_000 }, async (t) => {
    const page = await w.browser.newPage();
    const errors = [];
    page.on('pageerror', (e) => errors.push(e.message));
    await page.evaluateOnNewDocument(HELPERS);
    await page.goto(`${w.origin}/blank/?isolated`);
    const other = await w.open();
    await page.evaluate(async () => {
      await import('/t/page.js');
      globalThis.c = await make();
    });
    const codes = {};
    const used = [];
    const seen = new Set();
    for (let i = 0; i < batches; i++) {
      await (i % 3 === 2 ? other : page).bringToFront();
      seen.add(await page.evaluate(() => document.visibilityState));
      if (i % 5 === 2) {
        const [closed, given] = await page.evaluate((m) => change(m), i % 2 ? `/${large}` : undefined);
        assert.equal(closed, 'closed');
        assert.match(given, /^(none|aborted)$/);
      }
      for (let n = 0; n < batch; n += 5) { // a busy machine takes long over a hidden tab
        for (const [code, n] of Object.entries(await page.evaluate(() => some(5)))) codes[code] = (codes[code] ?? 0) + n;
      }
      if (!process.env.RESNET_LONG) continue;
      const { pid } = w.browser.process();
      if (w.name === 'firefox' && i % 10 === 9) await collect(pid);
      used.push(memory(pid));
    }
    t.diagnostic(JSON.stringify(codes));
    assert.deepEqual(Object.keys(codes).filter((code) => code !== 'none' && code !== 'aborted'), []);
    assert.ok(codes.none > batches * batch / 2 && codes.aborted > 0, JSON.stringify(codes));
    assert.deepEqual([...seen].sort(), ['hidden', 'visible']);
    assert.equal(await page.evaluate(async () => (await c.classify(await picture('scene.png'))).predictions.length), 5);
    assert.deepEqual(errors, []);
    if (process.env.RESNET_LONG) {
      // Garbage comes and goes: the least of the last quarter against the least of the second. Each has the same models.
      const least = [1, 3].map((q) => Math.min(...used.slice(q * batches / 4, (q + 1) * batches / 4)));
      t.diagnostic(`${least.map(Math.round).join(' and ')} MB`);
      assert.ok(least[1] < 1.1 * least[0], `MB: ${used.map(Math.round).join(' ')}`);
    }
    await page.close();
    await other.close();
  });
}, { timeout: batches * 60_000, own: () => Boolean(process.env.RESNET_LONG) });
