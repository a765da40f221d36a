// The page, the element and the offline file in WebKit, which has no relaxed SIMD and, here, no shared memory.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { commandLine, dist } from './harness.mjs';
import { host, site } from './site.mjs';
import { missing, webkit } from './webkit.mjs';

const scene = readFileSync(path.join(import.meta.dirname, 'pictures/scene.png')).toString('base64');

// In a page: gives the picture to it as a drop, and resolves with the classes of its bars.
async function drop(base64) {
  const until = async (f) => {
    while (!f()) await new Promise((r) => { setTimeout(r, 50); });
  };
  await until(() => document.querySelector('#load[data-state="ready"]') || document.body.dataset.state === 'problem');
  const problem = document.getElementById('problem-detail').textContent;
  if (problem) throw new Error(problem);
  const readyAt = performance.now();
  const file = new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'scene.png', { type: 'image/png' });
  const event = new Event('drop', { bubbles: true, cancelable: true }); // WebKit lets no script make a DataTransfer with files
  event.dataTransfer = { files: [file], items: [], types: ['Files'], getData: () => '' };
  document.body.dispatchEvent(event);
  await until(() => document.body.dataset.state === 'result' || document.body.dataset.state === 'problem');
  document.getElementById('heat-toggle').click();
  return {
    problem: document.getElementById('problem-detail').textContent, readyAt, facts: document.getElementById('facts').textContent,
    bars: [...document.querySelectorAll('.bar')].map((b) => b.dataset.id), heat: document.getElementById('heat').classList.contains('on'),
  };
}

describe('webkit', { skip: missing, timeout: 600_000 }, () => {
  let w, s, h;
  before(async () => {
    [w, s, h] = await Promise.all([webkit(), site(), host()]);
  });
  after(() => {
    w?.quit();
    s?.stop();
    h?.stop();
  });

  test('the page', async (t) => {
    t.diagnostic(`WebKitGTK ${w.version}`);
    await w.go(s.origin);
    const r = await w.run(drop, scene);
    assert.equal(r.problem, '');
    assert.deepEqual(r.bars, commandLine(['scene.png'])['scene.png'].slice(0, 5).map((p) => p.id), 'not what the command line says');
    assert.ok(r.heat);
    assert.match(r.facts, /1 thread · SIMD/);
  });

  test('the element', async () => {
    await w.go(h.page(`<script type="module" src="${s.origin}/embed.js"></script><resnet-classifier heatmap></resnet-classifier>`,
      { 'Content-Security-Policy': `default-src 'none'; script-src ${s.origin}; frame-src ${s.origin}` }));
    const r = await w.run(async (base64) => {
      await customElements.whenDefined('resnet-classifier');
      const c = document.querySelector('resnet-classifier');
      const { simd, threads } = await c.load();
      const { predictions, heatmap } = await c.classify(new Blob([Uint8Array.from(atob(base64), (x) => x.charCodeAt(0))], { type: 'image/png' }));
      for (let i = 0; i < 100 && c.getBoundingClientRect().height <= 200; i++) {
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
      return { simd, threads, ids: predictions.map((p) => p.id), heat: heatmap.width, height: c.getBoundingClientRect().height };
    }, scene);
    assert.deepEqual([r.simd, r.threads], ['fixed', 1]);
    assert.deepEqual(r.ids, commandLine(['scene.png'])['scene.png'].slice(0, 5).map((p) => p.id));
    assert.ok(r.heat > 0 && r.height > 200, JSON.stringify(r));
  });

  test('the offline file', async (t) => {
    await w.go(pathToFileURL(path.join(dist, 'offline.html')).href);
    const r = await w.run(drop, scene);
    t.diagnostic(`ready ${Math.round(r.readyAt)} ms after opening`);
    assert.equal(r.problem, '');
    assert.equal(r.bars.length, 5);
    assert.ok(r.heat);
  });
});
