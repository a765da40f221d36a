// @ts-nocheck
// The page: takes pictures, shows answers. It computes nothing itself and knows the network only through resnet.js.

import { createClassifier } from '../api/resnet.ts';
import { strings } from '../lib/strings.ts';
import { bar, download, drawCrop, drawHeat, drawing, heading, load as element, make, middle, percent, pictureOf, receive } from './view.ts';

// Pictures drawn by us that the built-in model names rightly, with the class it should name.
const SAMPLES = [
  { file: 'monarch', id: 'n02279972', en: 'monarch butterfly', zh: '帝王蝶' },
  { file: 'espresso', id: 'n07920052', en: 'espresso', zh: '浓缩咖啡' },
  { file: 'lighthouse', id: 'n02814860', en: 'lighthouse', zh: '灯塔' },
  { file: 'orange', id: 'n07747607', en: 'orange', zh: '橙子' },
  { file: 'school-bus', id: 'n04146614', en: 'school bus', zh: '校车' },
  { file: 'hourglass', id: 'n03544143', en: 'hourglass', zh: '沙漏' },
  { file: 'bell-pepper', id: 'n07720875', en: 'bell pepper', zh: '甜椒' },
  { file: 'candle', id: 'n02948072', en: 'candle', zh: '蜡烛' },
  { file: 'lemon', id: 'n07749582', en: 'lemon', zh: '柠檬' },
  { file: 'keyboard', id: 'n03085013', en: 'computer keyboard', zh: '电脑键盘' },
];

const $ = (id) => document.getElementById(id);
const body = document.body;

let lang = remembered() ?? (navigator.language?.startsWith('zh') ? 'zh' : 'en');
let t = strings[lang];
let classifier; // a promise of the classifier in use
let info = null; // of the classifier, once it is ready
let loadState = null; // while it loads: { phase, loaded, total }; null: it did not
let current = null; // the picture on show: { name, source, drawable, url? }
let answer = null; // its result
let run = null; // AbortController of the classification under way
let shownClass = -1; // whose heat map is drawn
let failure = null; // what the problem panel says: { code, message }

// ---- The classifier

function load() {
  info = null;
  $('open-classes').disabled = true;
  setLoad({ phase: 'download', loaded: 0, total: 0 });
  const join = download();
  const made = createClassifier({ lang, onProgress: (p) => made === classifier && setLoad(join(p)) });
  classifier = made;
  made.then((c) => {
    if (made !== classifier) return c.close();
    info = c.info;
    showReady();
  }, (error) => {
    if (made !== classifier) return;
    setLoad(null);
    fail(error);
  });
}

function reload() {
  classifier?.then((c) => c.close(), () => {});
  load();
}

function setLoad(progress) {
  loadState = progress;
  showLoad();
}

function showLoad() {
  const bar = $('load-bar');
  $('load').dataset.state = info ? 'ready' : loadState ? 'loading' : 'failed';
  if (info) $('load-text').textContent = t.ready(info.classes.length);
  else if (!loadState) $('load-text').textContent = t.failed;
  else {
    const { phase, loaded, total } = loadState;
    const sized = phase === 'download' && total > 0;
    $('load-text').textContent = t.loading[phase] + (sized ? ` · ${t.bytes(loaded, total)}` : '…');
    if (sized) bar.value = loaded / total;
    else bar.removeAttribute('value');
  }
  bar.hidden = !loadState || !!info;
  if (!info) $('busy').textContent = t.waiting;
  else $('busy').textContent = t.looking;
}

function showReady() {
  showLoad();
  $('open-classes').disabled = false;
  showFoot();
  if (!current) announce(t.ready(info.classes.length));
}

// ---- Pictures come in

/** Shows and classifies a file; the one before it, if still under way, is given up. */
function takeFile(file) {
  if (file.type === 'image/svg+xml') return takeDrawing(URL.createObjectURL(file), file.name, true);
  const url = URL.createObjectURL(file);
  take({ name: file.name || t.picture, source: file, url, drawable: element(url) });
}

function takeDrawing(url, name, ours) {
  const canvas = drawing(url);
  take({ name, source: canvas, drawable: canvas, url: ours ? url : undefined });
}

function take(picture) {
  picture.drawable.catch(() => {}); // the classifier says what is wrong with it
  if (current?.url) URL.revokeObjectURL(current.url);
  current = picture;
  classify();
}

async function classify() {
  run?.abort();
  const own = run = new AbortController();
  const picture = current;
  answer = failure = null;
  setState('busy');
  showLoad();
  $('crop').setAttribute('aria-label', t.crop(picture.name));
  preview(picture);
  try {
    const c = await classifier;
    const result = await c.classify(await picture.source, { topK: 5, heatmap: true, signal: own.signal });
    if (own !== run) return;
    const drawn = await picture.drawable;
    if (own !== run) return;
    answer = { ...result, drawn, simd: c.info.simd };
    shownClass = result.heatmap.index;
    setState('result');
    showAnswer(true);
  } catch (error) {
    // A classifier that did not load has already been reported.
    if (own === run && error.code !== 'aborted' && !failure) fail(error);
  }
}

async function preview(picture) {
  const image = await picture.drawable.catch(() => null);
  if (!image || picture !== current || answer || failure) return;
  const box = middle(image);
  if (!box) return;
  await image.decode?.().catch(() => {});
  if (picture === current && !answer && !failure) drawCrop($('crop'), image, box);
}

// ---- States of the page: empty, busy, result, problem

function setState(state) {
  body.dataset.state = state;
  const picture = state === 'busy' || state === 'result';
  const held = document.activeElement;
  $('drop').hidden = picture;
  $('view').hidden = !picture;
  $('answer').hidden = state !== 'result';
  $('problem').hidden = state !== 'problem';
  $('intro').hidden = state === 'result' || state === 'problem';
  if (state === 'busy') {
    for (const id of ['crop', 'heat', 'whole']) $(id).width = $(id).height = 1;
    $('whole').hidden = true;
    $('caption').textContent = '';
  }
  // Where the focused control has gone, the focus moves to what came instead of it.
  const lost = held === body || held === null || held.closest?.('[hidden]');
  if (!lost) return;
  if (state === 'busy') $('main').focus({ preventScroll: true });
  if (state === 'result') $('best').focus({ preventScroll: true });
  if (state === 'problem' && current) $('problem-title').focus({ preventScroll: true });
}

function fail({ code, message }) {
  failure = { code, message };
  setState('problem');
  showProblem();
  announce(`${$('problem-title').textContent}. ${$('problem-advice').textContent}`);
  reveal($('problem'));
}

function showProblem() {
  const [title, advice] = failure.code === 'no-picture' ? t.noPicture : t.errors[failure.code] ?? t.errors.other;
  $('problem-title').textContent = title;
  $('problem-advice').textContent = advice;
  $('problem-detail').textContent = failure.message;
  $('problem').querySelector('details').hidden = !failure.message;
  // Another try helps where the picture is not what is wrong.
  $('retry').hidden = /^(image-decode|image-too-large|image-tainted|no-picture)$/.test(failure.code);
  $('problem-choose').hidden = !info;
  $('problem-choose').classList.toggle('primary', $('retry').hidden);
  $('problem-choose').classList.toggle('secondary', !$('retry').hidden);
}

const tenths = (ms) => ms.toLocaleString(lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function showAnswer(fresh) {
  const { predictions, sure, heatmap, timings, drawn, simd } = answer;
  const best = predictions[0];
  $('answer').dataset.sure = sure;
  $('eyebrow').textContent = sure ? t.looksLike : t.unsure;
  $('best').textContent = heading(best.label);
  $('unsure-note').hidden = sure;
  $('bars').replaceChildren(...predictions.map((p, i) => bar(p, i, lang)));
  $('bars').classList.toggle('fresh', fresh);
  $('bars-hint').hidden = false;
  const ms = { inference: tenths(timings.inference), total: tenths(timings.total) };
  $('facts').replaceChildren(
    ...fact(t.time, t.timeValue(ms)),
    ...fact(t.runs, t.runsValue(simd, info.threads)),
    ...info.noise ? fact(t.noise[0], t.noise.slice(1)) : [],
    ...fact(t.model, t.modelValue(modelName(), info.classes.length, info.bytes)),
  );
  drawCrop($('crop'), drawn, heatmap.box);
  drawWhole(drawn, heatmap.box);
  showHeat();
  if (fresh) {
    announce(t.announce(best.label, percent(best.probability, lang), sure));
    reveal($('stage'));
  }
}

function fact(name, [strong, rest]) {
  return [make('dt', '', {}, name), make('dd', '', {}, make('strong', '', {}, strong), rest)];
}

const modelName = () => info.architecture.replace(/^resnet/, 'ResNet-').replace(/^plain/, 'Plain-');

function showFoot() {
  $('foot-model').textContent = `${modelName()} · ${info.inputSize} × ${info.inputSize}`;
  fetch(address('manifest.json')).then((r) => r.json()).then(({ version, files }) => {
    $('foot-version').textContent = t.version(version);
    const file = files?.['offline.html']; // not named in the manifest that is inside that file
    $('foot-offline').replaceChildren(...file ? [make('a', '', { href: 'offline.html', download: 'resnet-web.html' }, t.offlineFile(file.bytes))] : []);
  }, () => {});
}

// On a phone the answer may lie outside the window.
function reveal(element) {
  const { top, bottom } = element.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) element.scrollIntoView({ block: 'start', behavior: calm() ? 'auto' : 'smooth' });
}

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

// ---- The crop and its heat map

const heatOn = () => $('heat-toggle').getAttribute('aria-checked') === 'true';

// A small view of a picture that is not square, with the crop marked on it.
function drawWhole(image, box) {
  const width = image.naturalWidth ?? image.width;
  const height = image.naturalHeight ?? image.height;
  const canvas = $('whole');
  canvas.hidden = box.width > 0.96 * width && box.height > 0.96 * height;
  if (canvas.hidden) return;
  const scale = 160 / Math.max(width, height);
  canvas.width = Math.max(24, Math.round(width * scale));
  canvas.height = Math.max(24, Math.round(height * scale));
  const sx = canvas.width / width;
  const sy = canvas.height / height;
  const g = canvas.getContext('2d');
  g.fillStyle = '#fff';
  g.fillRect(0, 0, canvas.width, canvas.height);
  g.drawImage(image, 0, 0, canvas.width, canvas.height);
  g.fillStyle = 'rgb(0 0 0 / 0.55)';
  g.beginPath();
  g.rect(0, 0, canvas.width, canvas.height);
  g.rect(box.x * sx, box.y * sy, box.width * sx, box.height * sy);
  g.fill('evenodd');
  g.strokeStyle = '#fff';
  g.lineWidth = 3;
  g.strokeRect(box.x * sx + 1.5, box.y * sy + 1.5, box.width * sx - 3, box.height * sy - 3);
}

function showHeat() {
  const on = heatOn();
  $('heat').classList.toggle('on', on);
  drawHeat($('heat'), answer.heatmap);
  for (const b of $('bars').querySelectorAll('button')) b.setAttribute('aria-pressed', on && Number(b.dataset.index) === shownClass);
  const label = answer.predictions.find((p) => p.index === shownClass)?.label ?? '';
  $('caption').textContent = on ? t.heatCaption(label) : t.saw(info.inputSize);
}

function setHeat(on) {
  $('heat-toggle').setAttribute('aria-checked', on);
  if (answer) showHeat();
}

// Another class needs another run; it takes milliseconds.
async function pickHeat(index) {
  if (index === shownClass && heatOn()) return setHeat(false);
  const shown = answer;
  if (index !== shownClass) {
    try {
      const c = await classifier;
      const { heatmap } = await c.classify(await current.source, { topK: 1, heatmap: index, signal: run.signal });
      if (shown !== answer) return;
      answer.heatmap = heatmap;
      shownClass = index;
    } catch (error) {
      if (error.code !== 'aborted') fail(error);
      return;
    }
  }
  setHeat(true);
  announce($('caption').textContent);
}

// ---- Controls

function choose() {
  $('file').click();
}

for (const id of ['choose', 'problem-choose']) $(id).addEventListener('click', choose);
$('another').addEventListener('click', choose);
$('drop').addEventListener('click', (e) => e.target.closest('button') || choose());
const touch = matchMedia('(pointer: coarse)').matches; // nothing to drag there, but a camera
$('photo').hidden = !touch;
if (touch) document.querySelector('.drop-title').dataset.t = 'pick';
$('photo').addEventListener('click', () => $('camera').click());
for (const id of ['file', 'camera']) {
  $(id).addEventListener('change', ({ target }) => {
    if (target.files[0]) takeFile(target.files[0]);
    target.value = ''; // so that the same file can be chosen again
  });
}
$('heat-toggle').addEventListener('click', () => setHeat(!heatOn()));
$('bars').addEventListener('click', ({ target }) => {
  const button = target.closest('.bar');
  if (button) pickHeat(Number(button.dataset.index));
});
$('retry').addEventListener('click', () => {
  again();
  if (!current) $('choose').focus();
});

function again() {
  if (!info) reload();
  if (current) return classify();
  failure = null;
  setState('empty');
}

receive(takeTransfer);

function takeTransfer(transfer) {
  $('classes').close();
  const file = pictureOf(transfer);
  if (file) return takeFile(file);
  run?.abort();
  fail({ code: 'no-picture', message: '' });
}

// ---- Samples

for (const sample of SAMPLES) {
  const url = address(`samples/${sample.file}.svg`);
  const button = make('button', 'sample', { type: 'button' }, make('img', '', { src: url, alt: '', width: 96, height: 96, decoding: 'async', draggable: 'false' }));
  button.addEventListener('click', () => takeDrawing(url, sample[lang], false));
  button.dataset.id = sample.id;
  sample.button = button;
  $('samples').append(make('li', '', {}, button));
}

// ---- The list of classes

$('open-classes').addEventListener('click', () => {
  $('query').value = '';
  fillClasses();
  // What lies outside a modal dialog is not spoken.
  $('classes').append($('announcer'));
  $('classes').showModal();
  $('query').focus();
});
$('close-classes').addEventListener('click', () => $('classes').close());
$('classes').addEventListener('close', () => body.append($('announcer')));
$('classes').addEventListener('click', (e) => e.target === $('classes') && $('classes').close());
$('query').addEventListener('input', () => {
  const n = fillClasses();
  announce(n ? t.foundSpoken(n) : $('none').textContent);
});

const plain = (s) => s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** Lists the classes whose label or id has every word of the query; returns how many. */
function fillClasses() {
  const query = $('query').value.trim();
  const words = plain(query).split(/\s+/);
  const hits = info.classes.filter(({ id, label }) => words.every((w) => plain(label).includes(w) || id.includes(w)));
  const order = new Intl.Collator(lang);
  hits.sort((a, b) => order.compare(a.label, b.label));
  $('class-list').replaceChildren(...hits.map(({ id, label }) => make('li', '', {}, make('span', '', {}, heading(label)), make('code', '', {}, id))));
  $('class-list').scrollTop = 0;
  $('classes-title').textContent = t.classesTitle(info.classes.length);
  $('found').textContent = t.found(hits.length, info.classes.length);
  $('none').hidden = hits.length > 0;
  $('none').textContent = t.none(query);
  return hits.length;
}

// ---- Languages

function showLanguage() {
  t = strings[lang];
  document.documentElement.lang = lang === 'zh' ? 'zh-Hans' : lang;
  document.title = t.title;
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t[e.dataset.t];
  for (const e of document.querySelectorAll('[data-t-label]')) e.setAttribute('aria-label', t[e.dataset.tLabel]);
  for (const b of document.querySelectorAll('[data-lang]')) b.setAttribute('aria-pressed', b.dataset.lang === lang);
  $('stage').setAttribute('aria-label', t.picture);
  $('query').placeholder = t.search;
  const [before, key, after] = t.paste(/Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl');
  $('paste-hint').replaceChildren(before, make('kbd', '', {}, key + after.match(/^ \+ V/)[0]), after.replace(/^ \+ V/, ''));
  for (const s of SAMPLES) {
    s.button.setAttribute('aria-label', t.sample(s[lang]));
    s.button.title = s[lang];
  }
  showLoad();
  if (failure) showProblem();
}

for (const button of document.querySelectorAll('[data-lang]')) {
  button.addEventListener('click', () => {
    if (button.dataset.lang === lang) return;
    lang = button.dataset.lang;
    try { localStorage.setItem('lang', lang); } catch { /* a private window forgets it */ }
    showLanguage();
    if (failure && !info) return again();
    reload(); // labels come from the model
    if (current && !failure) classify();
  });
}

function remembered() {
  try {
    const l = localStorage.getItem('lang');
    return Object.hasOwn(strings, l) ? l : undefined;
  } catch {
    return undefined;
  }
}

// ---- Small things

// The offline page carries its files inside.
function address(file) {
  return globalThis.inlined?.[file] ?? file;
}

function announce(text) {
  $('announcer').textContent = '';
  requestAnimationFrame(() => { $('announcer').textContent = text; });
}

// The shell for the next visit, also without a network. A page without it works all the same.
async function keepOffline() {
  if (!isSecureContext || !navigator.serviceWorker || globalThis.inlined) return;
  const registration = await navigator.serviceWorker.register('sw.js');
  const offer = () => {
    const isReady = Boolean(registration.waiting && navigator.serviceWorker.controller);
    if (isReady && $('update').hidden) announce(t.update);
    $('update').hidden = !isReady;
  };
  const watch = () => registration.installing?.addEventListener('statechange', offer);
  offer();
  watch();
  registration.addEventListener('updatefound', watch);
  $('update-now').addEventListener('click', async () => {
    const next = registration.waiting;
    if (!next) return location.reload();
    next.addEventListener('statechange', () => next.state === 'activated' && location.reload());
    // The change of hands waits for workers, and kernel threads do not answer while they wait for work.
    await classifier.then((c) => c.close(), () => {});
    next.postMessage('activate');
  });
  $('update-later').addEventListener('click', () => { $('update').hidden = true; });
}

showLanguage();
load();
classifier.finally(keepOffline).catch(() => {});
