// Follows the recipes of web/GUIDE.md to the letter, each in a folder of its own, and classifies a picture with what
// they make, in Chromium and Firefox. It installs from the registry of npm, and takes minutes.
//
//	node guide.mjs [WORD ...]               all recipes, or those with one of the words in their title
//
// A recipe is what stands below a heading, and what the heading above it begins with: files (a block after a line with
// the file's name alone) and commands (blocks of sh). A command with an address beside it serves what is to be opened
// there.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import { chromium } from './browsers.mjs';
import { browsers, dist, launch } from './harness.mjs';

const picture = path.join(import.meta.dirname, 'pictures/scene.png');
const address = /http:\/\/localhost:(\d+)\S*/;

/** The recipes: { title, files: { NAME: text }, commands: [{ line, note }] }. */
export const recipes = parse(readFileSync(path.join(import.meta.dirname, '../GUIDE.md'), 'utf8'));

function parse(guide) {
  const all = guide.split(/^(?=##)/m).slice(1).map((text) => {
    const [, depth, title] = /^(#+) (.*)/.exec(text);
    const blocks = text.matchAll(/^`([^`\n]+)`:\n\n```\w+\n([^]*?)^```/gm);
    const files = Object.fromEntries([...blocks].map(([, name, content]) => [name, content]));
    const commands = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].flatMap(([, block]) => block.trim().split('\n'))
      .map((line) => /^(.*?)\s*(?:\s# (.*))?$/.exec(line)).map(([, line, note = '']) => ({ line, note }));
    return { depth: depth.length, title, files, commands };
  });
  return all.flatMap((own, i) => {
    const opens = own.commands.some(({ note }) => address.test(note));
    if (own.commands.length === 0 || (!opens && all[i + 1]?.depth > own.depth)) return [];
    const above = own.depth > 2 && all.slice(0, i).findLast(({ depth }) => depth < own.depth);
    if (!above) return [own];
    const before = above.commands.filter(({ note }) => !address.test(note));
    return [{ ...own, files: { ...above.files, ...own.files }, commands: [...before, ...own.commands] }];
  });
}

/**
 * Follows a recipe and has open(url, isolated) look at what comes of it. instead may name other lines of bash than
 * those of the guide, '' for none.
 */
export async function follow({ title, files, commands }, open, instead = (line) => line) {
  const ground = mkdtempSync(path.join(tmpdir(), 'resnet-guide-'));
  const running = [];
  try {
    cpSync(dist, path.join(ground, 'resnet-web/dist'), { recursive: true });
    const folder = path.join(ground, 'page');
    mkdirSync(folder);
    // Ports of the guide may be in use.
    const ports = new Map();
    for (const text of [...Object.values(files), ...commands.map(({ note }) => note)]) {
      for (const [, port] of text.matchAll(new RegExp(address, 'g'))) ports.set(port, await freePort());
    }
    const ours = (text) => text.replace(/\b\d{4}\b/g, (number) => ports.get(number) ?? number);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), ours(text));
    }
    const others = [...ports.keys()].filter((port) => !commands.some(({ note }) => note.includes(port)));
    const isolated = Object.values(files).join().includes('require-corp');
    let opened = 0;
    for (const { line, note } of commands) {
      const command = instead(ours(line));
      if (!command) continue;
      const child = start(command, folder);
      running.push(child);
      const [url] = address.exec(ours(note)) ?? [];
      if (url) {
        await answers(url, child);
        await open(url, isolated);
        opened++;
        await child.stop();
      } else if (/running/.test(note)) {
        for (const port of others) await answers(`http://localhost:${ports.get(port)}/`, child);
      } else {
        assert.equal(await child.ended, 0, `${line}: ${child.said()}`);
      }
    }
    const manifest = JSON.parse(files['manifest.json'] ?? '{}');
    if (manifest.manifest_version) await extend(folder, manifest.action.default_popup, isolated);
    else assert.ok(opened > 0 || files['page.test.js'], `${title}: there is nothing to look at`);
  } finally {
    await Promise.all(running.map((child) => child.stop()));
    rmSync(ground, { recursive: true, force: true });
  }
}

const groups = new Set();
process.on('exit', () => groups.forEach(stop));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

function stop(group) {
  try { process.kill(-group); } catch { /* has ended */ }
}

// A command in a process group of its own: npx starts others, and does not end them.
function start(command, cwd) {
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', npm_config_audit: 'false', npm_config_fund: 'false' };
  const child = spawn('bash', ['-c', command], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  groups.add(child.pid);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { said += text; });
  const ended = new Promise((resolve) => { child.on('close', resolve); }).finally(() => groups.delete(child.pid));
  return {
    ended,
    said: () => said.slice(-3000),
    stop() {
      if (groups.has(child.pid)) stop(child.pid);
      return ended;
    },
  };
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Waits until a server answers; for compiling on a slow machine, minutes.
async function answers(url, child) {
  let status = 'it has ended';
  const until = performance.now() + 300_000;
  const ended = child.ended.then(() => true);
  while (!await Promise.race([ended, pause(100)]) && performance.now() < until) {
    status = await fetch(url).then((r) => r.status, (e) => e.message);
    if (status === 200) return;
  }
  throw new Error(`${url}: ${status}: ${child.said()}`);
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => { server.listen(0, 'localhost', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return String(port);
}

/** Opens a page, chooses a picture there, and waits for the answer; isolated says whether the page has threads. */
export async function look(browser, url, isolated) {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (e) => errors.push(e.message));
  await page.goto(url);
  const answer = () => page.evaluate(() => document.querySelector('output')?.textContent);
  // A page that a framework brings to life hears nothing before, and development servers load theirs again at times.
  for (let text, i = 0; !text; i++) {
    if (i === 60) throw new Error(`no answer on ${url} ${errors.join()}`);
    const input = await page.$('input[type=file]').catch(() => null);
    await input?.uploadFile(picture).catch(() => {});
    for (let j = 0; j < 20 && !text; j++) {
      await pause(100);
      text = await answer().catch(() => '');
    }
    if (text) assert.match(text, /^[\p{L} -]{2,40}$/u, 'the answer is no label');
  }
  assert.deepEqual(errors, []);
  assert.equal(await page.evaluate(() => crossOriginIsolated), isolated, 'whether the page is isolated');
  await page.close();
}

async function extend(folder, file, isolated) {
  const browser = await puppeteer.launch({ ...chromium, pipe: true, enableExtensions: true });
  try {
    const id = await browser.installExtension(folder);
    await look(browser, `chrome-extension://${id}/${file}`, isolated);
  } finally {
    await browser.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  if (!existsSync(path.join(dist, 'resnet.wasm'))) {
    console.error(`guide.mjs: want a build in ${dist}; run ./build.sh, or name another folder with OUT=`);
    process.exit(2);
  }
  const words = process.argv.slice(2).map((word) => word.toLowerCase());
  const wanted = recipes.filter(({ title }) => words.length === 0
    || words.some((word) => title.toLowerCase().includes(word)));
  if (wanted.length === 0) {
    console.error(`guide.mjs: want a word of one of these titles: ${recipes.map(({ title }) => title).join('; ')}`);
    process.exit(2);
  }
  for (const recipe of wanted) {
    const since = performance.now();
    const open = async (url, isolated) => {
      for (const name of browsers) {
        const browser = await launch(name);
        try {
          await look(browser, url, isolated);
        } finally {
          await browser.close();
        }
      }
    };
    try {
      await follow(recipe, open);
      console.log(`${recipe.title}: works (${Math.round((performance.now() - since) / 1000)} s)`);
    } catch (error) {
      console.log(`${recipe.title}: ${error.message}`);
      process.exitCode = 1;
    }
  }
}
