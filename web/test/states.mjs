// Takes a picture of the page in every state, to be looked at: narrow and wide, light and dark, in both languages.
//
//	node states.mjs FOLDER [STATE ...]      of dist/, or OUT=FOLDER; with PHOTO=FILE of a photograph, too

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { dist, launch, serve } from './harness.mjs';

const [folder = 'states', ...wanted] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const server = spawn(serve(), ['-dir', dist, 'localhost:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => server.kill());
const origin = await new Promise((resolve) => {
  server.stdout.once('data', (text) => resolve(/http:\S+/.exec(text)[0]));
});

const shown = (page, state) => page.waitForSelector(`body[data-state="${state}"]`);
const sample = async (page, id) => {
  await page.click(`.sample[data-id="${id}"]`);
  await shown(page, 'result');
};
const give = (page, text, name, type) => page.evaluate((text, name, type) => {
  const dataTransfer = new DataTransfer();
  if (name) dataTransfer.items.add(new File([text], name, { type }));
  document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
}, text, name, type);
const choose = async (page, file) => {
  await (await page.$('#file')).uploadFile(file);
  await shown(page, 'result');
};

// The browser's own imitation of a camera, or one that sees drawings of ours over each other.
const live = async (page, ...names) => {
  await page.evaluate((list) => {
    if (list.length > 0) navigator.mediaDevices.getUserMedia = async () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
      const g = canvas.getContext('2d');
      const images = list.map((name) => Object.assign(new Image(), { src: `samples/${name}.svg` }));
      await Promise.all(images.map((image) => image.decode()));
      setInterval(() => {
        g.fillStyle = '#c8cdc9';
        g.fillRect(0, 0, 640, 480);
        images.forEach((image, i) => {
          g.globalAlpha = i ? 0.5 : 1;
          g.drawImage(image, 80, 0, 480, 480);
        });
      }, 30);
      return canvas.captureStream(30);
    };
  }, names);
  await page.click('#film');
  await page.waitForSelector('#live-bars li');
};

// Several pictures: our drawings, some of them twice and shrunk, and a file that is none.
const sort = async (page) => {
  await page.evaluate(async () => {
    const dataTransfer = new DataTransfer();
    const names = ['monarch', 'espresso', 'lighthouse', 'orange', 'school-bus', 'hourglass', 'bell-pepper', 'candle', 'lemon', 'keyboard'];
    for (let i = 0; i < 40; i++) {
      const image = new Image();
      image.src = `samples/${names[i % 10]}.svg`;
      await image.decode();
      const canvas = new OffscreenCanvas(320, 240);
      const g = canvas.getContext('2d');
      g.fillStyle = `hsl(${i * 37} 20% ${30 + i}%)`;
      g.fillRect(0, 0, 320, 240);
      const side = 240 - (i >> 3) * 30;
      g.drawImage(image, (320 - side) / 2, (240 - side) / 2, side, side);
      dataTransfer.items.add(new File([await canvas.convertToBlob()], `holiday-${i}.png`, { type: 'image/png' }));
    }
    dataTransfer.items.add(new File(['hello'], 'notes.jpg'));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
  });
  await page.waitForSelector('#pictures');
  await page.waitForFunction(() => document.getElementById('run').hidden);
};
const third = async (page) => {
  await page.focus('#pictures');
  for (const key of ['Home', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
};

/** What is done from the start to come to each state. */
const states = {
  start: () => {},
  result: (page) => sample(page, 'n07749582'),
  heat: async (page) => {
    await sample(page, 'n02279972');
    await page.click('#heat-toggle');
  },
  unsure: (page) => choose(page, path.join(import.meta.dirname, 'pictures/scene.png')),
  aimed: async (page) => {
    await choose(page, process.env.PHOTO ?? path.join(import.meta.dirname, 'pictures/baseline.jpg'));
    for (let i = 0; i < 2; i++) await page.click('#zoom-in');
    await page.focus('#aim');
    await page.keyboard.press('ArrowRight');
  },
  visit: async (page) => {
    for (const id of ['n07749582', 'n02279972', 'n04146614']) await sample(page, id);
  },
  problem: (page) => give(page, 'hello', 'notes.txt', 'text/plain'),
  note: async (page) => {
    await sample(page, 'n07747607');
    await give(page, 'hello', 'notes.txt', 'text/plain');
    await page.waitForSelector('#note:not([hidden])');
  },
  live: (page) => live(page),
  'live-heat': async (page) => {
    await live(page, 'monarch');
    await page.click('#live-heat-toggle');
  },
  'live-unsure': (page) => live(page, 'candle', 'hourglass'),
  'live-held': async (page) => {
    await live(page);
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide')));
  },
  'live-video': async (page) => {
    await page.evaluate(() => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
      const g = canvas.getContext('2d');
      let i = 0;
      const timer = setInterval(() => {
        g.fillStyle = `hsl(${i++} 60% 50%)`;
        g.fillRect(0, 0, 640, 360);
      }, 30);
      const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: 'video/webm' });
      recorder.ondataavailable = ({ data }) => {
        clearInterval(timer);
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([data], 'colours.webm', { type: 'video/webm' }));
        document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
      };
      recorder.start();
      setTimeout(() => recorder.stop(), 1500);
    });
    await page.waitForSelector('#live-bars li');
  },
  'live-frozen': async (page) => {
    await live(page, 'lemon');
    await page.click('#live-freeze');
    await shown(page, 'result');
  },
  'live-denied': async (page) => {
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('Permission denied', 'NotAllowedError'); };
    });
    await page.click('#film');
    await shown(page, 'problem');
  },
  'sort-start': (page) => page.click('[data-view-link="sort"]'),
  sort,
  'sort-chosen': async (page) => {
    await sort(page);
    await third(page);
  },
  'sort-table': async (page) => {
    await sort(page);
    await page.evaluate(() => document.querySelector('[data-layout="table"]').click());
  },
  'sort-groups': async (page) => {
    await sort(page);
    await page.evaluate(() => document.getElementById('group').click());
  },
  'sort-filters': async (page) => {
    await sort(page);
    await page.evaluate(() => document.getElementById('filters').click());
  },
  'sort-similar': async (page) => {
    await sort(page);
    await third(page);
    await page.keyboard.press('s');
  },
  'sort-label': async (page) => {
    await sort(page);
    await third(page);
    await page.keyboard.press('l');
  },
  'sort-save': async (page) => {
    await sort(page);
    await page.click('#save-menu');
  },
  'sort-closer': async (page) => {
    await sort(page);
    await third(page);
    await page.keyboard.press('Enter');
    await shown(page, 'result');
  },
  classes: (page) => page.click('#open-classes'),
  search: async (page) => {
    await page.click('#open-classes');
    await page.keyboard.type('bird');
  },
};

const browser = await launch('chromium');
for (const [name, reach] of Object.entries(states)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const page = await browser.newPage();
  for (const lang of ['en', 'zh']) {
    for (const [width, height] of [[390, 844], [1280, 800]]) {
      await page.setViewport({ width, height, hasTouch: width < 800, isMobile: width < 800 });
      await page.goto(origin);
      await page.evaluate((l) => localStorage.setItem('lang', l), lang);
      await page.reload();
      await page.waitForSelector('#load[data-state="ready"]');
      await reach(page);
      await new Promise((done) => { setTimeout(done, 900); });
      for (const scheme of ['light', 'dark']) {
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        await new Promise((done) => { setTimeout(done, 300); }); // colours change slowly
        const file = path.join(folder, `${name}-${width}-${lang}-${scheme}.png`);
        await page.screenshot({ path: file, fullPage: !/^(classes|search|note|sort.*)$/.test(name) });
      }
    }
  }
  await page.close();
}
await browser.close();
server.kill();
