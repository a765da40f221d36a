// What the measuring scripts share: the two browsers, and dist/ on its own server.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium, firefox } from '../test/browsers.mjs';

const root = path.resolve(import.meta.dirname, '../..');

/** What is measured: OUT names another folder than dist/. */
export const dist = path.resolve(process.env.OUT ?? path.join(root, 'dist'));

export const browsers = { Chromium: chromium, Firefox: firefox };

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'resnet-bench-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true }));

/** Builds a command of this module, such as ./web/serve; returns its path. */
export function command(name) {
  const file = path.join(folder, path.basename(name));
  execFileSync('go', ['build', '-o', file, name], { cwd: root });
  return file;
}

/** Serves dist/ with web/serve; returns its address and the process. */
export async function serve() {
  const server = spawn(command('./web/serve'), ['-dir', dist, 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((found) => server.stdout.on('data', (d) => { const m = /http:\S+/.exec(d); if (m) found(m[0]); }));
  return { url, server };
}
