// Many pictures of random sizes, some calls cancelled at random points: memory stays flat and nothing fails that was not
// asked to. 80 pictures; 2,000 with RESNET_LONG, which also judges memory.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inBrowsers } from './harness.mjs';

const batches = process.env.RESNET_LONG ? 100 : 4;
const batch = 20;

// Resident megabytes of all processes that descend from pid.
function resident(pid) {
  const processes = readdirSync('/proc').filter((d) => /^\d+$/.test(d)).flatMap((d) => {
    try {
      const status = readFileSync(`/proc/${d}/status`, 'utf8');
      return [{ pid: Number(d), parent: Number(/^PPid:\s+(\d+)/m.exec(status)[1]), kb: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) }];
    } catch {
      return []; // has ended
    }
  });
  const sum = (p) => p.kb + processes.filter((q) => q.parent === p.pid).reduce((s, q) => s + sum(q), 0);
  return sum(processes.find((p) => p.pid === pid)) / 1024;
}

inBrowsers('soak', (w) => {
  test(`${batches * batch} pictures`, { timeout: batches * 60_000 }, async () => {
    const page = await w.open();
    await page.evaluate(async () => {
      await import('/t/page.js');
      globalThis.c = await make();
      let seed = 1;
      const random = (n) => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        return Math.floor(seed / 2 ** 32 * n);
      };
      globalThis.some = async (n) => {
        const codes = {};
        for (let i = 0; i < n; i++) {
          const canvas = new OffscreenCanvas(1 + random(1600), 1 + random(1200));
          const g = canvas.getContext('2d');
          g.fillStyle = `rgb(${random(256)} ${random(256)} ${random(256)})`;
          g.fillRect(0, 0, canvas.width / 2, canvas.height);
          const source = random(2) ? canvas : await canvas.convertToBlob({ type: random(2) ? 'image/png' : 'image/jpeg' });
          const control = new AbortController();
          if (random(3) === 0) setTimeout(() => control.abort(), random(20));
          const { code } = await failure(c.classify(source, { signal: control.signal, heatmap: true }));
          codes[code] = (codes[code] ?? 0) + 1;
        }
        return codes;
      };
    });
    const codes = {};
    const memory = [];
    for (let i = 0; i < batches; i++) {
      for (const [code, n] of Object.entries(await page.evaluate((n) => some(n), batch))) codes[code] = (codes[code] ?? 0) + n;
      memory.push(resident(w.browser.process().pid));
    }
    assert.deepEqual(Object.keys(codes).filter((code) => code !== 'none' && code !== 'aborted'), []);
    assert.ok(codes.none > batches * batch / 2, JSON.stringify(codes));
    assert.equal(await page.evaluate(async () => (await c.classify(await picture('scene.png'))).predictions.length), 5);
    // Garbage comes and goes: the least of the last quarter against the least of the second.
    const quarter = (q) => Math.min(...memory.slice(q * batches / 4, (q + 1) * batches / 4));
    if (process.env.RESNET_LONG) assert.ok(quarter(3) < 1.1 * quarter(1), `MB: ${memory.map(Math.round).join(' ')}`);
    await page.close();
  });
});
