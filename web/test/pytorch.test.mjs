// The network's input for picture files, byte for byte what PyTorch's usual pipeline (Pillow, then torchvision's Resize and
// CenterCrop) makes of them, in every recipe of pytorch/inputs.json. pytorch/make.py made pictures and expectations.
//
// With RESNET_LONG also photographs: the validation images of ../shared/data/tiny-imagenet beside the checkout, enlarged
// and saved in all formats, 280 in all. That takes python3-torchvision, and cjpeg for some kinds of JPEG.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { faults, inBrowsers, makeModel, root } from './harness.mjs';

const here = path.join(root, 'web/test/pytorch');
const temporary = mkdtempSync(path.join(tmpdir(), 'pytorch-'));
after(() => rmSync(temporary, { recursive: true }));

const scenes = readPictures(here);
faults.recipes = Object.fromEntries(Object.entries(scenes.recipes).map(([name, { resize, crop, filter }]) => {
  const file = makeModel(`${name}.msgpack`, '-resize', resize, '-crop', crop, '-filter', filter);
  return [`${name}.msgpack`, () => ({ body: readFileSync(file) })];
}));

function readPictures(folder) {
  const { recipes, pictures } = JSON.parse(readFileSync(path.join(folder, 'inputs.json')));
  return { folder, recipes, pictures };
}

/** Makes the photographs, or says what is missing for that. */
function makePhotographs() {
  const python = '/usr/bin/python3';
  const archive = path.resolve(root, '../shared/data/tiny-imagenet/val.zip');
  if (!existsSync(archive)) return { missing: archive };
  try {
    execFileSync(python, ['-c', 'import torchvision, PIL.ImageCms'], { stdio: 'ignore' });
  } catch {
    return { missing: `${python} with torchvision and Pillow` };
  }
  execFileSync(python, [path.join(here, 'make.py'), archive, temporary], { stdio: 'inherit' });
  return readPictures(temporary);
}

/** Opens a page with a classifier that follows a recipe. */
async function openRecipe(w, recipe) {
  const page = await w.open();
  await page.evaluate(async (model) => {
    await import('/t/page.js');
    globalThis.classifier = await make({ model });
  }, `${w.origin}/f/recipes/${recipe}.msgpack`);
  return page;
}

/** What the network is given for the picture at an address: RGB, 7 bits each, row by row. */
async function inputOf(page, address) {
  const base64 = await page.evaluate(async (address) => {
    const file = await (await fetch(address)).blob();
    return (await classifier._input(file)).toBase64();
  }, address);
  const input = Buffer.from(base64, 'base64');
  assert.ok(input.every((q, i) => i % 4 < 3 || q === 0), `${address}: the fourth channel is not 0`);
  return input.filter((_, i) => i % 4 < 3);
}

/** Says how an input differs from the expected one, or '' if it does not. */
function difference({ folder }, { name, inputs }, recipe, input) {
  if (createHash('sha256').update(input).digest('hex') === inputs[recipe]) return '';
  const file = path.join(folder, `${name}.${recipe}`);
  if (!existsSync(file)) return 'not the same bytes';
  const want = readFileSync(file);
  if (want.length !== input.length) return `${input.length} bytes instead of ${want.length}`;
  const distances = want.map((q, i) => Math.abs(q - input[i]));
  const equal = distances.filter((d) => d === 0).length;
  return `${(100 * equal / want.length).toFixed(2)} % of bytes equal, largest difference ${distances.reduce((a, b) => Math.max(a, b))} of 127`;
}

/** Declares one test for each recipe: all pictures but the reported ones have to have the expected input. */
function compare(w, title, set) {
  faults[title] = Object.fromEntries(set.pictures.map(({ name }) => [name, () => ({ body: readFileSync(path.join(set.folder, name)) })]));
  for (const recipe of Object.keys(set.recipes)) {
    test(`${title}, ${recipe}`, async (t) => {
      const page = await openRecipe(w, recipe);
      const wrong = [];
      const equal = {};
      for (const picture of set.pictures) {
        const { name, kind } = picture;
        const found = await inputOf(page, `/f/${title}/${name}`).then((input) => difference(set, picture, recipe, input), (e) => e.message);
        equal[kind] ??= { yes: 0, all: 0 };
        equal[kind].all++;
        if (!found) equal[kind].yes++;
        else if (kind === 'reported') t.diagnostic(`${name}: ${found}`);
        else wrong.push(`${name}: ${found}`);
      }
      await page.close();
      t.diagnostic(Object.entries(equal).map(([kind, { yes, all }]) => `${kind}: ${yes} of ${all} equal`).join(', '));
      assert.deepEqual(wrong, []);
    });
  }
}

const photographs = process.env.RESNET_LONG ? makePhotographs() : undefined;

inBrowsers('the input of PyTorch', (w) => {
  compare(w, 'scenes', scenes);
  if (photographs?.missing) test('photographs', (t) => t.skip(`needs ${photographs.missing}`));
  else if (photographs) compare(w, 'photographs', photographs);
}, { timeout: 3_600_000 });
