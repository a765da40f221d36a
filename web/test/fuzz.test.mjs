// Damaged model files, through the public interface: each is refused as such, or loads and classifies. 20 files; 1,000
// with RESNET_LONG, which takes some minutes. The reader itself is fuzzed far longer in Go (weights.FuzzRead).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inBrowsers } from './harness.mjs';

const count = process.env.RESNET_LONG ? 1000 : 20;

inBrowsers('model files', (w) => {
  test(`${count} damaged ones are refused or work`, async () => {
    const page = await w.open();
    const said = new Map(); // code → how often
    for (let first = 0; first < count; first += 20) {
      const got = await page.evaluate(async (start, n) => {
        await import('/t/page.js');
        const scene = await picture('scene.png');
        const file = new Uint8Array(await (await fetch('/f/small/model.msgpack')).arrayBuffer());
        const good = file.subarray(0, -32); // without its checksum
        let seed;
        const below = (limit) => (seed = (seed * 48271) % 2147483647) % limit;
        // Where the file is more than weights: its first and last kilobytes, and around each key.
        const keys = [];
        for (let i = 1; i < good.length - 8; i++) {
          if (good[i - 1] > 0xa0 && good[i - 1] < 0xac && good.subarray(i, i + (good[i - 1] & 15)).every((c) => c > 0x5e && c < 0x7b)) keys.push(i);
        }
        const place = () => [() => below(2000), () => keys[below(keys.length)] + below(24) - 4, () => good.length - 1 - below(1000), () => below(good.length)][below(4)]();
        const edits = [
          (b) => { b[place()] = below(256); return b; },
          (b) => { b[place()] ^= 1 << below(8); return b; },
          (b) => { const at = place(); [0xdf, 0xff, 0xff, 0xff, 0xff].slice(below(2)).forEach((x, k) => { b[at + k] = x; }); return b; }, // lengths
          (b) => { b.copyWithin(place(), place(), place()); return b; },
          (b) => b.slice(0, place()),
          (b) => { const at = place(); return new Uint8Array([...b.subarray(0, at), ...b.subarray(at + 1 + below(40))]); },
          (b) => { const at = place(); return new Uint8Array([...b.subarray(0, at), ...b.subarray(at - below(40))]); },
        ];
        const one = async (i) => {
          seed = 1000 + i;
          below(1);
          let bytes = good.slice();
          for (let k = 1 + below(3); k > 0; k--) bytes = edits[below(edits.length)](bytes);
          // With the right checksum, but for one in five.
          const sum = below(5) ? new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)) : file.subarray(-32);
          let c;
          try {
            c = await make({ model: new Uint8Array([...bytes, ...sum]).buffer, threads: 1 });
            const { predictions } = await c.classify(scene, { heatmap: true });
            return predictions.length > 0 && predictions.every((p) => p.probability >= 0 && p.probability <= 1) ? 'works' : `file ${i}: ${JSON.stringify(predictions)}`;
          } catch (e) {
            return /^model-(format|integrity)$/.test(e.code) && /^resnet: /.test(e.message) ? e.code : `file ${i}: ${e.code}: ${e.message}`;
          } finally {
            c?.close();
          }
        };
        const out = [];
        for (let i = start; i < start + n; i++) out.push(await one(i));
        return out;
      }, first, Math.min(20, count - first));
      for (const code of got) said.set(code, (said.get(code) ?? 0) + 1);
    }
    console.log(`# ${w.name ?? ''} ${[...said].map(([code, n]) => `${n} ${code}`).join(', ')}`);
    assert.deepEqual([...said.keys()].filter((code) => !['works', 'model-format', 'model-integrity'].includes(code)), []);
    assert.equal(said.size, 3, 'each of the three happens');
    assert.equal(await page.evaluate(async () => (await (await make()).classify(await picture('scene.png'))).predictions.length), 5);
    await page.close();
  });
}, { timeout: 7_200_000 });
