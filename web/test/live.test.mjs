// Live as a visitor uses it: the browsers' own imitation of a camera, scenes of ours, and video files.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { dist, inBrowsers, serve } from './harness.mjs';

// In the page, before its scripts: keeps every stream that it gets, and gives what a test says instead of a camera.
function prepare() {
  globalThis.streams = [];
  globalThis.violations = [];
  addEventListener('securitypolicyviolation', (e) => violations.push(e.violatedDirective));
  globalThis.refusal = ''; // name of the error that getUserMedia rejects with
  globalThis.scene = null; // name of the drawing that the camera sees
  const { mediaDevices } = navigator;
  if (!mediaDevices) return;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (wanted) => {
    if (refusal) throw new DOMException('as the test wants', refusal);
    const stream = scene ? (await film()).stream : await ask(wanted);
    streams.push(stream);
    return stream;
  };
  // A video of scene, which may change while it runs.
  globalThis.film = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
    const g = canvas.getContext('2d');
    const images = new Map();
    const draw = () => {
      const name = scene;
      if (!name) return;
      if (!images.has(name)) images.set(name, Object.assign(new Image(), { src: `samples/${name}.svg` }));
      g.fillStyle = '#c8cdc9';
      g.fillRect(0, 0, 320, 240);
      if (images.get(name).complete) g.drawImage(images.get(name), 40, 0, 240, 240);
    };
    draw();
    await images.get(scene).decode();
    draw();
    const stream = canvas.captureStream(30);
    const timer = setInterval(() => {
      if (stream.getTracks().some((t) => t.readyState === 'live')) draw();
      else clearInterval(timer);
    }, 30);
    return { canvas, stream };
  };
  // A video file of a scene.
  globalThis.record = async (name, ms) => {
    scene = name;
    const { stream } = await film();
    const recorder = new MediaRecorder(stream, { mimeType: 'video/webm' });
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.start();
    await new Promise((done) => { setTimeout(done, ms); });
    await new Promise((done) => { recorder.onstop = done; recorder.stop(); });
    for (const t of stream.getTracks()) t.stop();
    scene = null;
    return new File(pieces, `${name}.webm`, { type: 'video/webm' });
  };
  globalThis.drop = (file) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(file);
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
  };
}

inBrowsers('live', (w) => {
  let server;
  let origin;
  let page;
  const errors = [];
  before(async () => {
    server = spawn(serve(), ['-dir', dist, 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    origin = await new Promise((resolve) => {
      server.stdout.once('data', (said) => resolve(new URL(/http:\S+/.exec(said)[0]).origin));
    });
    page = await w.browser.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (e) => errors.push(e.message));
    await page.setViewport({ width: 1280, height: 900 });
    await page.evaluateOnNewDocument(`try { localStorage.setItem('lang', 'en'); } catch {} (${prepare})()`);
    await page.goto(origin);
    await page.waitForSelector('#load[data-state="ready"]');
  });
  after(() => server.kill());

  const shown = (state) => page.waitForSelector(`body[data-state="${state}"]`);
  const text = (selector) => page.$eval(selector, (e) => e.textContent);
  const says = (selector, pattern) => page.waitForFunction((q, p) => new RegExp(p).test(document.querySelector(q).textContent),
    {}, selector, pattern.source);
  const lights = () => page.evaluate(() => streams.flatMap((x) => x.getTracks()).filter((t) => t.readyState === 'live').length);
  const visible = (selector) => page.waitForSelector(selector, { visible: true });
  const runs = async () => {
    await shown('live');
    await page.waitForFunction(() => document.querySelectorAll('#live-bars li').length === 5
      && document.getElementById('live-best').textContent && !document.getElementById('live-rate').hidden);
  };
  const home = async () => {
    await page.evaluate(() => { scene = null; refusal = ''; });
    if (await page.$('#note:not([hidden])')) await page.keyboard.press('Escape');
    if (await page.$('body:not([data-state="empty"])')) await page.keyboard.press('Escape');
    await shown('empty');
  };
  const start = async (name = null) => {
    await home();
    await page.evaluate((n) => { scene = n; }, name);
    await page.click('#film');
    await runs();
  };

  test('the camera opens by keyboard alone; answers come, change and are counted; stopping turns it off', async () => {
    await page.focus('#film');
    await page.keyboard.press('Enter');
    await runs();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'live-freeze');
    assert.equal(await lights(), 1);
    const values = () => page.$$eval('#live-bars .bar', (l) => l.map((e) => e.parentElement.innerHTML + e.style.cssText).join());
    const was = await values();
    await page.waitForFunction((v) => [...document.querySelectorAll('#live-bars .bar')]
      .map((e) => e.parentElement.innerHTML + e.style.cssText).join() !== v, {}, was);
    await says('#live-rate', /^\d+ frames a second · [\d.]+ ms each \(network [\d.]+\)$/);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'live-stop');
    await page.keyboard.press('Enter');
    await shown('empty');
    assert.equal(await lights(), 0, 'the camera stays on');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'choose');
    assert.equal(await page.$eval('#live-video', (v) => v.srcObject), null);
  });

  test('the answer follows what is seen, and screen readers are told of it', async () => {
    await page.evaluate(() => {
      globalThis.spoken = [];
      new MutationObserver(() => {
        const { textContent } = document.getElementById('announcer');
        if (textContent) spoken.push([performance.now(), textContent]);
      }).observe(document.getElementById('announcer'), { childList: true });
    });
    await start('lemon');
    await says('#live-best', /^Lemon$/);
    assert.equal(await text('#live-eyebrow'), 'It looks like');
    await says('#live-bars li:first-child', /^Lemon\d+%$/);
    await page.waitForFunction(() => spoken.some(([, t]) => t === 'It looks like lemon.'));
    await page.evaluate(() => { scene = 'monarch'; });
    await says('#live-best', /^Monarch/);
    await page.waitForFunction(() => spoken.some(([, t]) => /Monarch|monarch/.test(t)));
    const spoken = (await page.evaluate(() => spoken)).filter(([, t]) => /looks like|Not sure/.test(t));
    for (const [i, [at]] of spoken.entries()) assert.ok(i === 0 || at - spoken[i - 1][0] > 2400, `${spoken}`);
  });

  test('the heat map follows, mirrored as the picture is', async () => {
    await start('lemon');
    assert.ok(await page.$eval('.live-picture', (e) => e.matches('.mirrored')), 'the camera of a desktop looks at its owner');
    await page.click('#live-heat-toggle');
    await visible('#live-heat.on');
    const heat = () => page.$eval('#live-heat', (c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join());
    const was = await heat();
    assert.ok(was.length > 9000);
    await page.evaluate(() => { scene = 'monarch'; });
    await page.waitForFunction((h) => {
      const c = document.getElementById('live-heat');
      return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].join() !== h;
    }, {}, was);
    await page.click('#live-heat-toggle');
    await page.waitForSelector('#live-heat:not(.on)');
    await page.click('#live-mirror');
    assert.ok(!await page.$eval('.live-picture', (e) => e.matches('.mirrored')));
    await page.click('#live-mirror');
    // The square that the network sees, in the middle of the picture.
    const [square, whole] = await page.$$eval('.live-square, .live-picture', (l) => l.map((e) => {
      const { width, height, left } = e.getBoundingClientRect();
      return { width, height, left };
    }).sort((a, b) => a.width - b.width));
    assert.ok(Math.abs(square.width - square.height) < 2, JSON.stringify(square));
    assert.ok(Math.abs(square.left + square.width / 2 - whole.left - whole.width / 2) < 2);
    assert.ok(square.height < whole.height + 1 && square.height > 0.8 * whole.height);
  });

  test('a frame that is frozen is a result as any other, and the camera is off; it can go on', async () => {
    await start('lemon');
    await says('#live-best', /^Lemon$/);
    await page.keyboard.press('Enter');
    await shown('result');
    assert.equal(await lights(), 0, 'the camera stays on');
    assert.equal(await text('#best'), 'Lemon');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'best');
    for (const id of ['aim', 'heat-toggle', 'copy', 'save', 'film-again']) await visible(`#${id}`);
    await page.evaluate(() => { scene = 'orange'; });
    await page.focus('#film-again');
    await page.keyboard.press('Enter');
    await runs();
    assert.equal(await lights(), 1);
    await says('#live-best', /^Orange$/);
    await page.click('#live-freeze');
    await shown('result');
    await page.waitForFunction(() => document.querySelectorAll('#strip-list button').length >= 2);
  });

  test('Back leaves it, with the camera off, and coming back does not turn it on', async () => {
    await start('lemon');
    await page.evaluate(() => history.back());
    await shown('empty');
    assert.equal(await lights(), 0);
    await page.evaluate(() => history.forward());
    await visible('#live-held');
    assert.equal(await text('#live-why'), 'The camera is off.');
    assert.equal(await lights(), 0);
    await page.evaluate(() => { scene = 'lemon'; });
    await page.click('#live-resume');
    await runs();
    assert.equal(await lights(), 1);
    const entries = await page.evaluate(() => history.length);
    await page.keyboard.press('Escape');
    await shown('empty');
    assert.equal(await lights(), 0, 'Escape leaves the camera on');
    assert.ok(await page.evaluate(() => history.length) <= entries + 1);
  });

  test('hidden, it stops, says so, and goes on when the visitor wants', async () => {
    await start('lemon');
    const hide = (on) => page.evaluate((h) => {
      Object.defineProperty(document, 'hidden', { get: () => h, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, on);
    await hide(true);
    await visible('#live-held');
    assert.equal(await lights(), 0, 'a camera stays on that nobody sees');
    await hide(false);
    assert.equal(await text('#live-why'), 'Paused because the page was hidden.');
    assert.equal(await lights(), 0);
    await page.click('#live-resume');
    await runs();
    assert.equal(await lights(), 1);
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })));
    await visible('#live-held');
    assert.equal(await lights(), 0);
    await page.click('#live-leave');
    await shown('empty');
  });

  test('a camera that is unplugged is told of', {
    skip: w.name === 'firefox' && 'no script can pretend that there',
  }, async () => {
    await start('lemon');
    await page.evaluate(() => streams.at(-1).getTracks()[0].dispatchEvent(new Event('ended')));
    await visible('#live-held');
    assert.equal(await text('#live-why'), 'The camera has stopped.');
    assert.equal(await lights(), 0);
  });

  test('a picture that is dropped takes its place', async () => {
    await start('lemon');
    await page.evaluate(async () => drop(new File([await (await fetch('samples/school-bus.svg')).blob()], 'bus.svg', { type: 'image/svg+xml' })));
    await shown('result');
    assert.equal(await text('#best'), 'School bus');
    assert.equal(await lights(), 0);
    assert.ok(await page.$eval('#film-again', (e) => e.hidden), 'this is no frame of a video');
  });

  test('what is dropped and is no picture is told of, and the camera can go on', async () => {
    await start('lemon');
    await page.evaluate(() => drop(new File(['no picture'], 'broken.png', { type: 'image/png' })));
    await says('#note', /cannot be read as a picture/);
    await visible('#live-held');
    assert.equal(await lights(), 0);
    await page.click('#live-resume');
    await runs();
    await page.evaluate(() => document.body.dispatchEvent(new DragEvent('drop',
      { bubbles: true, cancelable: true, dataTransfer: new DataTransfer() }))); // nothing at all
    await says('#note', /No picture found/);
    assert.equal(await lights(), 1, 'it has to stop for nothing');
  });

  test('another language, with the camera on', async () => {
    await start('lemon');
    await page.click('[data-lang="zh"]');
    await says('#live-best', /^柠檬$/);
    await runs();
    assert.equal(await lights(), 1);
    await page.click('[data-lang="en"]');
    await says('#live-best', /^Lemon$/);
    assert.equal(await lights(), 1);
  });

  test('each refusal says what to do', async () => {
    await home();
    for (const [name, title] of [
      ['NotAllowedError', /not allowed/], ['NotFoundError', /No camera found/], ['NotReadableError', /does not start/],
    ]) {
      await page.evaluate((n) => { refusal = n; }, name);
      await page.click('#film');
      await shown('problem');
      await says('#problem-title', title);
      assert.match(await text('#problem-advice'), /try again/);
      assert.equal(await lights(), 0);
    }
    await page.evaluate(() => {
      Object.defineProperty(document, 'featurePolicy', { value: { allowsFeature: () => false }, configurable: true });
      refusal = 'NotAllowedError';
    });
    await page.click('#film');
    await says('#problem-title', /switched off/);
    await page.evaluate(() => {
      delete document.featurePolicy;
      refusal = '';
    });
    await start('lemon');
    await page.click('#live-freeze');
    await shown('result');
    await page.evaluate(() => { refusal = 'NotAllowedError'; });
    await page.click('#film-again');
    await says('#note', /not allowed/);
    await shown('result');
    await home();
  });

  test('where a page is not secure, it says so', async () => {
    const other = await w.browser.newPage();
    await other.goto(origin.replace('localhost', 'plain.test'));
    await other.waitForSelector('#load[data-state="ready"]');
    await other.click('#film');
    await other.waitForSelector('body[data-state="problem"]');
    assert.match(await other.$eval('#problem', (e) => e.textContent), /secure|安全/);
    await other.close();
  });

  test('several cameras can be chosen from', { skip: w.name === 'firefox' && 'it imitates one' }, async () => {
    await start();
    await visible('#live-cameras');
    const [, second] = await page.$$eval('#live-cameras option', (l) => l.map((o) => o.value));
    await page.select('#live-cameras', second);
    await page.waitForFunction((id) => streams.at(-1).getVideoTracks()[0].getSettings().deviceId === id, {}, second);
    await runs();
    assert.equal(await lights(), 1, 'the former stays on');
    await page.click('#live-stop');
    await shown('empty');
    await page.click('#film');
    await runs();
    assert.equal(await page.$eval('#live-cameras', (e) => e.value), second, 'the choice is forgotten');
  });

  test('a video file is played and classified along', async () => {
    await home();
    await page.evaluate(async () => drop(await record('lemon', 1500)));
    await runs();
    await says('#live-best', /^Lemon$/);
    assert.ok(await page.$eval('#live-video', (v) => v.muted && v.loop && !v.paused));
    assert.ok(!await page.$eval('.live-picture', (e) => e.matches('.mirrored')));
    await visible('#live-seek');
    await page.click('#live-play');
    await page.waitForFunction(() => document.getElementById('live-video').paused);
    assert.equal(await page.$eval('#live-play', (e) => e.ariaLabel), 'Play');
    await page.$eval('#live-seek', (e) => {
      e.value = '0.5';
      e.dispatchEvent(new Event('input'));
    });
    await page.click('#live-freeze');
    await shown('result');
    assert.equal(await text('#best'), 'Lemon');
    await page.click('#film-again');
    await runs();
    await page.evaluate(async () => drop(await record('orange', 700))); // another one, while it runs
    await says('#live-best', /^Orange$/);
    await page.click('#live-stop');
    await shown('empty');
  });

  test('who prefers less motion sees bars that move twice a second', {
    skip: w.name === 'firefox' && 'its protocol sets no such preference',
  }, async () => {
    await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
    await start();
    const times = await page.evaluate(() => new Promise((done) => {
      const seen = [];
      new MutationObserver(() => seen.push(performance.now()) > 4 && done(seen))
        .observe(document.querySelector('#live-bars .bar'), { attributes: true });
    }));
    times.forEach((at, i) => assert.ok(i === 0 || at - times[i - 1] > 450, `${times}`));
    await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'no-preference' }]);
  });

  test('what is no video says so', async () => {
    await home();
    await page.evaluate(() => drop(new File(['no video'], 'broken.mp4', { type: 'video/mp4' })));
    await shown('problem');
    assert.match(await text('#problem-title'), /cannot be played/);
    await page.click('.sample');
    await shown('result');
    const was = await text('#best');
    await page.evaluate(() => drop(new File([], 'empty.webm', { type: 'video/webm' })));
    await says('#note', /cannot be played/);
    await shown('result');
    assert.equal(await text('#best'), was);
  });

  test('nothing that the policy forbids, and no error', async () => {
    assert.deepEqual(await page.evaluate(() => violations), []);
    assert.deepEqual(errors, []);
  });
});
