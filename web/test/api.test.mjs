// The API of resnet.js: sources, options, results, order, cancel and close, with a small random model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandLine, inBrowsers, inPage, makeModel } from './harness.mjs';

const near = (a, b, tolerance, message) => assert.ok(Math.abs(a - b) <= tolerance, `${message ?? ''}: ${a} against ${b}`);

const lossless = ['scene.png', 'scene.bmp', 'scene.webp', 'animated.gif', 'alpha.png', 'dot.png'];
const expected = commandLine(lossless);

inBrowsers('api', (w) => {
  const run = inPage(w);

  test('info describes the model', async () => {
    const info = await run(() => c.info);
    assert.equal(info.model, `${w.origin}/f/small/model.msgpack`);
    assert.equal(info.architecture, 'resnet18x0.125');
    assert.equal(info.inputSize, 64);
    assert.equal(info.threads, 1);
    assert.match(info.simd, /^(relaxed|fixed)$/);
    assert.ok(info.bytes > 100_000);
    assert.equal(info.classes.length, 10);
    assert.deepEqual(info.classes[3], { index: 3, id: 'n00000003', label: 'class D', labels: { en: 'class D', zh: '第3类' } });
    assert.equal(info.noise, undefined);
  });

  test('classify gives the agreed shape', async () => {
    const r = await run(async () => {
      const r = await c.classify(scene, { heatmap: true });
      if (!(r.heatmap.data instanceof Float32Array)) throw new Error('want a Float32Array');
      r.heatmap.data = [...r.heatmap.data];
      return r;
    });
    assert.deepEqual(Object.keys(r).sort(), ['heatmap', 'predictions', 'sure', 'timings']);
    assert.equal(r.predictions.length, 5);
    for (const p of r.predictions) assert.deepEqual(Object.keys(p).sort(), ['id', 'index', 'label', 'probability']);
    assert.deepEqual(r.predictions.map((p) => p.probability), r.predictions.map((p) => p.probability).sort((a, b) => b - a));
    assert.equal(typeof r.sure, 'boolean');
    assert.deepEqual(Object.keys(r.timings).sort(), ['decode', 'inference', 'preprocess', 'total']);
    assert.ok(r.timings.total >= r.timings.decode + r.timings.preprocess + r.timings.inference - 3);
    assert.equal(r.heatmap.index, r.predictions[0].index);
    assert.equal(r.heatmap.data.length, r.heatmap.width * r.heatmap.height);
    // 48×32 scaled to a shorter side of 73 and cut to 64: 28 source pixels, in the middle.
    assert.deepEqual(r.heatmap.box, { x: 10, y: 2, width: 28, height: 28 });
  });

  // By the same Go code as on the command line, which PyTorch is the judge of.
  test('classes that do not exclude each other, behind a head of two layers', async () => {
    const file = makeModel('multi.msgpack', '-multi');
    const said = commandLine(['scene.png'], file)['scene.png'];
    const r = await run(async (base64) => {
      const d = await make({ model: Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer });
      try {
        const { predictions, sure, features } = await d.classify(scene, { topK: 10, heatmap: true, features: true });
        return { multi: [c.info.multiLabel, d.info.multiLabel], predictions, sure, features: features.length };
      } finally {
        d.close();
      }
    }, readFileSync(file).toString('base64'));
    assert.deepEqual(r.multi, [false, true]);
    assert.equal(r.features, 64, 'what comes before the head');
    assert.deepEqual(r.predictions.map((p) => p.index), said.map((p) => p.index));
    r.predictions.forEach((p, i) => near(p.probability, said[i].probability, 1e-6));
    assert.ok(Math.abs(r.predictions.reduce((sum, p) => sum + p.probability, 0) - 1) > 0.5, 'they need not sum to 1');
    assert.equal(r.sure, r.predictions[0].probability >= 0.5);
  });

  test('all sources of one picture give one answer', async () => {
    const all = await run(async () => {
      const element = await canvas('scene.png');
      const pixels = element.getContext('2d').getImageData(0, 0, element.width, element.height);
      const offscreen = new OffscreenCanvas(element.width, element.height);
      offscreen.getContext('2d').putImageData(pixels, 0, 0);
      const bitmap = await createImageBitmap(scene);
      const url = URL.createObjectURL(scene);
      const sources = {
        blob: scene, file: new File([scene], 'scene.png'), untyped: new Blob([await scene.arrayBuffer()]), bitmap, pixels, canvas: element,
        offscreen, image: await image('/t/pictures/scene.png'), loading: Object.assign(new Image(), { src: '/t/pictures/scene.png?2' }),
        absolute: new URL('/t/pictures/scene.png', location).href, relative: '../t/pictures/scene.png', url: new URL('/t/pictures/scene.png', location),
        bmp: await picture('scene.bmp'), webp: await picture('scene.webp'), buffer: await scene.arrayBuffer(), frame: new VideoFrame(bitmap, { timestamp: 0 }),
      };
      const answers = {};
      for (const [name, source] of Object.entries(sources)) {
        const r = await c.classify(source, { topK: 10 }).catch((e) => e.message);
        answers[name] = r.predictions?.map((p) => [p.index, p.probability]) ?? r;
      }
      // None was taken away.
      for (const name of ['bitmap', 'buffer', 'frame']) {
        answers[`${name} again`] = (await c.classify(sources[name], { topK: 10 })).predictions.map((p) => [p.index, p.probability]);
      }
      sources.frame.close();
      return answers;
    });
    for (const [name, answer] of Object.entries(all)) assert.deepEqual(answer, all.blob, name);
  });

  test('the command line says the same', async () => {
    const r = await run(async (names) => {
      const r = {};
      for (const name of names) r[name] = (await c.classify(await picture(name), { topK: 10 })).predictions;
      return r;
    }, lossless);
    for (const name of lossless) {
      assert.deepEqual(r[name].map((p) => [p.index, p.id, p.label]), expected[name].map((p) => [p.index, p.id, p.label]), name);
      r[name].forEach((p, i) => near(p.probability, expected[name][i].probability, 1e-6, name));
    }
  });

  test('a video frame is a source', async () => {
    const r = await run(async () => {
      const element = await canvas('scene.png');
      const video = document.createElement('video');
      video.muted = true;
      const early = await failure(c.classify(video));
      video.srcObject = element.captureStream(30);
      const timer = setInterval(() => element.getContext('2d').fillRect(0, 0, 1, 1), 20); // a stream has frames when its canvas changes
      await video.play();
      clearInterval(timer);
      const r = await c.classify(video, { heatmap: true });
      video.srcObject.getTracks().forEach((t) => t.stop());
      return { early, r };
    });
    assert.equal(r.early.code, 'image-decode');
    assert.deepEqual(r.r.heatmap.box, { x: 10, y: 2, width: 28, height: 28 });
  });

  test('JPEG kinds agree with each other; EXIF turns the picture', async () => {
    const all = await run(async () => {
      const answers = {};
      for (const name of ['baseline.jpg', 'progressive.jpg', 'exif6.jpg', 'cmyk.jpg', 'animated.gif', 'scene.png']) {
        const r = await c.classify(await picture(name), { topK: 10, heatmap: 0 });
        answers[name] = { box: r.heatmap.box, p: r.predictions.sort((a, b) => a.index - b.index).map((p) => p.probability) };
      }
      return answers;
    });
    const png = all['scene.png'];
    for (const [name, { box, p }] of Object.entries(all)) {
      assert.deepEqual(box, png.box, name);
      p.forEach((x, i) => near(x, png.p[i], 0.05, `${name}, class ${i}`));
    }
    assert.deepEqual(all['progressive.jpg'].p, all['baseline.jpg'].p);
  });

  test('transparency is put on white', async () => {
    const [alpha, white, data] = await run(async () => {
      const probabilities = async (source) => (await c.classify(source, { topK: 10 })).predictions.map((p) => [p.index, p.probability]);
      const clear = new ImageData(40, 40); // black, but transparent: white
      const opaque = new ImageData(new Uint8ClampedArray(6400).fill(255), 40);
      return [await probabilities(await picture('alpha.png')), await probabilities(await picture('alpha-on-white.png')),
        [await probabilities(clear), await probabilities(opaque)]];
    });
    assert.deepEqual(alpha, white);
    assert.deepEqual(data[0], data[1]);
  });

  test('16 bits per channel, one pixel, one pixel wide', async () => {
    const r = await run(async () => {
      const gray16 = await picture('gray16.png');
      const tall = new OffscreenCanvas(1, 20000);
      tall.getContext('2d').fillRect(0, 0, 1, 20000);
      return [await c.classify(gray16), await c.classify(await picture('dot.png'), { heatmap: true }), await c.classify(await tall.convertToBlob(), { heatmap: true })];
    });
    for (const x of r) assert.equal(x.predictions.length, 5);
    assert.deepEqual(r[1].heatmap.box, { x: 0, y: 0, width: 1, height: 1 });
    assert.equal(r[2].heatmap.box.width, 1);
  });

  test('topK, threshold, allow, deny and heatmap', async () => {
    const r = await run(async () => {
      const all = (await c.classify(scene, { topK: 10 })).predictions;
      const some = async (options) => (await c.classify(scene, { topK: 10, ...options })).predictions;
      const best = all[0];
      return {
        all, two: await some({ topK: 2 }), many: await some({ topK: 1000 }), above: await some({ threshold: all[2].probability }), none: await c.classify(scene, { threshold: 1, heatmap: true }),
        allow: await some({ allow: [all[4].index, all[2].id, all[3].label.toUpperCase()] }), deny: await some({ deny: [best.id] }),
        zero: (await c.classify(scene, { heatmap: 0 })).heatmap, off: (await c.classify(scene, { heatmap: false })).heatmap ?? null,
        nulls: await some({ allow: null, deny: undefined }),
      };
    });
    near(r.all.reduce((s, p) => s + p.probability, 0), 1, 1e-9);
    assert.deepEqual(r.two, r.all.slice(0, 2));
    assert.deepEqual(r.many, r.all);
    assert.deepEqual(r.nulls, r.all);
    assert.deepEqual(r.above, r.all.slice(0, 3));
    assert.deepEqual(r.none.predictions, []);
    assert.equal(r.none.sure, false);
    assert.deepEqual(r.allow, [r.all[2], r.all[3], r.all[4]]);
    assert.deepEqual(r.deny, r.all.slice(1));
    assert.equal(r.zero.index, 0);
    assert.equal(r.off, null);
  });

  test('embed gives the features', async () => {
    const r = await run(async () => {
      const [a, b] = [await c.embed(scene), await c.embed(await picture('alpha.png'))];
      return { isFloats: a instanceof Float32Array, length: a.length, same: a.every((x, i) => x === b[i]), sane: a.every((x) => x >= 0 && x < 1000), most: Math.max(...a) };
    });
    assert.deepEqual({ ...r, most: r.most > 0 }, { isFloats: true, length: 64, same: false, sane: true, most: true });
  });

  test('features come with the answer, and tell pictures apart', async () => {
    const r = await run(async () => {
      const { similarity } = await import('/f/small/resnet.js');
      const { features, predictions } = await c.classify(scene, { features: true });
      const same = await c.embed(scene);
      const other = await c.embed(await picture('alpha.png'));
      return {
        equal: features.every((x, i) => x === same[i]), predictions: predictions.length, without: (await c.classify(scene)).features === undefined,
        self: similarity(features, same), others: similarity(features, other), opposite: similarity([1, 2], [-2, -4]), zero: similarity([0, 0], [1, 2]),
        wrong: await failure((async () => similarity(features, [1, 2]))()),
      };
    });
    assert.ok(r.equal && r.without && r.predictions === 5);
    near(r.self, 1, 1e-6);
    near(r.opposite, -1, 1e-6);
    assert.ok(r.others < 0.9999, `${r.others}`);
    assert.equal(r.zero, 0);
    assert.equal(r.wrong.code, 'bad-option');
  });

  test('a region is the picture that it cuts out', async () => {
    const r = await run(async () => {
      const whole = await canvas('scene.png');
      const region = { x: 7, y: 3, width: 30, height: 21 };
      const cut = Object.assign(document.createElement('canvas'), { width: 30, height: 21 });
      cut.getContext('2d').drawImage(whole, -7, -3);
      const ask = async (source, options) => {
        const r = await c.classify(source, { topK: 10, heatmap: 1, ...options });
        return { p: r.predictions.map((p) => [p.index, p.probability]), box: r.heatmap.box, heat: [...r.heatmap.data] };
      };
      const out = {};
      for (const fit of ['crop', 'squash']) {
        for (const [name, source] of Object.entries({ blob: scene, canvas: whole, pixels: whole.getContext('2d').getImageData(0, 0, 48, 32) })) {
          out[`${fit} ${name}`] = [await ask(source, { region, fit }), await ask(cut, { fit })];
        }
      }
      out.embed = [[...await c.embed(scene, { region })], [...await c.embed(cut)]];
      const [a, b] = [await ask(scene), await ask(scene, { region: { x: 0, y: 0, width: 48, height: 32 } })];
      out.all = [a, b];
      out.squash = (await ask(scene, { fit: 'squash' })).box;
      return out;
    });
    for (const [name, [got, want]] of Object.entries(r).filter(([name]) => / /.test(name))) {
      assert.deepEqual(got.p, want.p, name);
      assert.deepEqual(got.heat, want.heat, name);
      assert.deepEqual(got.box, { ...want.box, x: want.box.x + 7, y: want.box.y + 3 }, name);
    }
    assert.deepEqual(r.embed[0], r.embed[1]);
    assert.deepEqual(r.all[0], r.all[1]);
    assert.deepEqual(r.squash, { x: 0, y: 0, width: 48, height: 32 });
  });

  test('options are those of the time of the call', async () => {
    const r = await run(async () => {
      const allow = new Proxy([1], {}); // as some frameworks have them
      const region = { x: 0, y: 0, width: 20, height: 20 };
      const want = await c.classify(scene, { allow, region, heatmap: 1 });
      const calls = [c.classify(scene), c.classify(scene), c.classify(scene, { allow, region, heatmap: 1 })];
      allow[0] = 2;
      region.x = 9;
      const got = (await Promise.all(calls))[2];
      want.heatmap.box.x = 99; // belongs to the caller
      return [got.predictions.map((p) => p.index), JSON.stringify(got.heatmap.box), JSON.stringify((await c.heatmap(want, 1)).box)];
    });
    assert.deepEqual(r, [[1], '{"x":1,"y":1,"width":18,"height":18}', '{"x":1,"y":1,"width":18,"height":18}']);
  });

  test('colours of display-p3 become sRGB', async () => {
    const r = await run(async () => {
      const colour = (settings) => {
        const element = Object.assign(document.createElement('canvas'), { width: 40, height: 40 });
        const context = element.getContext('2d', settings);
        context.fillStyle = 'color(display-p3 0.75 0.4 0.2)';
        context.fillRect(0, 0, 40, 40);
        return [element, context.getImageData(0, 0, 40, 40, settings)];
      };
      const [srgb] = colour();
      const [wide, pixels] = colour({ colorSpace: 'display-p3' });
      if (pixels.colorSpace !== 'display-p3') return null; // not known here
      const frame = new VideoFrame(wide, { timestamp: 0 });
      const out = {};
      for (const [name, source] of Object.entries({ srgb, wide, pixels, frame })) out[name] = [...(await c._input(source)).slice(0, 3)];
      frame.close();
      return out;
    });
    if (!r) return;
    for (const name of ['wide', 'pixels', 'frame']) r[name].forEach((v, i) => near(v, r.srgb[i], 1, `${name} ${r[name]}, want ${r.srgb}`));
  });

  test('regions and fits that are none are refused', async () => {
    const r = await run(async () => {
      const out = [];
      const good = { x: 0, y: 0, width: 10, height: 10 };
      for (const region of [{}, 5, 'all', { ...good, width: 0 }, { ...good, height: -1 }, { ...good, x: -1 }, { ...good, x: 1.5 }, { ...good, y: NaN }, { ...good, width: '9' },
        { ...good, x: 1n }, { ...good, w: 3 }, { ...good, x: 40 }, { ...good, y: 30 }, { ...good, width: 49 }, { ...good, x: 2 ** 40 }]) out.push(await failure(c.classify(scene, { region })));
      out.push(await failure(c.classify(scene, { fit: 'pad' })), await failure(c.classify(scene, { features: 1 })), await failure(c.embed(scene, { region: { ...good, x: 48 } })));
      const next = await c.classify(scene, { region: null });
      return { out, next: next.predictions.length };
    });
    for (const e of r.out) assert.equal(e.code, 'bad-option', e.message);
    assert.equal(r.next, 5);
  });

  test('heat maps of other classes need no other run', async () => {
    const r = await run(async () => {
      const first = await c.classify(scene);
      const white = await c.classify(new ImageData(40, 30));
      const asked = async (source, index) => (await c.classify(source, { heatmap: index })).heatmap;
      const plain = (h) => ({ ...h, data: [...h.data] });
      const out = { pairs: [] };
      for (const [result, source, index] of [[first, scene, 4], [white, new ImageData(40, 30), 0], [first, scene, first.predictions[0].index]]) {
        out.pairs.push([plain(await c.heatmap(result, index)), plain(await asked(source, index))]);
      }
      const old = await c.classify(scene);
      const eight = [];
      for (let i = 0; i < 8; i++) eight.push(await c.classify(scene));
      out.eight = (await Promise.all(eight.map((r) => c.heatmap(r, 2)))).length;
      for (let i = 0; i < 60; i++) await c.classify(scene);
      out.old = await failure(c.heatmap(old, 2));
      for (const [key, args] of Object.entries({ class: [first, 10], none: [first, -1], foreign: [{ ...first }, 0], nothing: [null, 0] })) out[key] = await failure(c.heatmap(...args));
      return out;
    });
    for (const [got, want] of r.pairs) assert.deepEqual(got, want);
    assert.equal(r.eight, 8);
    for (const key of ['old', 'class', 'none', 'foreign', 'nothing']) assert.equal(r[key].code, 'bad-option', `${key}: ${r[key].message}`);
    assert.match(r.old.message, /classify the picture again/);
  });

  test('benchmark times the whole and each op', async () => {
    const b = await run(() => c.benchmark({ runs: 5 }));
    assert.ok(b.min <= b.median && b.median <= b.max && b.max > 0, JSON.stringify(b));
    assert.equal(b.perOp[0].name, 'conv1');
    assert.equal(b.perOp.at(-1).name, 'fc');
    assert.equal(b.perOp[0].macs, 32 * 32 * 8 * 3 * 49);
    for (const op of b.perOp) assert.ok(op.ms > 0, op.name);
  });

  test('every SIMD gives the same bytes', async () => {
    const r = await run(async () => {
      const out = {};
      for (const simd of ['none', 'fixed', 'relaxed']) {
        const c = await make({ simd });
        out[simd] = { simd: c.info.simd, p: (await c.classify(scene)).predictions, features: [...await c.embed(scene)] };
        c.close();
      }
      return out;
    });
    for (const simd of ['fixed', 'relaxed']) assert.deepEqual(r[simd], { ...r.none, simd });
  });

  test('labels follow lang', async () => {
    const [zh, other] = await run(async () => {
      const labels = [];
      for (const lang of ['zh', 'xx']) {
        const c = await make({ lang });
        labels.push(c.info.classes[2].label);
        c.close();
      }
      return labels;
    });
    assert.equal(zh, '第2类');
    assert.equal(other, 'class C');
  });

  test('the model may be a URL or bytes', async () => {
    const r = await run(async () => {
      const bytes = await (await fetch('/small.msgpack')).arrayBuffer();
      const out = [];
      for (const model of [bytes, new Uint8Array(bytes), '/small.msgpack', new URL('/small.msgpack', location)]) {
        const c = await make({ model }, 'no-manifest');
        out.push([c.info.model, c.info.bytes, (await c.classify(scene)).predictions[0].index]);
        c.close();
      }
      return { out, left: bytes.byteLength };
    });
    const [, bytes, index] = r.out[0];
    assert.deepEqual(r.out, [['', bytes, index], ['', bytes, index], [`${w.origin}/small.msgpack`, bytes, index], [`${w.origin}/small.msgpack`, bytes, index]]);
    assert.equal(r.left, bytes); // not taken away
  });

  test('bad options are refused with their name', async () => {
    const r = await run(async () => {
      const failures = [];
      for (const [name, value] of [['topK', 0], ['topK', 2.5], ['topK', '5'], ['threshold', 2], ['threshold', NaN], ['allow', 'cat'], ['allow', [{}]], ['allow', ['no such class']],
        ['deny', [10]], ['heatmap', 10], ['heatmap', -1], ['heatmap', 'best'], ['signal', {}]]) {
        failures.push([name, await failure(c.classify(scene, { [name]: value }))]);
      }
      for (const [name, value] of [['threads', 0], ['threads', 'many'], ['simd', 'avx'], ['lang', 5], ['onProgress', 1], ['signal', 1], ['model', 7], ['model', 'http://[']]) {
        failures.push([name, await failure(make({ [name]: value }))]);
      }
      failures.push(['runs', await failure(c.benchmark({ runs: 0 }))]);
      for (const source of [null, 7, {}, [], document.body]) failures.push(['source', await failure(c.classify(source))]);
      failures.push(['options', await failure(c.classify(scene, null))]);
      return failures;
    });
    for (const [name, e] of r) {
      assert.equal(e.code, 'bad-option', `${name}: ${e.message}`);
      assert.ok(e.isError && e.name === 'ResnetError' && e.message.includes(name), e.message);
    }
  });

  test('what throws when it is looked at, or only calls itself what is wanted, is refused', async () => {
    const r = await run(async () => {
      const { createClassifierFrom, similarity } = await import('/f/small/resnet.js');
      const { proxy: revoked, revoke } = Proxy.revocable({}, {});
      revoke();
      const throwing = { get [Symbol.toStringTag]() { throw new Error('no'); }, toString() { throw new Error('no'); } };
      const as = (name, more) => ({ [Symbol.toStringTag]: name, ...more });
      const handed = await (await fetch('/small.msgpack')).arrayBuffer();
      const view = new Uint8Array(handed);
      structuredClone(null, { transfer: [handed] });
      const nothing = Object.create(null);
      const odd = [revoked, throwing, nothing, Symbol(), 1n, () => {}, new Proxy({}, { get() { throw revoked; } })];
      const sources = [new Proxy(scene, {}), as('Blob', { size: '9' }), as('File'), as('ImageData', { width: '4', height: '4', data: '' }), as('URL'), as('String', { toString() { throw revoked; } }),
        as('ImageBitmap', { width: 4, height: 4 }), as('HTMLImageElement', { complete: true }), as('VideoFrame', { codedWidth: 4 }), as('HTMLVideoElement', { readyState: 4 })];
      const parts = { worker: '/worker.js', wasm: '/resnet.wasm' };
      const calls = [
        ...[...odd, ...sources].map((x) => ['source', () => c.classify(x)]),
        ...[...odd, as('URL'), as('ArrayBuffer'), handed, view].map((x) => ['model', () => make({ model: x })]),
        ...[...odd, as('AbortSignal'), new Proxy(new AbortController().signal, {})].map((x) => ['signal', () => c.embed(scene, { signal: x })]),
        ...odd.flatMap((x) => ['topK', 'threshold', 'heatmap', 'features', 'fit', 'region', 'allow', 'deny'].map((name) => [/^resnet: /, () => c.classify(scene, { [name]: x })])),
        ...odd.flatMap((x) => ['x', 'width'].map((name) => ['region', () => c.classify(scene, { region: { x: 0, y: 0, width: 9, height: 9, [name]: x } })])),
        ...odd.flatMap((x) => Object.keys({ ...parts, kernel: 1, model: 1, manifest: 1 }).map((name) => [name, () => createClassifierFrom({ ...parts, [name]: x })])),
        ['options', () => c.classify(scene, revoked)], ['options', () => make(revoked)], ['options', () => c.benchmark({ get runs() { throw revoked; } })],
        ['wasm', () => createClassifierFrom({ ...parts, wasm: handed })],
        ['result', () => c.heatmap(revoked, 0)], ['manifest', () => createClassifierFrom({ ...parts, manifest: 'http://[' })],
        ...[...odd.slice(0, 5), [1n], [Symbol()], new BigInt64Array(1), { length: 1n }, { length: Symbol() }].map((x) => ['similarity', async () => similarity(x, x)]),
      ];
      const out = [];
      for (const [name, call] of calls) out.push([String(name), String(call), await failure(call())]);
      const relative = await createClassifierFrom({ ...parts, worker: '/f/small/worker.js', wasm: '/f/small/resnet.wasm', manifest: '../f/small/manifest.json' });
      relative.close();
      return { out, next: (await c.classify(scene)).predictions.length };
    });
    for (const [name, call, e] of r.out) assert.ok(e.code === 'bad-option' && e.message.includes(name.replaceAll('/', '').replace('^', '')), `${name} ${call}: ${e.code} ${e.message}`);
    assert.equal(r.next, 5);
  });

  test('an option that does not exist is refused with the nearest that does', async () => {
    const r = await run(async () => {
      const { createClassifierFrom } = await import('/f/small/resnet.js');
      const calls = {
        'topk: topK': c.classify(scene, { topk: 3 }),
        'treshold: threshold': c.classify(scene, { treshold: 0.5 }),
        'heat_map: heatmap': c.classify(scene, { topK: 3, heat_map: undefined }),
        'regoin: region': c.embed(scene, { regoin: null }),
        'run: runs': c.benchmark({ run: 1 }),
        'thread: threads': make({ thread: 1 }),
        'onprogress: onProgress': make({ onprogress() {} }),
        'kernels: kernel': createClassifierFrom({ worker: '/worker.js', wasm: '/resnet.wasm', kernels: '/kernel.js' }),
      };
      const out = {};
      for (const [name, call] of Object.entries(calls)) out[name] = await failure(call);
      return out;
    });
    for (const [names, e] of Object.entries(r)) {
      const [name, nearest] = names.split(': ');
      assert.equal(e.code, 'bad-option', `${name}: ${e.message}`);
      assert.ok(e.message.startsWith(`resnet: ${name}: `) && e.message.includes(`did you mean ${nearest}?`), e.message);
    }
  });

  test('progress comes by phases, with sizes from the manifest', async () => {
    const seen = await run(async () => {
      const seen = [];
      (await make({ onProgress: (p) => { seen.push(p); } })).close();
      return seen;
    });
    for (const phase of ['runtime', 'warmup']) {
      const of = seen.filter((p) => p.phase === phase);
      assert.equal(of[0].loaded, 0);
      assert.equal(of.at(-1).loaded, of.at(-1).total);
      for (const p of of) assert.ok(p.total > 0 && p.loaded <= p.total);
    }
    assert.ok(seen.find((p) => p.phase === 'runtime').total > 1_000_000);
    assert.equal(seen.filter((p) => p.phase === 'model').at(-1).loaded, await run(() => c.info.bytes));
    assert.equal(seen.at(-1).phase, 'warmup');
  });

  test('a verified model is fetched once', async () => {
    await run(async () => { // it is stored when nothing else is to do
      const cache = await caches.open('resnet-web');
      while (!await cache.match('/f/small/model.msgpack')) await new Promise((done) => { setTimeout(done, 50); });
    });
    const before = w.requests.filter((p) => p.endsWith('/model.msgpack')).length;
    await run(async () => (await make()).close());
    assert.equal(w.requests.filter((p) => p.endsWith('/model.msgpack')).length, before);
    // A wrong entry is replaced.
    await run(async () => {
      const cache = await caches.open('resnet-web');
      await cache.put(new URL('/f/small/model.msgpack', location), new Response('wrong'));
      (await make()).close();
    });
    assert.equal(w.requests.filter((p) => p.endsWith('/model.msgpack')).length, before + 1);
  });

  test('what was the fastest SIMD is kept with the model, for this version of the browser', async () => {
    const kept = (header, ours) => run(async (header, ours) => {
      const cache = await caches.open('resnet-web');
      const at = new URL('/f/small/model.msgpack', location);
      if (header) await cache.put(at, new Response(await (await fetch(at)).blob(), { headers: { 'X-Fastest': ours ? `${header} ${navigator.userAgent}` : header } }));
      const c = await make();
      const { info: { simd }, classify } = c;
      const [{ probability }] = (await classify.call(c, scene)).predictions;
      const now = async () => (await cache.match(at))?.headers.get('X-Fastest');
      for (let i = 0; i < 100 && await now() !== `${simd} ${navigator.userAgent}`; i++) await new Promise((done) => { setTimeout(done, 50); });
      c.close();
      return { simd, probability, isRecalled: await now() === `${simd} ${navigator.userAgent}` };
    }, header, ours);
    const measured = await kept();
    assert.ok(measured.isRecalled);
    assert.deepEqual(await kept('fixed', true), { ...measured, simd: 'fixed' }, 'recalled, and the same bits');
    for (const other of ['fixed Mozilla/5.0 (another)', 'none', 'nonsense']) assert.deepEqual(await kept(other, other === 'nonsense'), measured, other);
  });

  test('calls run in order', async () => {
    const order = await run(async () => {
      const order = [];
      const calls = ['/t/pictures/scene.png', scene, new ImageData(64, 64), scene].map((source, i) => c.classify(source).then(() => order.push(i)));
      await Promise.all([...calls, c.embed(scene).then(() => order.push(4))]);
      return order;
    });
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
  });

  test('a picture is taken when the call is made', async () => {
    const [a, b] = await run(async () => {
      const pixels = new ImageData(new Uint8ClampedArray(64 * 64 * 4).fill(255), 64);
      const element = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
      element.getContext('2d').putImageData(pixels, 0, 0);
      const calls = [c.classify(scene), c.classify(pixels), c.classify(element)];
      pixels.data.fill(0);
      element.getContext('2d').clearRect(0, 0, 64, 64);
      element.getContext('2d').fillRect(0, 0, 64, 64);
      return (await Promise.all(calls)).slice(1).map((r) => r.predictions);
    });
    assert.deepEqual(a, b);
  });

  test('abort before, while waiting, while fetching, and not after', async () => {
    const r = await run(async () => {
      const out = {};
      out.before = await failure(c.classify(scene, { signal: AbortSignal.abort('why') }));
      const waiting = new AbortController();
      const first = c.classify(scene);
      const second = failure(c.classify(scene, { signal: waiting.signal }));
      const third = c.classify(scene);
      waiting.abort();
      out.waiting = await second;
      out.others = (await first).predictions[0].index === (await third).predictions[0].index;
      const fetching = new AbortController();
      const stalled = failure(c.classify('/stall', { signal: fetching.signal }));
      setTimeout(() => fetching.abort(), 50);
      out.fetching = await stalled;
      const late = new AbortController();
      await c.classify(scene, { signal: late.signal });
      late.abort();
      out.after = (await c.classify(scene)).predictions.length;
      const running = new AbortController();
      const call = failure(c.classify(scene, { signal: running.signal }));
      await new Promise((done) => { setTimeout(done); });
      running.abort();
      out.running = await call; // or it was faster
      out.next = (await c.classify(scene)).predictions.length;
      out.embed = await failure(c.embed(scene, { signal: AbortSignal.abort() }));
      out.benchmark = await failure(c.benchmark({ signal: AbortSignal.abort() }));
      const long = new AbortController();
      setTimeout(() => long.abort(), 100);
      out.benchmarking = await failure(c.benchmark({ runs: 10_000, signal: long.signal }));
      out.later = (await c.classify(scene)).predictions.length;
      out.create = await failure(make({ signal: AbortSignal.abort() }));
      return out;
    });
    for (const key of ['before', 'waiting', 'fetching', 'embed', 'benchmark', 'benchmarking', 'create']) {
      assert.equal(r[key].code, 'aborted', key);
      assert.equal(r[key].name, 'AbortError', key);
    }
    assert.match(r.running.code, /aborted|none/);
    assert.ok(r.others && r.after === 5 && r.next === 5 && r.later === 5);
  });

  test('close ends what runs and refuses what comes', async () => {
    const r = await run(async () => {
      const c = await make();
      const calls = [failure(c.classify(scene)), failure(c.embed(scene)), failure(c.classify('/stall'))];
      await new Promise((done) => { setTimeout(done); });
      c.close();
      c.close();
      const later = [failure(c.classify(scene)), failure(c.embed(scene)), failure(c.benchmark())];
      return { codes: (await Promise.all([...calls, ...later])).map((e) => e.code), classes: c.info.classes.length };
    });
    assert.deepEqual(r, { codes: Array(6).fill('closed'), classes: 10 });
  });

  test('two classifiers at once', async () => {
    assert.ok(await run(async () => {
      const d = await make();
      const [a, b] = await Promise.all([c.classify(scene), d.classify(scene)]);
      d.close();
      return a.predictions[0].probability === b.predictions[0].probability;
    }));
  });
});
