// The recipes of web/GUIDE.md that need no registry, in browsers. `node guide.mjs` follows all of them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { follow, look, recipes } from './guide.mjs';
import { inBrowsers, made, root } from './harness.mjs';

const skip = spawnSync('python3', ['--version']).error && 'there is no python3';

// The esbuild that go.mod names anyway.
const esbuild = () => made('esbuild', (file) => {
  execFileSync('go', ['build', '-o', file, 'github.com/evanw/esbuild/cmd/esbuild'], { cwd: root });
});

// The same without a registry.
function instead(line) {
  const home = 'node_modules/resnet-web';
  if (line.startsWith('npm install ./')) return `mkdir -p ${home} && tar xf *.tgz -C ${home} --strip-components=1`;
  if (line.startsWith('npm install')) return '';
  return line.replace(/^npx esbuild/, () => esbuild());
}

inBrowsers('the guide', (w) => {
  for (const title of ['A plain page', 'Below any path of a static host', 'Files on another origin', 'esbuild']) {
    test(title, { skip, timeout: 300_000 }, async () => {
      const recipe = recipes.find((r) => r.title === title);
      assert.ok(recipe, `${path.join(root, 'web/GUIDE.md')} has no such recipe`);
      await follow(recipe, (url, isolated) => look(w.browser, url, isolated), instead);
    });
  }
});
