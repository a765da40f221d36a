// Every way for pictures into the page, and the files in which answers and pictures leave it, read by other programs.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { inBrowsers, made, root } from './harness.mjs';

const modules = () => made('ways.js', (file) => execFileSync('go', ['run', './web/test/bundle', file,
  ...['parts/intake.ts', ...['csv.ts', 'json.ts', 'zip.ts', 'folders.ts', 'names.ts', 'alike.ts'].map((f) => `sort/${f}`)]
    .map((f) => `web/page/${f}`)], { cwd: root, stdio: 'inherit' }));

const has = (program) => !spawnSync(program, ['--help']).error;
const python = has('python3');
const unzip = has('unzip');

// In the page: listens as the page does, and notes what comes, in order.
function begin() {
  document.body.innerHTML = '<input type="file" id="file" hidden><input type="file" id="camera" hidden>';
  Object.assign(globalThis, { came: [], given: [] });
  globalThis.intake = ways.listen({
    take: (file) => came.push(`one ${file.name}`),
    refuse: (why) => came.push(why),
    async takeMany(entries) {
      const own = [];
      given.push(own);
      came.push('many');
      for await (const entry of entries) own.push(entry);
      own.isDone = true;
    },
  });
}

// In the page: the paths of what came the nth time, each with its file's text or what it fails with, once all of it is there.
async function listed(n) {
  while (!given[n]?.isDone) await new Promise((done) => { setTimeout(done, 5); });
  return Promise.all(given[n].map(async ({ path, file }) => {
    const text = await file().then((f) => f.text(), (e) => `${e.code}: ${e.message}`);
    return text ? `${path} ${text}` : path;
  }));
}

// In the page: what the system does when these are let go over it, or pasted. A folder is an object with what is in it by
// name; a null in it is where reading fails.
function give(kind, things) {
  const entry = (name, content) => {
    if (typeof content === 'string') {
      return { name, isFile: true, isDirectory: false, file: (done) => done(new File([content], name)) };
    }
    return { name, isFile: false, isDirectory: true, createReader() {
      const left = Object.entries(content).map(([n, c]) => c && entry(n, c));
      return { readEntries(done, fail) {
        if (left[0] === null) return setTimeout(fail, 0, new DOMException('the disk is gone', 'NotReadableError'));
        const end = left.indexOf(null);
        setTimeout(done, 0, left.splice(0, Math.min(100, end < 0 ? left.length : end)));
      } };
    } };
  };
  const items = things.map(([name, content, handle = null]) => {
    const own = entry(name, content);
    return { kind: 'file', webkitGetAsEntry: () => own, getAsFile: () => new File([own.isFile ? content : ''], name),
      getAsFileSystemHandle: async () => handle };
  });
  const transfer = { items, types: ['Files'], getData: () => '', files: items.map((item) => item.getAsFile()) };
  const event = new Event(kind, { bubbles: true, cancelable: true });
  Object.defineProperty(event, kind === 'paste' ? 'clipboardData' : 'dataTransfer', { value: transfer });
  document.body.dispatchEvent(event);
}

// In the page: answers, as exports get them. A text is the content of the file.
function sorted(path, label, { text = path, ...rest } = {}) {
  const file = new File([text], path.slice(path.lastIndexOf('/') + 1), { lastModified: Date.UTC(2024, 1, 29, 12, 34, 56) });
  return {
    entry: { path, file: async () => file }, bytes: file.size, width: 500, height: 375, label, isCorrected: false,
    sure: true, error: '', predictions: [], ...rest,
  };
}

const base64 = async (blob) => {
  const url = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
  return url.slice(url.indexOf(',') + 1);
};

inBrowsers('ways', (w) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'resnet-ways-'));
  let page;
  before(async () => {
    page = await w.open();
    await page.evaluate(`globalThis.ways = ${readFileSync(modules(), 'utf8')}`);
    await page.evaluate(`Object.assign(globalThis, { listed: ${listed}, give: ${give}, sorted: ${sorted}, base64: ${base64} })`);
    await page.evaluate(begin);
  });
  beforeEach(() => page.evaluate(() => { came.length = given.length = 0; }));
  after(() => rmSync(dir, { recursive: true }));

  // Writes files, each with its name as content but for what is here in other words, and returns their paths.
  const write = (folder, ...names) => names.map((name) => {
    const file = path.join(dir, folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, name);
    return file;
  });
  const saved = async (name, what) => {
    const file = path.join(dir, name);
    writeFileSync(file, Buffer.from(await what, 'base64'));
    return file;
  };
  const runPython = (script, ...args) => JSON.parse(execFileSync('python3', ['-c', script, ...args],
    { encoding: 'utf8', maxBuffer: 1e9, env: { ...process.env, PYTHONIOENCODING: 'utf-8' } }));

  test('one file is taken alone, several are taken together in the order of their names', async () => {
    const [a, b, c, thumbs] = write('several', 'b10.jpg', 'b2.jpg', 'B1.png', 'Thumbs.db');
    await page.evaluate(() => { HTMLInputElement.prototype.click = () => {}; }); // no dialog of the system
    await page.evaluate(() => intake.chooseMany());
    const input = await page.$('#files');
    assert.ok(await input.evaluate((e) => e.multiple));
    await input.uploadFile(a);
    await page.waitForFunction(() => came.length === 1);
    await input.uploadFile(a, b, c, thumbs);
    assert.deepEqual(await page.evaluate(() => listed(0)), ['B1.png B1.png', 'b2.jpg b2.jpg', 'b10.jpg b10.jpg']);
    assert.deepEqual(await page.evaluate(() => came), ['one b10.jpg', 'many']);
    await page.evaluate(() => {
      intake.chooseMany();
      if (document.querySelectorAll('#files').length !== 1) throw new Error('two inputs');
    });
    for (const kind of ['drop', 'paste']) {
      await page.evaluate((k) => {
        came.length = given.length = 0;
        give(k, [['x.txt', 'alone']]);
        give(k, [['10.jpg', 'ten'], ['9.jpg', 'nine'], ['.DS_Store', 'no'], ['9.xmp', 'no'], ['notes.txt', 'text']]);
        give(k, [['.hidden', 'no'], ['desktop.ini', 'no']]);
      }, kind);
      assert.deepEqual(await page.evaluate(() => listed(0)), ['9.jpg nine', '10.jpg ten', 'notes.txt text']);
      await page.waitForFunction(() => came.length === 3);
      assert.deepEqual((await page.evaluate(() => came)).toSorted(), ['many', 'no-picture', 'one x.txt'], kind);
    }
  });

  test('folders with folders in them, of which one cannot be read, and two at once', async () => {
    await page.evaluate(() => {
      const many = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`${250 - i}.jpg`, 'x']));
      give('drop', [['holiday', {
        'b.jpg': 'B', '10': { many: { ...many }, '.git': { 'x.jpg': '' } }, '9': { 'a.jpg': 'A', gone: null, 'z.jpg': 'Z' }, '@eaDir': { 'b.jpg': '' },
      }], ['one.jpg', 'alone'], ['empty', {}]]);
      give('drop', [['only', { 'one.jpg': '1', 'Thumbs.db': '' }]]);
      give('drop', [['nothing', { deeper: { '.DS_Store': '' } }]]);
    });
    const [first, second] = await page.evaluate(async () => [await listed(0), await listed(1)]);
    await page.waitForFunction(() => came.length === 3);
    assert.deepEqual((await page.evaluate(() => came)).toSorted(), ['many', 'many', 'no-folder']);
    const [long, short] = first.length > 1 ? [first, second] : [second, first];
    assert.deepEqual(short, ['only/one.jpg 1']);
    assert.deepEqual(long, [
      'holiday/9/a.jpg A', 'holiday/9 folder-unreadable: holiday/9: the disk is gone',
      ...Array.from({ length: 250 }, (_, i) => `holiday/10/many/${i + 1}.jpg x`),
      'holiday/b.jpg B', 'one.jpg alone',
    ]);
  });

  test('a folder from an input', async () => {
    write('chosen', 'Folder/2.jpg', 'Folder/10.jpg', 'Folder/sub/1.jpg', 'Folder/.git/config', 'Folder/x~1.jpg');
    await page.evaluate(() => {
      globalThis.showDirectoryPicker = undefined;
      intake.chooseFolder();
    });
    const input = await page.$('#folder');
    assert.ok(await input.evaluate((e) => e.webkitdirectory));
    if (w.name === 'chromium') {
      await input.uploadFile(path.join(dir, 'chosen/Folder'));
    } else { // whose protocol gives no folders
      await input.evaluate((e) => {
        const files = ['2.jpg', 'sub/1.jpg', '.git/config', '10.jpg', 'x~1.jpg'].map((n) => Object.defineProperty(
          new File([n], n.split('/').at(-1)), 'webkitRelativePath', { value: `Folder/${n}` }));
        Object.defineProperty(e, 'files', { value: files, configurable: true });
        e.dispatchEvent(new Event('change'));
        delete e.files;
      });
    }
    assert.deepEqual(await page.evaluate(() => listed(0)), ['Folder/2.jpg 2.jpg', 'Folder/10.jpg 10.jpg',
      'Folder/sub/1.jpg sub/1.jpg', 'Folder/x~1.jpg x~1.jpg'].map((s) => (w.name === 'chromium'
      ? s.replace(/ (.*)/, ' Folder/$1') : s)));
  });

  test('a folder from the picker, where a file vanishes, another changes, and the visitor thinks better of it', async () => {
    const [first, second, dropped] = await page.evaluate(async () => {
      const top = await navigator.storage.getDirectory();
      const folder = await top.getDirectoryHandle('Holiday', { create: true });
      const put = async (to, name, text) => {
        const writable = await (await to.getFileHandle(name, { create: true })).createWritable();
        await writable.write(text);
        await writable.close();
      };
      for (const name of ['a10.jpg', 'a9.jpg', 'a8.jpg']) await put(folder, name, name);
      await put(await folder.getDirectoryHandle('sub', { create: true }), 'deep.jpg', 'deep');
      const empty = await top.getDirectoryHandle('Empty', { create: true });
      const answers = [folder, empty, new DOMException('The user aborted a request.', 'AbortError')];
      globalThis.showDirectoryPicker = async () => {
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      };
      intake.chooseFolder();
      const before = await listed(0);
      await folder.removeEntry('a9.jpg');
      await put(folder, 'a10.jpg', 'new');
      const later = await listed(0);
      intake.chooseFolder();
      intake.chooseFolder();
      give('drop', [['Holiday', { gone: null }, folder]]); // as Chromium has it in a page that is a file
      while (came.length < 3) await new Promise((done) => { setTimeout(done, 5); });
      const dropped = await listed(1);
      return [before, later, dropped];
    });
    assert.deepEqual(dropped, ['Holiday/a8.jpg a8.jpg', 'Holiday/a10.jpg new', 'Holiday/sub/deep.jpg deep']);
    assert.deepEqual(first, ['Holiday/a8.jpg a8.jpg', 'Holiday/a9.jpg a9.jpg', 'Holiday/a10.jpg a10.jpg', 'Holiday/sub/deep.jpg deep']);
    assert.match(second[1], /^Holiday\/a9.jpg image-unreadable: Holiday\/a9.jpg: ./);
    assert.equal(second[2], 'Holiday/a10.jpg new');
    assert.deepEqual((await page.evaluate(() => came)).toSorted(), ['many', 'many', 'no-folder']);
  });

  if (w.name === 'chromium') {
    test('folders and files dragged in from outside, by the browser itself', async () => {
      const names = Array.from({ length: 230 }, (_, i) => `Dropped/${i + 1}.jpg`);
      write('outside', ...names, 'Dropped/sub/photo~2.jpg', 'Dropped/sub/.hidden', 'single.jpg');
      const cdp = await page.createCDPSession();
      const data = { items: [], dragOperationsMask: 1, files: ['Dropped', 'single.jpg'].map((n) => path.join(dir, 'outside', n)) };
      for (const type of ['dragEnter', 'dragOver', 'drop']) await cdp.send('Input.dispatchDragEvent', { type, x: 5, y: 5, data });
      assert.deepEqual(await page.evaluate(() => listed(0)),
        [...names, 'Dropped/sub/photo~2.jpg', 'single.jpg'].map((n) => `${n} ${n}`));
      rmSync(path.join(dir, 'outside/Dropped/7.jpg'));
      assert.match((await page.evaluate(() => listed(0)))[6], /^Dropped\/7.jpg image-unreadable: /);
    });
  }

  const PREDICTIONS = [
    { index: 3, id: 'n01', label: 'Tabby, "tiger" cat', probability: 0.75 },
    { index: 1, id: 'n02', label: '猫', probability: 1e-7 },
  ];

  test('CSV, read by Python, with nothing that a spreadsheet runs', { skip: !python && 'needs python3' }, async () => {
    const file = await saved('answers.csv', page.evaluate((predictions) => base64(ways.csv([
      sorted('a/"b", c.jpg', predictions[0].label, { predictions }),
      sorted('=1+1.jpg', '-cat', { predictions: [{ ...predictions[0], label: '@x' }], isCorrected: true, sure: false }),
      sorted('+\r\n.jpg', '', { error: 'line one\nline two', width: 0, height: 0, bytes: null }),
      ...['-1.jpg', '\tx', '\rx', '＝x', ';=x', 'plain.jpg'].map((path) => sorted(path, '')),
    ])), PREDICTIONS));
    const bytes = readFileSync(file);
    assert.deepEqual([...bytes.subarray(0, 3)], [0xEF, 0xBB, 0xBF]);
    assert.ok(!/[^\r]\n(?!line)/.test(bytes.toString()), 'a line does not end with CRLF');
    const [header, ...rows] = runPython(`import csv, json, sys
print(json.dumps(list(csv.reader(open(sys.argv[1], encoding="utf-8-sig", newline="")))))`, file);
    assert.deepEqual(header, ['file', 'label', 'corrected', 'sure', 'bytes', 'width', 'height', 'class1', 'probability1',
      'class2', 'probability2', 'class3', 'probability3', 'class4', 'probability4', 'class5', 'probability5', 'error']);
    assert.deepEqual(rows[0], ['a/"b", c.jpg', 'Tabby, "tiger" cat', 'false', 'true', '12', '500', '375',
      'Tabby, "tiger" cat', '0.750000', '猫', '0.000000', '', '', '', '', '', '', '']);
    assert.deepEqual(rows[1].slice(0, 9), ["'=1+1.jpg", "'-cat", 'true', 'false', '8', '500', '375', "'@x", '0.750000']);
    assert.deepEqual(rows[2], ["'+\r\n.jpg", '', 'false', '', '', '', '', ...Array(10).fill(''), 'line one\nline two']);
    assert.deepEqual(rows.slice(3).map(([name]) => name), ["'-1.jpg", "'\tx", "'\rx", "'＝x", ';=x', 'plain.jpg']);
    assert.ok(bytes.toString().includes('";=x",'), 'a semicolon is not quoted');
  });

  test('JSON as the command line prints it', async () => {
    const text = await page.evaluate((predictions) => ways.json([
      sorted('a.jpg', 'cat', { predictions: predictions.map((p) => ({ ...p, labels: { en: 'x' } })) }),
      sorted('b.jpg', 'dog', { predictions, isCorrected: true, sure: false }),
      sorted('c.jpg', '', { error: 'broken' }),
    ]).text(), PREDICTIONS);
    assert.deepEqual(JSON.parse(text), [
      { file: 'a.jpg', predictions: PREDICTIONS, sure: true },
      { file: 'b.jpg', predictions: PREDICTIONS, sure: false, label: 'dog', corrected: true },
      { file: 'c.jpg', error: 'broken' },
    ]);
    assert.equal(text.split('\n').length, 6, 'an object a line');
    assert.deepEqual(JSON.parse(await page.evaluate(() => ways.json([]).text())), []);
  });

  const READ_ZIP = `import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(json.dumps([[i.filename, z.read(i).decode() if i.file_size < 100 else i.file_size, i.date_time, i.flag_bits] for i in z.infolist()]))`;

  test('a ZIP file with a folder for each label, read by Python and unzip', { skip: !python && 'needs python3' }, async () => {
    const { zip, progress, skipped } = await page.evaluate(async () => {
      const progress = [];
      const skipped = [];
      const gone = sorted('gone.jpg', 'cat');
      gone.entry.file = async () => { throw new Error('gone'); };
      const rows = [
        sorted('x/1.jpg', 'Cat', { text: 'first' }), sorted('y/1.jpg', 'Cat', { text: 'second' }), sorted('z/1.JPG', 'Cat', { text: '' }),
        sorted('1 (2).jpg', 'Cat', { text: 'third' }), sorted('猫 é.jpg', '猫/虎'), sorted('v.tar.gz', 'cat'),
        sorted('n', ''), gone, sorted('changed.jpg', 'Cat', { bytes: 1 }), sorted('unreadable.jpg', '', { error: 'x', predictions: [] }),
      ];
      const file = await ways.zip(rows, { unnamed: 'No answer', onProgress: (...a) => progress.push(a.join()),
        onSkipped: ({ entry }, why) => skipped.push(`${entry.path} ${why}`) });
      return { zip: await base64(file), progress, skipped };
    });
    assert.deepEqual(skipped, ['gone.jpg image-unreadable', 'changed.jpg image-changed']);
    assert.deepEqual(progress, Array.from({ length: 10 }, (_, i) => `${i + 1},10`));
    const file = await saved('pictures.zip', zip);
    const { zone, list } = { zone: new Date(Date.UTC(2024, 1, 29, 12, 34, 56)), list: runPython(READ_ZIP, file) };
    const time = [zone.getFullYear(), zone.getMonth() + 1, zone.getDate(), zone.getHours(), zone.getMinutes(), zone.getSeconds()];
    assert.deepEqual(list, [
      ['Cat/1.jpg', 'first'], ['Cat/1 (2).jpg', 'second'], ['Cat/1 (3).JPG', ''], ['Cat/1 (2) (2).jpg', 'third'],
      ['猫_虎/猫 é.jpg', '猫 é.jpg'], ['cat (2)/v.tar.gz', 'v.tar.gz'], ['No answer/n', 'n'], ['No answer/unreadable.jpg', 'unreadable.jpg'],
    ].map((l) => [...l, time, 0x800]));
    if (unzip) assert.match(execFileSync('unzip', ['-t', file], { encoding: 'utf8' }), /No errors detected/);
  });

  test('a ZIP file can be given up, and has its checksums from files of several pieces', async () => {
    const [code, crcs] = await page.evaluate(async () => {
      const end = new AbortController();
      const rows = Array.from({ length: 5 }, (_, i) => sorted(`${i}.jpg`, 'a'));
      const failed = ways.zip(rows, { unnamed: '', signal: end.signal, onProgress: (done) => done === 2 && end.abort() });
      const code = await failed.then(() => 'none', (e) => e.name);
      const bytes = Uint8Array.from({ length: 1001 }, (_, i) => i * 7);
      return [code, [ways.crc32(new TextEncoder().encode('123456789')), ways.crc32(bytes.subarray(333), ways.crc32(bytes.subarray(0, 333))) - ways.crc32(bytes)]];
    });
    assert.equal(code, 'AbortError');
    assert.deepEqual(crcs, [0xCBF43926, 0]);
    if (!python) return;
    const file = await saved('large.zip', page.evaluate(async () => {
      const text = '0123456789abcdefghi'.repeat(150_000);
      return base64(await ways.zip([sorted('large.jpg', 'a', { text })], { unnamed: '' }));
    }));
    assert.deepEqual(runPython(READ_ZIP, file).map(([name, size]) => [name, size]), [['a/large.jpg', 2_850_000]]);
  });

  test('ZIP64: more than 65,535 files, and more than 4 GB', { skip: !python && 'needs python3' }, async () => {
    const file = await saved('many.zip', page.evaluate(() => {
      const file = new Blob();
      return base64(ways.pack(Array.from({ length: 65_536 }, (_, i) => ({ name: `${i}`, file, crc: 0, modified: new Date() }))));
    }));
    const names = runPython(READ_ZIP, file).map(([name]) => name);
    assert.equal(names.length, 65_536);
    assert.equal(names.at(-1), '65535');
    if (unzip) assert.match(execFileSync('unzip', ['-tq', file], { encoding: 'utf8' }), /No errors detected/);

    // Zeros are a hole in the file here, and many references to the same ones there.
    const length = 2 ** 32 + 5 * 2 ** 20;
    const isLong = unzip && process.env.RESNET_LONG;
    const crc = !isLong ? 7 : runPython(`import sys, zlib
crc = 0
for i in range(int(sys.argv[1]) >> 20): crc = zlib.crc32(bytes(1 << 20), crc)
print(crc)`, `${length}`);
    const { size, head, tail } = await page.evaluate(async (crc, length) => {
      const piece = new Blob([new Uint8Array(2 ** 20)]);
      const file = new Blob(Array(length / piece.size).fill(piece));
      const last = new Blob(['the last']);
      const made = ways.pack([
        { name: 'huge', file, crc, modified: new Date() },
        { name: 'last', file: last, crc: ways.crc32(new TextEncoder().encode('the last')), modified: new Date() },
      ]);
      return { size: made.size, head: await base64(made.slice(0, 100)), tail: await base64(made.slice(length)) };
    }, crc, length);
    const huge = path.join(dir, 'huge.zip');
    const to = openSync(huge, 'w');
    ftruncateSync(to, size);
    writeSync(to, Buffer.from(head, 'base64'), 0, 100, 0);
    const rest = Buffer.from(tail, 'base64');
    writeSync(to, rest, 0, rest.length, size - rest.length);
    closeSync(to);
    const list = runPython(`import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(json.dumps([[i.filename, i.file_size, i.compress_size, i.CRC, i.header_offset] for i in z.infolist()] + [z.read("last").decode()]))`, huge);
    assert.deepEqual(list[0], ['huge', length, length, crc, 0]);
    assert.deepEqual(list[1].slice(0, 3), ['last', 8, 8]);
    assert.equal(list[2], 'the last');
    if (isLong) assert.match(execFileSync('unzip', ['-t', huge], { encoding: 'utf8' }), /No errors detected/);
  });

  test('names that every system takes', async () => {
    const names = await page.evaluate(() => [
      ...['a/b\\c:d*e?f"g<h>i|j', ' . cat. . ', '...', '', 'CON', 'nul', 'com1.x', 'Com¹', 'console', 'x\u0000\u0007\u202Ey', '猫'.repeat(50), '\uD800x', '👨‍👩‍👧', '..\\..\\etc']
        .map((label) => ways.folderName(label)),
      ...['a/b/photo.jpg', 'AUX.jpg', '.hidden.png', `${'n'.repeat(300)}.jpeg`, 'a/..', 'a ~1.jpg', 'x. .jpg'].map((p) => ways.fileName(p)),
    ]);
    assert.deepEqual(names, [
      'a_b_c_d_e_f_g_h_i_j', 'cat', '_', '_', 'CON_', 'nul_', 'com1_.x', 'Com¹_', 'console', 'x___y', '猫'.repeat(33), '_x', '👨‍👩‍👧', '_.._etc',
      'photo.jpg', 'AUX_.jpg', 'hidden.png', `${'n'.repeat(240)}.jpeg`, '_', 'a ~1.jpg', 'x. .jpg',
    ]);
  });

  test('copies into folders leave what is there', async () => {
    const found = await page.evaluate(async () => {
      const top = await navigator.storage.getDirectory();
      const to = await top.getDirectoryHandle('Sorted', { create: true });
      const cats = await to.getDirectoryHandle('cat', { create: true });
      await cats.getFileHandle('1.jpg', { create: true });
      await to.getFileHandle('dog', { create: true }); // a file where a folder shall be
      const skipped = [];
      const steps = [];
      const gone = sorted('gone.jpg', 'cat');
      gone.entry.file = async () => { throw new Error('gone'); };
      const bad = sorted('bad.jpg', 'bad');
      const broken = new File(['x'], 'broken.jpg');
      broken.stream = () => new ReadableStream({ pull() { throw new DOMException('changed', 'NotReadableError'); } });
      bad.entry.file = async () => broken;
      bad.bytes = 1;
      await ways.copyInto(to, [sorted('a/1.jpg', 'cat', { text: 'A' }), sorted('b/1.jpg', 'cat', { text: 'B' }), gone, bad,
        sorted('d?.jpg', 'dog', { text: 'D' }), sorted('e.jpg', '', { text: 'E' }), sorted('f~2.jpg', 'bad', { text: 'F' })],
      { unnamed: 'No answer', onProgress: (done) => steps.push(done), onSkipped: ({ entry }, why) => skipped.push(`${entry.path} ${why}`) });
      const list = async (folder, before = '') => {
        const all = [];
        for await (const [name, handle] of folder) {
          if (handle.kind === 'directory') all.push(...await list(handle, `${before}${name}/`));
          else all.push(`${before}${name} ${await (await handle.getFile()).text()}`);
        }
        return all.sort();
      };
      const full = { kind: 'directory', values: async function* () {}, getDirectoryHandle: async () => ({
        keys: async function* () {}, removeEntry: async () => {}, getFileHandle: async () => ({ createWritable: async () => new WritableStream({
          write() { throw new DOMException('full', 'QuotaExceededError'); } }) }) }) };
      const end = await ways.copyInto(full, [sorted('a.jpg', 'x')], { unnamed: 'x' }).then(() => 'none', (e) => e.name);
      const closed = { ...full, getDirectoryHandle: async () => ({ keys: async function* () {}, getFileHandle: async () => { throw new TypeError('Name is not allowed.'); } }) };
      await ways.copyInto(closed, [sorted('a.jpg', 'x')], { unnamed: 'x', onSkipped: ({ entry }, why) => skipped.push(`${entry.path} ${why}`) });
      return { list: await list(to), skipped, steps, end };
    });
    assert.deepEqual(found.list, ['No answer/e.jpg E', 'bad/f~2.jpg F', 'cat/1 (2).jpg A', 'cat/1 (3).jpg B', 'cat/1.jpg ', 'dog ', 'dog (2)/d_.jpg D']);
    assert.deepEqual(found.skipped, ['gone.jpg image-unreadable', 'bad.jpg image-changed', 'a.jpg image-not-written']);
    assert.deepEqual(found.steps, [1, 2, 3, 4, 5, 6, 7]);
    assert.equal(found.end, 'QuotaExceededError');
  });

  test('what is alike', async () => {
    const seen = await page.evaluate(async () => {
      let x = 7;
      const random = () => ((x = Math.imul(x, 1664525) + 1013904223) >>> 8) / 2 ** 24;
      const vector = () => Float32Array.from({ length: 515 }, () => Math.max(0, random() + random() + random() - 1.2));
      const near = (v, much) => v.map((f) => f * (1 + much * (random() - 0.5)));
      const cosine = (a, b) => {
        const sum = (u, v) => u.reduce((s, f, i) => s + f * v[i], 0);
        return sum(a, b) / Math.sqrt(sum(a, a) * sum(b, b));
      };
      const alike = new ways.Alike();
      const all = new Map();
      const put = (id, v) => { all.set(id, v); alike.set(id, v); };
      for (let id = 0; id < 300; id++) put(id, vector());
      put(1000, near(all.get(5), 0.2));
      put(1001, near(all.get(5), 0.2));
      put(1002, near(all.get(77), 0.1));
      put(3, near(all.get(200), 0.1)); // instead of what was there
      put(400, new Float32Array(515));
      for (const id of [0, 299, 12, 999]) {
        all.delete(id);
        alike.delete(id);
      }
      const similar = alike.similar(77, 10);
      const right = [...all].filter(([id]) => id !== 77 && id !== 400).map(([id, v]) => ({ id, similarity: cosine(all.get(77), v) }))
        .sort((a, b) => b.similarity - a.similarity).slice(0, 10);
      const error = Math.max(...similar.map((s) => Math.abs(s.similarity - cosine(all.get(77), all.get(s.id)))));
      const end = new AbortController();
      end.abort();
      return {
        first: [similar[0].id, right[0].id], error, count: similar.length, sinking: similar.every((s, i) => !i || s.similarity <= similar[i - 1].similarity),
        worst: right[9].similarity - similar[9].similarity, groups: await alike.duplicates(), none: alike.similar(999, 3), few: alike.similar(400, 1000).length,
        aborted: await alike.duplicates(end.signal).catch((e) => e.name), empty: await new ways.Alike().duplicates(),
      };
    });
    assert.deepEqual(seen.first, [1002, 1002]);
    assert.ok(seen.error < 0.002 && Math.abs(seen.worst) < 0.002, `${seen.error} ${seen.worst}`);
    assert.ok(seen.count === 10 && seen.sinking && seen.none.length === 0);
    assert.equal(seen.few, 300);
    assert.deepEqual(seen.groups.map((g) => g.toSorted((a, b) => a - b)).toSorted((a, b) => a[0] - b[0]), [[3, 200], [5, 1000, 1001], [77, 1002]]);
    assert.deepEqual([seen.aborted, seen.empty], ['AbortError', []]);
  });
});
