// classifyAll: many pictures, their order, bad ones among them, back-pressure, and every way to end it early.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { inBrowsers } from './harness.mjs';

inBrowsers('classifyAll', (w) => {
  let page;
  before(async () => {
    page = await w.open();
    await page.evaluate(async () => {
      await import('/t/page.js');
      globalThis.c = await make();
      globalThis.scene = await picture('scene.png');
      globalThis.dot = await picture('dot.png');
      globalThis.bad = new Blob(['no picture'], { type: 'image/png' });
      globalThis.gather = async (sources, options) => {
        const list = [];
        for await (const r of c.classifyAll(sources, options)) list.push(r);
        return list;
      };
      globalThis.codeOf = (f) => Promise.resolve().then(f).then(() => 'none', (e) => e.code ?? e.message);
    });
  });
  const run = (f, ...args) => page.evaluate(f, ...args);

  test('outcomes come in order, as classify gives them; bad pictures do not end it', async () => {
    const r = await run(async () => {
      const one = await c.classify(scene, { topK: 2, features: true });
      const sources = [scene, bad, dot, Promise.resolve(scene), 7, Promise.reject(new Error('it has vanished')), scene];
      const list = await gather(sources, { topK: 2, features: true });
      const same = (x) => JSON.stringify(x.result.predictions) === JSON.stringify(one.predictions)
        && String(x.result.features) === String(one.features);
      return {
        keys: list.map((x) => Object.keys(x).join()), indices: list.map((x) => x.index),
        codes: list.map((x) => x.error?.code ?? ''), why: list[5].error.message,
        own: list.every((x, i) => x.source === sources[i]),
        errors: [1, 4, 5].every((i) => list[i].error.name === 'ResnetError'),
        same: [0, 3, 6].every((i) => same(list[i])), other: same(list[2]),
        // Heat maps of the latest results are there as for those of classify.
        map: (await c.heatmap(list[6].result, 3)).index,
        empty: (await gather([])).length, set: (await gather(new Set([scene, dot]))).length,
      };
    });
    assert.deepEqual(r.indices, [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(r.keys, ['index,source,result', 'index,source,error', ...Array(2).fill('index,source,result'),
      ...Array(2).fill('index,source,error'), 'index,source,result']);
    assert.deepEqual(r.codes, ['', 'image-decode', '', '', 'bad-option', 'image-fetch', '']);
    assert.match(r.why, /could not be had: .*vanished/);
    const { own, errors, same, other, map, empty, set } = r;
    assert.deepEqual({ own, errors, same, other, map, empty, set },
      { own: true, errors: true, same: true, other: false, map: 3, empty: 0, set: 2 });
  });

  test('an asynchronous source is read while the network works, and never far ahead', async () => {
    const r = await run(async () => {
      let given = 0, most = 0, closed = false;
      async function* sources() {
        try {
          for (; given < 30; given++) {
            await new Promise((later) => { setTimeout(later); });
            yield scene;
          }
        } finally {
          closed = true;
        }
      }
      let seen = 0;
      for await (const { index } of c.classifyAll(sources())) {
        if (index !== seen++) throw new Error(`got ${index}`);
        if (index === 3) await new Promise((later) => { setTimeout(later, 300); }); // a slow consumer
        most = Math.max(most, given - seen);
      }
      return { seen, most, closed };
    });
    assert.equal(r.seen, 30);
    assert.equal(r.closed, true);
    assert.ok(r.most >= 1 && r.most <= 5, `at most ${r.most} were taken ahead`);

    // What is ready is given before the next source has come.
    const first = await run(async () => {
      let go;
      const sources = (async function* () {
        yield scene;
        await new Promise((later) => { go = later; });
        yield dot;
      })();
      const all = c.classifyAll(sources);
      const one = await all.next();
      go();
      return [one.value.index, (await all.next()).value.index, (await all.next()).done];
    });
    assert.deepEqual(first, [0, 1, true]);
  });

  test('leaving the loop ends the source and what is under way; other calls go on', async () => {
    const r = await run(async () => {
      let closed = 0, given = 0;
      const endless = { [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: (given++, scene) }),
        return: () => { closed++; return { done: true }; },
      }) };
      for await (const { index } of c.classifyAll(endless)) if (index === 2) break;
      const at = given;
      const again = await c.classify(dot);
      return { closed, at, given, again: again.predictions.length };
    });
    assert.equal(r.closed, 1);
    assert.ok(r.given === r.at && r.at <= 8, `${r.at} taken, then ${r.given}`);
    assert.equal(r.again, 5);
  });

  test('the signal ends it at any time', async () => {
    const codes = await run(async () => {
      const out = [await codeOf(() => gather([scene], { signal: AbortSignal.abort() }))];
      const end = new AbortController();
      const list = [];
      out.push(await codeOf(async () => {
        for await (const r of c.classifyAll(Array(20).fill(scene), { signal: end.signal })) {
          list.push(r.index);
          if (r.index === 1) end.abort();
        }
      }));
      const never = new AbortController();
      const waiting = codeOf(() => gather({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) },
        { signal: never.signal }));
      setTimeout(() => never.abort(), 50);
      out.push(await waiting, list.join(), (await gather([dot]))[0].result.predictions.length);
      return out;
    });
    assert.deepEqual(codes, ['aborted', 'aborted', 'aborted', '0,1', 5]);
  });

  test('what is wrong is said at the call; a source that throws ends it after what it gave', async () => {
    const r = await run(async () => {
      const codes = [];
      for (const bad of [undefined, null, 'https://a.example/b.png', scene, 7, {}]) {
        codes.push(await codeOf(() => c.classifyAll(bad)));
      }
      codes.push(await codeOf(() => c.classifyAll([], { topk: 3 })), await codeOf(() => c.classifyAll([], { topK: 0 })),
        await codeOf(() => c.classifyAll([], { signal: 3 })));
      const seen = [];
      const broken = await codeOf(async () => {
        const sources = (function* () {
          yield scene;
          yield dot;
          throw new Error('the folder is gone');
        })();
        for await (const { index } of c.classifyAll(sources)) seen.push(index);
      });
      return { codes, seen, broken };
    });
    assert.deepEqual(r, { codes: Array(9).fill('bad-option'), seen: [0, 1], broken: 'the folder is gone' });
  });

  test('close() ends it', async () => {
    const r = await run(async () => {
      const d = await make();
      const during = await codeOf(async () => {
        for await (const { index } of d.classifyAll(Array(9).fill(scene))) if (index === 0) d.close();
      });
      return [during, await codeOf(() => d.classifyAll([scene]))];
    });
    assert.deepEqual(r, ['closed', 'closed']);
  });
});
