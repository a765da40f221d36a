// What Node, or a server that renders pages, sees of the modules: they can be imported, and fail only when they are used.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { dist } from './harness.mjs';

for (const [file, name] of [['resnet.js', 'createClassifier'], ['npm.js', 'createClassifier'], ['embed.js', 'ResnetClassifierElement']]) {
  test(`${file} can be imported in Node`, async () => {
    const exported = await import(pathToFileURL(path.join(dist, file)));
    assert.equal(typeof exported[name], 'function');
    if (!exported.createClassifier) return;
    await assert.rejects(exported.createClassifier(), (e) => {
      assert.ok(e instanceof exported.ResnetError);
      assert.equal(e.code, 'environment');
      assert.match(e.message, /want a browser.*no Worker here/);
      return true;
    });
  });
}
