// What callers pass as a picture, and what becomes of it: files that are cut short, damaged or of other kinds, elements
// that are not ready, other colour spaces, memory that is gone, sizes beyond the limit, browsers that lack something.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { csp, inBrowsers, inPage, root } from './harness.mjs';

const cases = path.resolve(root, '../shared/cases/pictures');
const missing = existsSync(cases) ? false : `${cases} is missing`;

// What becomes of each file there: the picture that the network's input must be like, within the mean difference of 4 of
// 127, or the code and words of an error. Several entries: Chromium's, then Firefox's.
const damaged = [/^image-decode.*(it is damaged, or uses what this browser does not read)/];
const cut = (kind) => [new RegExp(`^image-decode.*the ${kind} file of \\d+ bytes is cut short`)];
const scene = ['base.png'];
const tiff = [/^image-decode.*cannot read TIFF.*save it as JPEG or PNG/];
const outcomes = {
  'apng-default-image-not-in-animation.png': ['apng-default-image-not-in-animation.png'], // red; nothing to compare with
  'avif-16000.avif': [/^image-too-large.*16000×16000/],
  'base.png': scene,
  'bmp-1bit.bmp': ['tiff-g4-ref.png'],
  'bmp-4bit-ref.png': scene,
  'bmp-4bit.bmp': ['bmp-4bit-ref.png'],
  'bmp-565.bmp': scene,
  'bmp-cut-60.bmp': cut('BMP'),
  'bmp-os2.bmp': scene,
  'bmp-rle8.bmp': ['bmp-4bit-ref.png'],
  'gif-cut-60.gif': cut('GIF'),
  'gif-frame-larger.gif': scene,
  'gif-frame-outside.gif': [/^220×145$/, /^200×130$/],
  'jpeg-cut-50.jpg': cut('JPEG'),
  'jpeg-cut-90.jpg': cut('JPEG'),
  'jpeg-cut-last-2-bytes.jpg': ['jpeg-plain.jpg'],
  'jpeg-dnl.jpg': damaged,
  'jpeg-exif6-long.jpg': [/^160×240$/], // not turned: its orientation is a LONG
  'jpeg-exif6.jpg': scene,
  'jpeg-header-only.jpg': cut('JPEG'),
  'jpeg-junk-between-segments.jpg': ['jpeg-plain.jpg'],
  'jpeg-one-bad-byte.jpg': [damaged[0], /^240×160$/],
  'jpeg-plain.jpg': scene,
  'jpeg-progressive-cut-50.jpg': cut('JPEG'),
  'jpeg-trailing-data.jpg': ['jpeg-plain.jpg'],
  'jpeg-two-exif.jpg': [/^160×240$/], // the first Exif counts, and has no orientation
  'jpeg-without-dht-as-mjpeg.jpg': ['jpeg-plain.jpg'],
  'png-bad-crc-idat.png': [damaged[0], 'base.png'],
  'png-bad-crc-text.png': scene,
  'png-cut-60.png': cut('PNG'),
  'png-exif6.png': scene,
  'png-no-iend.png': scene,
  'png-trailing.png': scene,
  'tiff-g4-blackiszero.tif': tiff,
  'tiff-g4-ref.png': ['bmp-1bit.bmp'],
  'tiff-orient6.tif': tiff,
  'tiff-plain.tif': tiff,
  'tiff-planar-8bit-deflate.tif': tiff,
  'tiff-planar-8bit.tif': tiff,
  'webp-animated.webp': scene,
  'webp-cut-60.webp': cut('WebP'),
  'webp-cut-95.webp': cut('WebP'),
  'webp-exif6.webp': [/^160×240$/], // browsers do not turn WebP
  'webp-lossy-as-libwebp.png': scene,
  'webp-lossy-checks-as-libwebp.png': ['webp-lossy-checks.webp'],
  'webp-lossy-checks.webp': ['webp-lossy-checks-as-libwebp.png'],
  'webp-lossy.webp': ['webp-lossy-as-libwebp.png'],
};

inBrowsers('sources', (w) => {
  const run = inPage(w, async () => {
    await begin();
    globalThis.bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
    globalThis.different = (a, b) => a.reduce((sum, x, i) => sum + Math.abs(x - b[i]), 0) / a.length;
    globalThis.reference = await c._input(scene);
    // The mean difference of a source from the scene, or the error's code and message.
    globalThis.compare = async (source) => {
      try {
        return different(await c._input(source), reference);
      } catch (e) {
        return `${e.code}: ${e.message}`;
      }
    };
    // The scene as large as a photograph's thumbnail, in files that the browser writes.
    globalThis.written = async (type, quality = 0.9) => {
      const element = Object.assign(document.createElement('canvas'), { width: 240, height: 160 });
      element.getContext('2d').drawImage(await createImageBitmap(scene), 0, 0, 240, 160);
      const blob = await new Promise((resolve) => { element.toBlob(resolve, type, quality); });
      return blob.type === type ? tidy(blob) : null;
    };
    // Firefox writes a chunk of its own between a PNG's pixels and its end.
    globalThis.tidy = async (blob) => {
      if (blob.type !== 'image/png') return blob;
      const bytes = await bytesOf(blob);
      const v = new DataView(bytes.buffer);
      let [at, end] = [8, 0];
      for (; at < bytes.length; at += 12 + v.getUint32(at)) if (v.getUint32(at + 4) === 0x49444154) end = at + 12 + v.getUint32(at);
      return new Blob([bytes.subarray(0, end), bytes.subarray(-12)], { type: blob.type });
    };
  });

  test('every file of the shared cases', { skip: missing }, async () => {
    const files = readdirSync(cases).filter((name) => !name.endsWith('.py'));
    assert.deepEqual(files.filter((name) => !outcomes[name]), [], 'files without an outcome');
    await run(async (all) => {
      globalThis.found = {};
      for (const [name, text] of Object.entries(all)) {
        const blob = new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]);
        try {
          const { heatmap } = await c.classify(blob, { heatmap: 0, fit: 'squash' });
          found[name] = { size: `${heatmap.box.width}×${heatmap.box.height}`, input: await c._input(blob) };
        } catch (e) {
          found[name] = { error: `${e.code}: ${e.message}` };
        }
      }
    }, Object.fromEntries(files.map((name) => [name, readFileSync(path.join(cases, name)).toString('base64')])));
    for (const name of files) {
      const outcome = outcomes[name][w.name === 'firefox' ? outcomes[name].length - 1 : 0];
      const r = await run((name, like) => {
        const { size, input, error } = found[name];
        return { size, error, difference: input && found[like]?.input && different(input, found[like].input) };
      }, name, String(outcome));
      if (outcome instanceof RegExp) assert.match(r.error ?? r.size, outcome, name);
      else assert.ok(r.difference < 4, `${name} is not like ${outcome}: ${JSON.stringify(r)}`);
    }
  });

  test('a file that lacks no more than its end marker is read, and one that lacks more is refused', async () => {
    const r = await run(async () => {
      const padded = async () => { // a BMP of 3×2 pixels, whose rows end with three bytes that mean nothing
        const bmp = new Uint8Array(54 + 24).fill(200);
        bmp.set([66, 77, 78, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0, ...new Array(24).fill(0)]);
        return new Blob([bmp]);
      };
      // [what, file, bytes that may be missing, bytes that may not]
      const files = [
        ['PNG', await written('image/png'), [1, 4, 8, 11, 12], [13, 16, 17, 100, 5000]],
        ['JPEG', await written('image/jpeg'), [1, 2], [3, 4, 10, 100, 2000]],
        ['progressive', await picture('progressive.jpg'), [1, 2], [3, 4, 10, 100]],
        ['grey PNG of 16 bits', await picture('gray16.png'), [1, 12], [13, 30]],
        ['GIF', await picture('animated.gif'), [1, 2, 20], [1000, 1200]], // the other frames do not matter
        ['BMP', await picture('scene.bmp'), [], [1, 3, 4, 1000]],
        ['BMP with fill bytes', await padded(), [1, 2, 3], [4, 5, 12]],
        ['WebP', await picture('scene.webp'), [], [2, 3, 100]],
        ['lossy WebP', await written('image/webp'), [], [2, 3, 100]],
      ];
      const out = [];
      for (const [name, file, fine, wrong] of files) {
        if (!file) continue;
        const bytes = await bytesOf(file);
        const whole = await c._input(file);
        for (const count of [0, ...fine, ...wrong]) {
          const short = new Blob([bytes.subarray(0, bytes.length - count)]);
          const got = await c._input(short).then((input) => different(input, whole), (e) => `${e.code}: ${e.message}`);
          out.push([`${name} less ${count}`, wrong.includes(count), got]);
        }
        const more = await c._input(new Blob([bytes, new Uint8Array(300).fill(7)])).then((input) => different(input, whole), (e) => e.message);
        out.push([`${name} and more`, false, more]);
      }
      return out;
    });
    assert.ok(r.length > 60);
    for (const [name, isWrong, got] of r) {
      if (isWrong) assert.match(String(got), /^image-decode.*is cut short/, name);
      else assert.equal(got, 0, name);
    }
  });

  test('files larger than what is read of them at first are told to be cut, too', async () => {
    const r = await run(async () => {
      const element = Object.assign(document.createElement('canvas'), { width: 700, height: 500 });
      const context = element.getContext('2d');
      const noise = context.createImageData(700, 500);
      let seed = 1;
      for (let i = 0; i < noise.data.length; i++) noise.data[i] = i % 4 === 3 ? 255 : (seed = (seed * 48271) % 2147483647) & 255;
      context.putImageData(noise, 0, 0);
      const out = {};
      for (const type of ['image/png', 'image/jpeg', 'image/webp']) {
        const blob = await tidy(await new Promise((resolve) => { element.toBlob(resolve, type, 0.95); }));
        if (blob.type !== type) continue;
        const whole = await c._input(blob);
        const same = async (file) => c._input(file).then((input) => different(input, whole), (e) => `${e.code}: ${e.message}`);
        const marker = { 'image/png': 12, 'image/jpeg': 2, 'image/webp': 0 }[type];
        out[type] = [blob.size > 1 << 17, await same(blob.slice(0, blob.size - marker)), await same(new Blob([blob, new Uint8Array(1000)])), await same(blob.slice(0, blob.size - marker - 3)), await same(blob.slice(0, blob.size >> 1))];
      }
      return out;
    });
    assert.ok(r['image/png'] && r['image/jpeg']);
    for (const [type, [isLarge, unmarked, more, ...cuts]] of Object.entries(r)) {
      assert.deepEqual([isLarge, unmarked, more], [true, 0, 0], type);
      for (const e of cuts) assert.match(String(e), /^image-decode.*is cut short/, type);
    }
  });

  test('a video is upright as a phone turned it', async () => {
    const r = await run(async () => {
      const video = Object.assign(document.createElement('video'), { muted: true, src: '/t/pictures/turned.mp4' });
      await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(video.error);
      });
      const { heatmap } = await c.classify(video, { heatmap: 0, fit: 'squash' });
      return { size: [heatmap.box.width, heatmap.box.height], difference: await compare(video) };
    });
    assert.deepEqual(r.size, [192, 128]);
    assert.ok(r.difference < 8, `${r.difference}`); // 29.7 if it lies on its side
  });

  test('a video of another site that does not allow it is named as such', async () => {
    const open = await w.open(`/blank/?csp=${encodeURIComponent(csp.replace("media-src 'self'", `media-src 'self' ${w.other}`))}`);
    const e = await open.evaluate(async (other) => {
      await import('/t/page.js');
      const c = await make();
      const video = Object.assign(document.createElement('video'), { muted: true, src: `${other}/t/pictures/turned.mp4` });
      await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(video.error);
      });
      const e = await failure(c.classify(video));
      c.close();
      return e;
    }, w.other);
    await open.close();
    assert.equal(e.code, 'image-tainted', e.message);
  });

  test('an image element is waited for, at its present address', async () => {
    const r = await run(async () => {
      const out = {};
      const start = performance.now();
      const lazy = Object.assign(new Image(), { loading: 'lazy' });
      lazy.src = '/t/pictures/scene.png?lazy';
      out.lazy = await compare(lazy);
      const hidden = Object.assign(new Image(), { loading: 'lazy', style: 'position: absolute; top: 90000px' });
      hidden.src = '/t/pictures/scene.png?hidden';
      document.body.append(hidden);
      out.hidden = await compare(hidden);
      for (const [name, wait] of [['replaced', async () => {}], ['decoded', (element) => element.decode()]]) {
        const element = await image('/t/pictures/dot.png');
        element.src = `/t/pictures/scene.png?${name}`;
        await wait(element);
        out[name] = await compare(element);
        element.src = '/t/pictures/none.png';
        await wait(element).catch(() => {});
        out[`${name}, then none`] = await compare(element);
      }
      const twice = new Image();
      twice.src = '/t/pictures/dot.png?twice';
      twice.src = '/t/pictures/scene.png?twice';
      out.twice = await compare(twice);
      out.empty = await compare(new Image());
      out.lazyNone = await compare(Object.assign(new Image(), { loading: 'lazy', src: '/t/pictures/none.png?lazy' }));
      return { out, seconds: (performance.now() - start) / 1000 };
    });
    for (const name of ['lazy', 'hidden', 'replaced', 'decoded', 'twice']) assert.equal(r.out[name], 0, name);
    for (const name of ['replaced, then none', 'decoded, then none', 'lazyNone']) assert.match(r.out[name], /^image-decode.*none\.png/, name);
    assert.match(r.out.empty, /^image-decode.*no picture/);
    assert.ok(r.seconds < 25, `${r.seconds} s`);
  });

  test('every source in display-p3 becomes sRGB as the browser itself converts it', async () => {
    const r = await run(async () => {
      const paint = (canvas) => {
        const context = canvas.getContext('2d', { colorSpace: 'display-p3' });
        context.fillStyle = 'color(display-p3 0.75 0.4 0.2)';
        context.fillRect(0, 0, 40, 40);
        return context;
      };
      const element = Object.assign(document.createElement('canvas'), { width: 40, height: 40 });
      const context = paint(element);
      const pixels = context.getImageData(0, 0, 40, 40, { colorSpace: 'display-p3' });
      const offscreen = new OffscreenCanvas(40, 40);
      paint(offscreen);
      const moved = new OffscreenCanvas(40, 40);
      paint(moved);
      const frame = new VideoFrame(element, { timestamp: 0 });
      const sources = { element, offscreen, pixels, frame, bitmap: await createImageBitmap(element), 'bitmap of pixels': await createImageBitmap(pixels), moved: moved.transferToImageBitmap() };
      const out = { want: [...await c._input(context.getImageData(0, 0, 40, 40, { colorSpace: 'srgb' }))].slice(0, 3), seen: {} };
      for (const [name, source] of Object.entries(sources)) out.seen[name] = [...await c._input(source)].slice(0, 3);
      frame.close();
      return out;
    });
    for (const [name, seen] of Object.entries(r.seen)) {
      seen.forEach((v, i) => assert.ok(Math.abs(v - r.want[i]) <= 1, `${name}: ${seen}, want ${r.want}`));
    }
  });

  test('AVIF and HEIC tell their size before they are decoded', async () => {
    const r = await run(async () => {
      const u32 = (x) => [x >> 24 & 255, x >> 16 & 255, x >> 8 & 255, x & 255];
      const box = (type, ...parts) => {
        const body = parts.flat(Infinity);
        return [...u32(body.length + 8), ...[...type].map((ch) => ch.charCodeAt(0)), ...body];
      };
      const ispe = (width, height) => box('ispe', u32(0), u32(width), u32(height));
      const brand = (name) => box('ftyp', [...name].map((ch) => ch.charCodeAt(0)), u32(0));
      const meta = box('meta', u32(0), box('hdlr', u32(0), u32(0)), box('iprp', box('ipco', ispe(512, 512), ispe(20000, 20000), box('pixi', u32(0)), ispe(160, 160))));
      const files = {
        avif: [...brand('avif'), ...meta], heic: [...brand('heic'), ...meta],
        'after its data': [...brand('avif'), ...box('mdat', new Array(200_000).fill(0)), ...meta], 'of an endless box': [...brand('avif'), 0, 0, 0, 0, ...meta.slice(4)],
      };
      const out = {};
      for (const [name, bytes] of Object.entries(files)) out[name] = await compare(new Blob([new Uint8Array(bytes)]));
      out.small = await compare(new Blob([new Uint8Array([...brand('heic'), ...box('meta', u32(0), box('iprp', box('ipco', ispe(512, 512))))])]));
      return out;
    });
    assert.match(r.small, /^image-decode.*cannot read HEIC.*JPEG/);
    delete r.small;
    for (const [name, e] of Object.entries(r)) assert.match(e, /^image-too-large.*20000×20000/, name);
  });

  test('sizes beyond the limit are refused before anything is copied', async () => {
    const r = await run(async () => {
      const out = {};
      const { createImageBitmap } = globalThis;
      const svg = URL.createObjectURL(new Blob(['<svg xmlns="http://www.w3.org/2000/svg" width="20000" height="20000"><rect width="9" height="9"/></svg>'], { type: 'image/svg+xml' }));
      const sources = {
        canvas: Object.assign(document.createElement('canvas'), { width: 16384, height: 16384 }), offscreen: new OffscreenCanvas(12000, 12000),
        pixels: new ImageData(33000, 1), image: await image(svg), bitmap: await createImageBitmap(new ImageData(1, 1)), video: document.createElement('video'),
      };
      Object.defineProperties(sources.bitmap, { width: { value: 20000 }, height: { value: 20000 } });
      Object.defineProperties(sources.video, { readyState: { value: 4 }, videoWidth: { value: 20000 }, videoHeight: { value: 20000 } });
      let copies = 0;
      const slice = Uint8ClampedArray.prototype.slice;
      globalThis.createImageBitmap = () => { copies++; };
      Uint8ClampedArray.prototype.slice = () => { copies++; };
      for (const [name, source] of Object.entries(sources)) out[name] = await failure(c.classify(source));
      globalThis.createImageBitmap = createImageBitmap;
      Uint8ClampedArray.prototype.slice = slice;
      const header = new Uint8Array([71, 73, 70, 56, 57, 97, 0x20, 0x4e, 0x20, 0x4e, 0, 0, 0]); // a GIF of 20000×20000
      return { out, copies, file: (await failure(c.classify(new Blob([header])))).message };
    });
    assert.equal(r.copies, 0);
    for (const [name, e] of Object.entries(r.out)) assert.equal(e.code, 'image-too-large', `${name}: ${e.message}`);
    const limits = /want at most \d+ pixels a side and \d+ million in all/; // of the page and of the Go program
    assert.equal(limits.exec(r.out.canvas.message)[0], limits.exec(r.file)[0]);
  });

  test('what is closed, detached or empty has a code', async () => {
    const r = await run(async () => {
      const element = await canvas('scene.png');
      const pixels = element.getContext('2d').getImageData(0, 0, 48, 32);
      const buffer = await scene.arrayBuffer();
      const bitmap = await createImageBitmap(scene);
      const given = await createImageBitmap(scene);
      const frame = new VideoFrame(bitmap, { timestamp: 0 });
      structuredClone(null, { transfer: [pixels.data.buffer, buffer, given] });
      frame.close();
      bitmap.close();
      const gone = URL.createObjectURL(scene);
      URL.revokeObjectURL(gone);
      const sources = { pixels, buffer, bitmap, given, frame, empty: new ArrayBuffer(0), canvas: new OffscreenCanvas(0, 0), video: document.createElement('video') };
      const out = {};
      for (const [name, source] of Object.entries(sources)) out[name] = await failure(c.classify(source));
      return { out, gone: await failure(c.classify(gone)), malformed: await failure(c.classify('data:image/png;base64,%')), next: await compare(scene) };
    });
    for (const [name, e] of Object.entries(r.out)) assert.equal(e.code, 'image-decode', `${name}: ${e.message}`);
    assert.equal(r.gone.code, 'image-fetch');
    assert.match(r.gone.message, /revoked.*pass the Blob itself/);
    assert.doesNotMatch(r.gone.message, /CORS/);
    assert.equal(r.malformed.code, 'image-fetch');
    assert.equal(r.next, 0);
  });

  test('other kinds of files are named, with what to do', async () => {
    const prolog = '<?xml version="1.0" encoding="UTF-8"?>\n<!-- made by a drawing program -->\n';
    const kinds = {
      svg: ['<svg xmlns="http://www.w3.org/2000/svg"/>', /SVG drawing.*canvas/],
      prolog: [`${prolog}<svg xmlns="http://www.w3.org/2000/svg" width="9"/>`, /SVG drawing/],
      doctype: [`\ufeff${prolog}<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">\n<svg/>`, /SVG drawing/],
      html: ['  <!DOCTYPE html><title>x</title><svg></svg>', /web page/],
      xhtml: [`${prolog}<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"/>`, /web page/],
      text: ['hello, this is no picture\n', /this is text/],
      json: ['{"error": "not found"}', /this is text/],
      pdf: ['%PDF-1.7\n1 0 obj', /document.*page as JPEG or PNG/],
      postscript: ['%!PS-Adobe-3.0', /document/],
      mp4: ['\0\0\0\x18ftypisom\0\0\0\0isommp42', /video element/],
      quicktime: ['\0\0\0\x14ftypqt  \0\0\0\0qt  ', /video element/],
      webm: ['\x1aE\xdf\xa3\x01\0\0\0', /video element/],
      avi: ['RIFF\0\0\0\0AVI LIST', /video element/],
      heic: ['\0\0\0\x18ftypheic\0\0\0\0mif1heic', /HEIC.*JPEG/],
      tiff: ['II*\0\x08\0\0\0', /TIFF.*JPEG or PNG/],
      'big-endian tiff': ['MM\0*\0\0\0\x08', /TIFF.*JPEG or PNG/],
      jxl: ['\xff\x0a\x00', /JPEG XL/],
      jp2: ['\0\0\0\x0cjP  \r\n\x87\n', /JPEG 2000/],
      psd: ['8BPS\0\x01', /Photoshop/],
      zip: ['PK\x03\x04\x14\0', /archive/],
      gzip: ['\x1f\x8b\x08\0', /archive/],
      noise: ['\0\x01\x02\x03\x04\x05', /damaged or of a kind/],
    };
    const r = await run(async (kinds) => {
      const out = {};
      for (const [name, text] of Object.entries(kinds)) {
        const blob = new Blob([/^[ -~\s\ufeff]*$/.test(text) ? text : Uint8Array.from(text, (ch) => ch.charCodeAt(0))]);
        out[name] = await compare(blob);
      }
      return out;
    }, Object.fromEntries(Object.entries(kinds).map(([name, [text]]) => [name, text])));
    for (const [name, [, words]] of Object.entries(kinds)) {
      assert.match(String(r[name]), /^image-decode/, name);
      assert.match(r[name], words, name);
    }
  });

  test('elements that give no pixels have our words, not the browser\'s', async () => {
    const r = await run(async () => {
      const svg = await image(URL.createObjectURL(new Blob(['<svg xmlns="http://www.w3.org/2000/svg"/>'], { type: 'image/svg+xml' }))).catch(() => null);
      const video = document.createElement('video');
      const out = { video: await failure(c.classify(video)) };
      Object.defineProperty(video, 'readyState', { value: 4 });
      out.sound = await failure(c.classify(video));
      const { createImageBitmap } = globalThis;
      globalThis.createImageBitmap = async () => { throw new DOMException('The ImageBitmap could not be allocated.', 'InvalidStateError'); };
      out.refused = await failure(c.classify(await image('/t/pictures/scene.png')));
      globalThis.createImageBitmap = createImageBitmap;
      if (svg) out.svg = await failure(c.classify(svg));
      return out;
    });
    if (r.svg?.code === 'none') delete r.svg; // drawn in a size of the browser's choice
    for (const [name, e] of Object.entries(r)) {
      assert.equal(e.code, 'image-decode', `${name}: ${e.message}`);
      assert.match(e.message, /loadeddata|sound alone|the browser gives no pixels|no picture/, name);
      assert.doesNotMatch(e.message, /allocated|InvalidState/);
    }
  });

  test('a browser that lacks something says what, or does without', async () => {
    const r = await run(async () => {
      const out = {};
      const jpeg = await picture('baseline.jpg');
      const pixels = (await canvas('scene.png')).getContext('2d').getImageData(0, 0, 48, 32);
      for (const name of ['createImageBitmap', 'OffscreenCanvas', 'ImageData', 'VideoFrame', 'ImageBitmap', 'DecompressionStream']) {
        const d = await make({}, `without-${name}`);
        const ask = (source) => d.classify(source).then((r) => r.predictions.length, (e) => `${e.code}: ${e.message}`);
        out[name] = [await ask(jpeg), await ask(scene), await ask(pixels)];
        d.close();
      }
      for (const [name, source] of [['createImageBitmap', await canvas('scene.png')]]) {
        const its = globalThis[name];
        globalThis[name] = undefined;
        out.page = [await failure(c.classify(source)), await compare(pixels)];
        globalThis[name] = its;
      }
      return out;
    });
    for (const answer of r.createImageBitmap.slice(0, 2)) assert.match(String(answer), /^wasm-unsupported.*no createImageBitmap/);
    assert.equal(r.createImageBitmap[2], 5);
    const canvas = r.OffscreenCanvas[0]; // Chromium does without
    if (canvas !== 5) assert.match(canvas, /^wasm-unsupported.*no OffscreenCanvas/);
    assert.equal(r.OffscreenCanvas[2], 5);
    for (const name of ['ImageData', 'VideoFrame', 'ImageBitmap', 'DecompressionStream']) assert.deepEqual(r[name], [5, 5, 5], name);
    assert.equal(r.page[0].code, 'wasm-unsupported', r.page[0].message);
    assert.match(r.page[0].message, /no createImageBitmap/);
    assert.equal(r.page[1], 0);
  });
});
