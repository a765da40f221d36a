// WebKitGTK, the nearest stand-in for Safari, over its own WebDriver (Debian: webkit2gtk-driver, xvfb): puppeteer does not
// drive it.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';

const driver = '/usr/bin/WebKitWebDriver';
const browser = (() => {
  const libraries = '/usr/lib';
  for (const arch of existsSync(libraries) ? readdirSync(libraries) : []) {
    for (const version of ['webkit2gtk-4.1', 'webkit2gtk-4.0']) {
      const file = path.join(libraries, arch, version, 'MiniBrowser');
      if (existsSync(file)) return file;
    }
  }
})();

/** Why tests with it are left out, or false. */
export const missing = !existsSync(driver) || !browser || !existsSync('/usr/bin/xvfb-run') ? 'no WebKitGTK here: apt-get install webkit2gtk-driver xvfb' : false;

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** A window: { version, go(url), run(f, ...arguments), quit }. run awaits f in the page; what it throws is thrown here. */
export async function webkit() {
  const port = await new Promise((resolve) => {
    const server = createServer().listen(0, () => {
      const free = server.address().port;
      server.close(() => resolve(free));
    });
  });
  const child = spawn('xvfb-run', ['-a', driver, `--port=${port}`], { stdio: 'ignore', detached: true });
  const stop = () => {
    try {
      process.kill(-child.pid);
    } catch { /* it has ended */ }
  };
  process.on('exit', stop);
  const call = async (method, address, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${address}`, { method, body: body && JSON.stringify(body) });
    const { value } = await response.json();
    if (value?.error) throw new Error(`webkit: ${value.error}: ${value.message}`);
    return value;
  };
  try {
    for (let tries = 0; ; tries++) {
      if (await call('GET', '/status').then(() => true, () => false)) break;
      if (tries === 100) throw new Error(`webkit: ${driver} does not answer`);
      await sleep(200);
    }
    const { sessionId, capabilities } = await call('POST', '/session', { capabilities: { alwaysMatch: {
      timeouts: { script: 120_000, pageLoad: 120_000 }, 'webkitgtk:browserOptions': { binary: browser, args: ['--automation'] } } } });
    const session = `/session/${sessionId}`;
    return {
      version: capabilities.browserVersion,
      go: (url) => call('POST', `${session}/url`, { url }),
      async run(f, ...args) {
        const script = `const done = arguments[arguments.length - 1]; (${f})(...[...arguments].slice(0, -1)).then((value) => done({ value }), (e) => done({ error: String(e) }));`;
        const { value, error } = await call('POST', `${session}/execute/async`, { script, args });
        if (error) throw new Error(`webkit: ${error}`);
        return value;
      },
      async quit() {
        await call('DELETE', session).catch(() => {});
        stop();
        process.off('exit', stop);
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}
