// @ts-nocheck
// The page in the frame of <resnet-classifier>: takes pictures from the visitor, and from the site around it, and tells what
// they are. Whatever that site sends is checked here; it gets answers, never the visitor's pictures. In a plain iframe, or
// opened by itself, it does the same for the visitor alone.

import { createClassifier } from '../api/resnet.ts';
import { strings } from '../lib/strings.ts';
import { bar, download, drawCrop, drawHeat, drawing, heading, load as element, middle, percent, pictureOf, receive } from '../page/view.ts';

const VERSION = 1; // of the messages, the same as in embed.js
const MOST_BYTES = 64 << 20; // of one picture from the site
const MOST_CALLS = 32; // of the site that wait for an answer

const $ = (id) => document.getElementById(id);
const body = document.body;
const root = document.documentElement;
const isObject = (x) => typeof x === 'object' && x !== null;

let t = strings.en;
let classifier = null; // a promise of the classifier in use; null: asleep, or it did not load
let info = null; // of the classifier, once it is ready
let progress = null; // while it loads
let current = null; // the picture on show: { name, source, drawable, url }
let answer = null; // its result
let shownClass = -1; // whose heat map is drawn
let problem = null; // what the problem panel says: { code, message }
let visitor = null; // AbortController of the visitor's own picture
const calls = new Map(); // of the site that wait for an answer: id → AbortController
const running = new Set(); // promises of all that the classifier is asked

// ---- What the site may choose: by name the default, what it must be, and whether it is

const HERE = new URL('.', location.href).href;
const OPTIONS = {
  model: ['', `the address of a .msgpack file below ${HERE}`, isHere],
  topK: [5, 'a whole number from 1 to 100', (x) => Number.isInteger(x) && x >= 1 && x <= 100],
  threshold: [0, 'a number from 0 to 1', (x) => typeof x === 'number' && x >= 0 && x <= 1],
  heatmap: [false, 'true or false', (x) => typeof x === 'boolean'],
  lang: ['en', "a language such as 'en'", isLanguage],
  theme: ['auto', "'auto', 'light' or 'dark'", (x) => ['auto', 'light', 'dark'].includes(x)],
  style: [{}, 'an object of colours, with a length as radius', isObject],
};
const COLOURS = ['accent', 'accent-ink', 'card', 'ink', 'line', 'paper', 'soft'];

const defaults = Object.fromEntries(Object.entries(OPTIONS).map(([name, [value]]) => [name, value]));
let options = defaults;

// Models lie beside this page: a site may not make its visitors fetch what it likes, which goes with their cookies.
function isHere(url) {
  try {
    if (url === '') return true; // the default
    const { href } = new URL(url, HERE);
    return typeof url === 'string' && url.length <= 2000 && href.startsWith(HERE) && /^[^?#]*\.msgpack$/.test(href);
  } catch {
    return false;
  }
}

function isLanguage(x) {
  try {
    return typeof x === 'string' && x.length <= 40 && Intl.getCanonicalLocales(x).length === 1;
  } catch {
    return false;
  }
}

function set(given) {
  const before = options;
  options = { ...defaults };
  for (const [name, [, wanted, is]] of Object.entries(OPTIONS)) {
    const value = isObject(given) ? given[name] : undefined;
    if (value === undefined) continue;
    if (is(value)) options[name] = value;
    else tell('error', { code: 'bad-option', message: `resnet: ${name}: want ${wanted}, got ${clip(value)}` });
  }
  setColours();
  showLanguage();
  if (options.heatmap !== before.heatmap) setHeat(options.heatmap);
  if (port && (options.lang !== before.lang || options.model !== before.model)) {
    retire();
    restart();
  }
}

function clip(x) {
  const text = typeof x === 'string' ? `'${x}'` : isObject(x) ? 'an object' : String(x);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

// The rules of page.css for dark surroundings, switched on or off by hand where a theme is given.
const darkRules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter((rule) => rule.media?.mediaText.includes('prefers-color-scheme: dark'));
const darkMedia = '(prefers-color-scheme: dark)';

function setColours() {
  const { theme, style } = options;
  root.style.cssText = '';
  if (theme !== 'auto') root.style.colorScheme = theme;
  for (const rule of darkRules) rule.media.mediaText = { auto: darkMedia, dark: 'all', light: 'not all' }[theme];
  const apply = (name, property) => {
    const value = style[name];
    if (typeof value === 'string' && value.length <= 100 && CSS.supports(property, value)) root.style.setProperty(`--${name}`, value);
  };
  for (const name of COLOURS) apply(name, 'color');
  apply('radius', 'border-radius');
  if (root.style.getPropertyValue('--accent')) root.style.setProperty('--accent-soft', 'color-mix(in oklab, var(--accent) 16%, var(--card))');
}

// ---- The site around this frame

let port = null; // to it, after the handshake

// Which sites may use the frame. The header of this page says the same to browsers, where the server can send headers.
const parents = fetch('embed.json').then((r) => r.json()).then(({ parents: p }) => (Array.isArray(p) ? p : []), () => []);
const isWelcome = async (origin) => origin === location.origin || (await parents).some((p) => p === '*' || p === origin);

function tell(event, detail, id) {
  port?.postMessage({ event, id, detail });
}

async function meet({ source, origin, data, ports }) {
  if (source !== parent || data?.resnet !== 'connect' || ports.length !== 1) return;
  const refuse = (why) => {
    ports[0].postMessage({ event: 'error', detail: { code: 'embed-refused', message: `resnet: ${why}` } });
    if (!port) fail({ code: 'embed-refused', message: why });
  };
  if (data.version !== VERSION) return refuse(`want version ${VERSION} of the messages, got ${clip(data.version)}; use the embed.js that lies beside ${location.href}`);
  if (!await isWelcome(origin)) return refuse(`${origin} may not embed this classifier; the owner of ${location.origin} can add it to embed.json`);
  if (port) return;
  port = ports[0];
  port.onmessage = (e) => hear(e.data);
  root.dataset.fit = '';
  new ResizeObserver(() => tell('size', Math.ceil(root.getBoundingClientRect().height))).observe(root);
  set(data.options);
  load();
}

function hear(message) {
  if (!isObject(message)) return;
  const { op, id, image } = message;
  if (op === 'set') return set(message.options);
  if (op === 'load') return info ? tell('ready', info) : classifier ?? restart();
  if (!Number.isSafeInteger(id) || id < 1) return; // no way to answer
  if (op === 'cancel') return calls.get(id)?.abort();
  const refuse = (code, why) => tell('error', { code, message: `resnet: ${why}` }, id);
  if (op !== 'classify') return refuse('bad-option', `op: want 'classify', 'cancel', 'load' or 'set', got ${clip(op)}`);
  if (calls.has(id)) return refuse('bad-option', `id: ${id} is still in use`);
  if (calls.size >= MOST_CALLS) return refuse('bad-option', `${MOST_CALLS} pictures wait already; wait for answers first`);
  const bytes = image instanceof Blob ? image.size : image instanceof ArrayBuffer ? image.byteLength : -1;
  if (bytes < 0) return refuse('bad-option', `image: want a Blob or an ArrayBuffer, got ${clip(image)}`);
  if (bytes > MOST_BYTES) return refuse('image-too-large', `image: want at most ${MOST_BYTES} bytes, got ${bytes}`);
  take(image instanceof Blob ? image : new Blob([image]), id);
}

// ---- The classifier

function load() {
  if (classifier) return classifier;
  const { model, lang } = options;
  progress = { phase: 'download', loaded: 0, total: 0 };
  const join = download();
  const made = createClassifier({ model: model || undefined, lang, onProgress: (p) => {
    if (made !== classifier) return;
    progress = join(p);
    showLoad();
    tell('progress', p);
  } });
  classifier = made;
  showLoad();
  made.then((c) => {
    if (made !== classifier) return;
    info = c.info;
    progress = null;
    showLoad();
    if (!current) announce($('load-text').textContent);
    tell('ready', info);
  }, (error) => {
    if (made !== classifier) return;
    classifier = progress = null;
    showLoad();
    fail(error);
    tell('error', plain(error), 'load');
  });
  return made;
}

// The one in use ends when what it was asked is answered.
function retire() {
  const old = classifier;
  classifier = info = null;
  Promise.allSettled(running).then(() => old?.then((c) => c.close(), () => {}));
}

function restart() {
  problem = null;
  load();
  if (current) classify(current);
  else setState('empty');
}

const plain = ({ code = 'worker-crashed', message }) => ({ code, message });

async function ask(...args) {
  const asked = load().then((c) => c.classify(...args));
  running.add(asked);
  try {
    return await asked;
  } finally {
    running.delete(asked);
  }
}

// ---- Pictures come in

/** Shows and classifies a file; of the visitor's, the one before is given up; the site's, with an id, are all answered. */
function take(file, id) {
  const url = URL.createObjectURL(file);
  const isDrawing = file.type === 'image/svg+xml';
  const drawable = isDrawing ? drawing(url) : element(url);
  drawable.catch(() => {}); // the classifier says what is wrong with it
  show({ name: file.name || t.picture, source: isDrawing ? drawable : file, drawable, url }, id);
}

function forget() {
  if (current?.url) URL.revokeObjectURL(current.url);
  current = null;
}

function show(picture, id) {
  forget();
  current = picture;
  return classify(picture, id);
}

async function classify(picture, id) {
  const own = new AbortController();
  if (id) calls.set(id, own);
  else {
    visitor?.abort();
    visitor = own;
  }
  answer = problem = null;
  setState('busy');
  $('crop').setAttribute('aria-label', t.crop(picture.name));
  preview(picture);
  try {
    const { topK, threshold, heatmap: wanted } = options;
    const r = await ask(await picture.source, { topK, threshold, heatmap: true, signal: own.signal });
    const { heatmap, ...rest } = r;
    tell('result', wanted ? r : rest, id);
    const drawn = await picture.drawable.catch(() => null);
    if (picture !== current) return;
    answer = { ...r, drawn };
    shownClass = heatmap?.index ?? -1;
    setState('result');
    showAnswer();
  } catch (error) {
    if (error.code === 'aborted') {
      if (picture !== current || !id) return;
      forget();
      setState('empty');
      return;
    }
    // A classifier that did not load has told that already; a call of the site wants its own answer.
    if (classifier || id) tell('error', plain(error), id);
    if (picture === current) fail(error);
  } finally {
    if (id) calls.delete(id);
  }
}

async function preview(picture) {
  for (const name of ['crop', 'heat']) $(name).width = $(name).height = 1;
  const image = await picture.drawable.catch(() => null);
  const box = image && middle(image);
  if (!box) return;
  await image.decode?.().catch(() => {});
  if (picture === current && !answer && !problem) drawCrop($('crop'), image, box);
}

// ---- The camera, where there is one: a phone's own, or a picture from the video

const mayFilm = () => navigator.mediaDevices?.getUserMedia && document.featurePolicy?.allowsFeature('camera') !== false;
const touch = matchMedia('(pointer: coarse)').matches;
let film = null;
let asking = null; // for the camera: another state, or another request, ends it

async function openCamera() {
  if (touch) return $('camera').click();
  const own = asking = {};
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    if (own !== asking) return end(stream);
    film = stream;
  } catch (error) {
    if (own === asking) fail({ code: 'no-camera', message: `${error.name}: ${error.message}` });
    return;
  }
  $('video').srcObject = film;
  setState('film');
  await $('video').play().catch(() => {});
  $('shoot').focus();
}

function end(stream) {
  for (const track of stream.getTracks()) track.stop();
}

function closeCamera() {
  if (film) end(film);
  $('video').srcObject = film = asking = null;
}

function shoot() {
  const { videoWidth: width, videoHeight: height } = $('video');
  if (!width) return; // no frame yet
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  canvas.getContext('2d').drawImage($('video'), 0, 0);
  closeCamera();
  show({ name: t.picture, source: canvas, drawable: Promise.resolve(canvas) });
}

// ---- States: empty, film, busy, result, problem

function setState(state) {
  if (state !== 'film') closeCamera();
  body.dataset.state = state;
  const held = document.activeElement;
  $('drop').hidden = state !== 'empty';
  $('live').hidden = state !== 'film';
  $('view').hidden = state !== 'busy' && state !== 'result';
  $('answer').hidden = state !== 'result';
  $('problem').hidden = state !== 'problem';
  // Where the focused control has gone, the focus moves to what came instead of it.
  if (held === body || !held?.closest('[hidden]')) return;
  ({ result: $('best'), problem: $('problem-title') }[state] ?? $('main')).focus({ preventScroll: true });
}

function fail({ code, message }) {
  problem = { code, message };
  setState('problem');
  showProblem();
  announce(`${$('problem-title').textContent}. ${$('problem-advice').textContent}`);
}

function showProblem() {
  const { code, message } = problem;
  const texts = { 'no-picture': t.noPicture, 'no-camera': t.noCamera, ...t.errors };
  [$('problem-title').textContent, $('problem-advice').textContent] = texts[code] ?? t.errors.other;
  $('problem-detail').textContent = message;
  $('problem').querySelector('details').hidden = !message;
  const isPicture = /^(image-.*|no-picture|no-camera)$/.test(code);
  $('retry').hidden = isPicture || code === 'embed-refused';
  $('problem-choose').hidden = !isPicture;
}

function showLoad() {
  $('load').dataset.state = info ? 'ready' : progress ? 'loading' : problem ? 'failed' : 'asleep';
  const sized = progress && progress.phase === 'download' && progress.total > 0;
  const bytes = sized ? ` · ${t.bytes(progress.loaded, progress.total)}` : '…';
  $('load-text').textContent = info ? `${t.ready(info.classes.length)} ${t.private1}` : progress ? t.loading[progress.phase] + bytes : t.private1;
  $('load-bar').hidden = !progress;
  if (sized) $('load-bar').value = progress.loaded / progress.total;
  else $('load-bar').removeAttribute('value');
  $('busy').textContent = info ? t.looking : t.waiting;
}

function showAnswer() {
  const { predictions, sure, heatmap, drawn } = answer;
  const best = predictions[0];
  $('answer').dataset.sure = sure;
  $('eyebrow').textContent = sure ? t.looksLike : t.unsure;
  $('eyebrow').hidden = !best;
  $('best').textContent = best ? heading(best.label) : t.nothing;
  $('bars').replaceChildren(...predictions.map((p, i) => bar(p, i, options.lang)));
  $('bars').classList.add('fresh');
  if (drawn) drawCrop($('crop'), drawn, heatmap?.box ?? middle(drawn));
  showHeat();
  announce(best ? t.announce(best.label, percent(best.probability, options.lang), sure) : t.nothing);
}

function announce(text) {
  $('announcer').textContent = '';
  requestAnimationFrame(() => { $('announcer').textContent = text; });
}

// ---- The heat map

const heatOn = () => $('heat-toggle').getAttribute('aria-checked') === 'true';

function showHeat() {
  const on = heatOn() && Boolean(answer.heatmap);
  $('heat').classList.toggle('on', on);
  if (answer.heatmap) drawHeat($('heat'), answer.heatmap);
  $('heat-toggle').hidden = !answer.heatmap;
  for (const b of $('bars').querySelectorAll('button')) b.setAttribute('aria-pressed', on && Number(b.dataset.index) === shownClass);
}

function setHeat(on) {
  $('heat-toggle').setAttribute('aria-checked', on);
  if (answer) showHeat();
}

// Another class needs another run; it takes milliseconds.
async function pickHeat(index) {
  if (index === shownClass) return setHeat(!heatOn());
  const shown = answer;
  try {
    const { heatmap } = await ask(await current.source, { topK: 1, heatmap: index });
    if (shown !== answer) return;
    answer.heatmap = heatmap;
    shownClass = index;
    setHeat(true);
  } catch (error) {
    if (shown === answer) fail(error);
  }
}

// ---- Controls

const choose = () => $('file').click();
for (const id of ['choose', 'another', 'problem-choose']) $(id).addEventListener('click', choose);
$('drop').addEventListener('click', (e) => e.target.closest('button') || choose());
$('photo').hidden = !touch && !mayFilm();
$('photo').addEventListener('click', openCamera);
$('shoot').addEventListener('click', shoot);
$('back').addEventListener('click', () => setState('empty'));
for (const id of ['file', 'camera']) {
  $(id).addEventListener('change', ({ target }) => {
    if (target.files[0]) take(target.files[0]);
    target.value = ''; // so that the same file can be chosen again
  });
}
$('heat-toggle').addEventListener('click', () => setHeat(!heatOn()));
$('bars').addEventListener('click', ({ target }) => {
  const button = target.closest('.bar');
  if (button) pickHeat(Number(button.dataset.index));
});
$('retry').addEventListener('click', restart);
receive((transfer) => {
  const file = pictureOf(transfer);
  if (file) return take(file);
  visitor?.abort();
  fail({ code: 'no-picture', message: '' });
});

function showLanguage() {
  const zh = options.lang.startsWith('zh');
  t = zh ? strings.zh : strings.en;
  root.lang = zh ? 'zh-Hans' : 'en';
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t[e.dataset.t];
  $('stage').setAttribute('aria-label', t.picture);
  const [before, key, after] = t.paste(/Mac|iPhone|iPad/.test(navigator.platform) ? '⌘' : 'Ctrl');
  $('paste-hint').textContent = before + key + after;
  showLoad();
  if (problem) showProblem();
}

setColours();
showLanguage();
addEventListener('message', meet);
addEventListener('pagehide', () => (film ? setState('empty') : closeCamera()));
if (parent !== window) parent.postMessage({ resnet: 'hello', version: VERSION }, '*');
