// Live: the camera, or a video file, and what is in it while it runs.
//
// One frame is under way at a time, and the newest is the next: where the network is slower than the video it leaves
// frames out, and never lags behind. The network sees frames as the camera gives them; the mirror is for the visitor's
// eyes alone. The camera is on only while its picture is on show, and goes on by the visitor's wish alone.

import type { PartsTexts } from '../../lib/strings/en.ts';
import type { Heatmap, Info, Prediction, Result } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import { shared } from '../app/groups.ts';
import { languageOf } from '../app/language.ts';
import { problemOf } from '../app/session.ts';
import { labelOf } from '../app/state.ts';
import type { Live, State } from '../app/state.ts';
import { heading } from '../parts/answer.ts';
import { icon, make } from '../parts/dom.ts';
import { drawHeat } from '../parts/draw.ts';
import { context, fromCanvas } from '../parts/picture.ts';
import type { Box } from '../parts/picture.ts';
import { cameraProblem, endStream } from '../parts/stream.ts';
import type { LiveTexts } from './live.en.ts';
import { follow, mixed, places, weight } from './smooth.ts';
import type { Smoothed } from './smooth.ts';

const BARS = 5;
const LEAST = 0.5; // probability of a class that a frame may be said to look like, as for pictures
const PERIOD = 125; // ms between two changes of numbers: more often they cannot be read
const CALM = 500; // ms between two changes of anything, for visitors who prefer less motion
const SPOKEN = 2500; // ms between two headlines that screen readers are told

const MOST = 200; // classes that are asked for: those beyond are too rare to count, and cost in large models

// Far more pixels than the network sees, so that a frozen frame can be zoomed; more would only cost time.
const WANTED: MediaTrackConstraints = { width: { ideal: 960 }, height: { ideal: 720 }, frameRate: { ideal: 60 } };

let chosen = ''; // the camera that the visitor has chosen on this visit
let flipped: boolean | null = null; // and whether its picture is mirrored, if the visitor has said so
const times = new WeakMap<File, number>(); // where videos were left, in seconds

/** A frame's answer. */
interface Seen {
  result: Result;
  info: Info;
  begun: number;
}

/** Mounts into element what is seen, and into answer what it is. */
export function mount(element: HTMLElement, answer: HTMLElement, app: App, t: PartsTexts & LiveTexts): Unmount {
  const { store, session, announce } = app;
  const button = (id: string, kind: string, text: string) => make('button', { type: 'button', class: kind, id }, text);
  const video = make('video', { id: 'live-video', playsinline: true, disablepictureinpicture: true });
  video.muted = true;
  const heat = make('canvas', { id: 'live-heat', class: 'heat', 'aria-hidden': 'true' });
  const square = make('div', { class: 'live-square' }, heat);
  const picture = make('div', { class: 'live-picture' }, video, square);
  const why = make('p', { id: 'live-why', tabindex: -1 });
  const resume = button('live-resume', 'primary', t.resume);
  const leave = button('live-leave', 'secondary', t.back);
  const held = make('div', { class: 'live-held', id: 'live-held' }, why, make('div', { class: 'buttons' }, resume, leave));
  const rate = make('p', { class: 'live-rate', id: 'live-rate' });
  const freeze = button('live-freeze', 'primary', t.freeze);
  const stop = button('live-stop', 'secondary', t.stop);
  const heatSwitch = make('button', { type: 'button', class: 'switch', id: 'live-heat-toggle', role: 'switch' },
    make('i', { 'aria-hidden': 'true' }), make('span', {}, t.heat));
  const cameras = make('select', { id: 'live-cameras', 'aria-label': t.camera, hidden: true });
  const mirror = make('button', { type: 'button', class: 'icon', id: 'live-mirror', 'aria-label': t.mirror, title: t.mirror },
    icon(20, 20, ['path', { d: 'M10 3v14M7 6v8l-4-4zM13 6v8l4-4z' }]));
  const play = make('button', { type: 'button', class: 'icon', id: 'live-play' });
  const seek = make('input', { type: 'range', id: 'live-seek', min: 0, max: 1, step: 'any', 'aria-label': t.seek });
  const film = make('div', { class: 'live-film' }, play, seek);
  const tools = make('div', { class: 'live-tools' }, heatSwitch, cameras, mirror);
  element.replaceChildren(
    make('div', { class: 'live-frame' }, picture, held), film, tools, rate,
    make('div', { class: 'live-bar', id: 'live-bar' }, freeze, stop),
  );
  const eyebrow = make('p', { class: 'eyebrow', id: 'live-eyebrow' });
  const best = make('h2', { id: 'live-best', dir: 'auto' });
  const bars = make('ol', { class: 'bars', id: 'live-bars' });
  answer.replaceChildren(eyebrow, best, bars);

  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let end: AbortController | null = null; // ends what runs
  let file: File | null = null;
  let smoothed: Smoothed | null = null;
  let map: Heatmap | null = null; // the heat map, averaged
  let box: Box | null = null; // what the network sees of a frame; null until it has said so
  let shown: number[] = []; // classes of the bars
  let [drawnAt, writtenAt, ratedAt] = [0, 0, 0];
  let [said, saidAt] = ['', -SPOKEN];
  let isWanted = false; // a frame is to be frozen
  let again = () => {}; // looks at the same frame once more
  let frames: { at: number; whole: number; network: number }[] = []; // of the last second

  const place = () => {
    const { videoWidth: width, videoHeight: height } = video;
    square.hidden = !width;
    if (!width) return;
    picture.style.setProperty('--ratio', String(width / height));
    const side = Math.min(width, height);
    const its = box ?? { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
    for (const [name, part] of [['left', its.x / width], ['width', its.width / width],
      ['top', its.y / height], ['height', its.height / height]] as const) {
      square.style.setProperty(name, `${100 * part}%`);
    }
  };

  // What the answers so far come to.
  const write = (info: Info, lang: string, now: number) => {
    if (!smoothed) return;
    const { mean, head, isSure } = smoothed;
    const label = (index: number) => labelOf(info.classes[index], info, lang);
    const isNew = shown[0] !== head;
    const before = shown;
    shown = places(shown, smoothed, Math.min(BARS, mean.length));
    const predictions: Prediction[] = shown.map((i) => ({ ...info.classes[i], probability: mean[i] }));
    if (bars.childElementCount !== shown.length) bars.replaceChildren(...shown.map(row));
    const rows = [...bars.children];
    shown.forEach((index, i) => {
      if (!(rows[i] instanceof HTMLElement)) return;
      rows[i].style.setProperty('--p', String(mean[index]));
      if (index !== before[i]) rows[i].querySelector('.bar-label')?.replaceChildren(heading(label(index)));
    });
    if (!isNew && now - writtenAt < PERIOD) return;
    writtenAt = now;
    shown.forEach((index, i) => {
      const percent = mean[index].toLocaleString(lang, { style: 'percent', maximumFractionDigits: 0 });
      rows[i].querySelector('.bar-value')?.replaceChildren(percent);
    });
    const kind = isSure || info.multiLabel ? null : shared([...predictions].sort((a, b) => b.probability - a.probability));
    const one = kind?.one?.[languageOf(lang)];
    answer.dataset.sure = isSure ? 'true' : one ? 'kind' : 'false';
    set(eyebrow, isSure ? info.multiLabel ? t.contains : t.looksLike : one ? t.kind(one) : t.unsure);
    set(best, heading(label(head)));
    const spoken = `${eyebrow.textContent} ${label(head)}`;
    if (spoken === said || now - saidAt < SPOKEN) return;
    [said, saidAt] = [spoken, now];
    announce(`${spoken}.`);
  };

  const measure = ({ result: { timings }, begun }: Seen, lang: string, now: number) => {
    frames = frames.filter(({ at }) => at > now - 1000);
    frames.push({ at: now, whole: now - begun, network: timings.inference });
    if (now - ratedAt < CALM) return;
    ratedAt = now;
    const seconds = (now - frames[0].at) / 1000;
    if (frames.length < 3 || !seconds) return;
    const middle = (of: 'whole' | 'network') => frames.map((f) => f[of]).sort((a, b) => a - b)[frames.length >> 1];
    const short = (x: number) => x.toLocaleString(lang, { maximumSignificantDigits: 2 });
    set(rate, t.rate(String(Math.round((frames.length - 1) / seconds)), short(middle('whole')), short(middle('network'))));
  };

  const take = (seen: Seen) => {
    const { result: { predictions, sure, heatmap }, info } = seen;
    const { lang, heat: isHot } = store.state;
    const now = performance.now();
    const all = new Float32Array(info.classes.length);
    for (const { index, probability } of predictions) all[index] = probability;
    const isSure = sure && predictions.length > 0 && predictions[0].probability >= LEAST;
    const before = smoothed;
    smoothed = follow(before, all, isSure, seen.begun);
    measure(seen, lang, now);
    if (heatmap && !box) {
      box = heatmap.box;
      place();
    }
    if (heatmap && isHot) {
      const isSame = map && before && before.head === smoothed.head && map.index === heatmap.index;
      const data = isSame && map ? mixed(map.data, heatmap.data, weight(seen.begun - before.time)) : heatmap.data;
      map = { ...heatmap, data };
    }
    if (calm.matches && now - drawnAt < CALM) return;
    drawnAt = now;
    if (map && isHot) drawHeat(heat, map);
    heat.classList.toggle('on', isHot && map !== null);
    write(info, lang, now);
  };

  // Classifies frames as they come, until signal ends it.
  const run = (signal: AbortSignal) => {
    let isFresh = false; // a frame is on show that the network has not seen
    let isLooking = false;
    let last = -1;
    const look = async () => {
      if (isLooking) return;
      isLooking = true;
      try {
        while (isFresh && !signal.aborted) {
          isFresh = false;
          const seen = await session.ask(async (c): Promise<Seen | null> => {
            const begun = performance.now();
            if (video.readyState < 2 || signal.aborted) return null;
            const heatmap = store.state.heat ? smoothed?.head ?? true : !box;
            // The element, not a VideoFrame: videos of phones are turned, and it is a fifth faster in Chromium.
            const result = await c.classify(video, { topK: MOST, heatmap, signal });
            return { result, info: c.info, begun };
          });
          if (seen && !signal.aborted) take(seen);
        }
      } catch (error) {
        const problem = problemOf(error);
        if (!signal.aborted && problem.code !== 'aborted') session.fail(problem, null);
      } finally {
        isLooking = false;
      }
    };
    const next = () => {
      if (signal.aborted) return;
      // Some browsers do not tell of each frame, but of each time that the screen is drawn.
      freezeNow();
      const isNew = hasFrames || video.currentTime !== last;
      last = video.currentTime;
      if (isNew) {
        isFresh = true;
        void look();
      }
      wait();
    };
    const hasFrames = typeof video.requestVideoFrameCallback === 'function';
    const wait = () => (hasFrames ? video.requestVideoFrameCallback(next) : requestAnimationFrame(next));
    again = () => {
      isFresh = true;
      void look();
    };
    wait();
  };

  const close = () => {
    end?.abort();
    end = null;
    again = () => {};
    isWanted = false;
    if (file && video.currentTime) times.set(file, video.currentTime);
    if (video.srcObject instanceof MediaStream) endStream(video.srcObject);
    video.srcObject = null;
    if (video.src) URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    file = smoothed = map = box = null;
    shown = [];
    frames = [];
    said = '';
    for (const e of [eyebrow, best, bars, rate]) e.replaceChildren();
    heat.classList.remove('on');
    heat.width = heat.height = 1;
  };

  const open = async (its: File | null) => {
    close();
    const { signal } = end = new AbortController();
    file = its;
    answer.dataset.sure = 'true';
    set(eyebrow, store.state.model.state === 'ready' ? t.looking : t.waiting);
    film.hidden = !its;
    video.setAttribute('aria-label', its ? its.name : t.view);
    mirror.hidden = cameras.hidden = true;
    picture.classList.remove('mirrored');
    square.hidden = true;
    if (its) video.src = URL.createObjectURL(its);
    else {
      try {
        const stream = await camera();
        if (signal.aborted) return endStream(stream);
        video.srcObject = stream;
        await follows(stream);
      } catch (error) {
        if (!signal.aborted) session.fail(cameraProblem(error), null);
        return;
      }
    }
    video.loop = its !== null;
    if (signal.aborted) return;
    run(signal);
    await video.play().catch(() => {}); // some browsers want a press of the button; what is no video has an event
  };

  // Makes a result of the frame on show; while a camera starts, or a video is wound, of the next.
  const freezeNow = () => {
    const { videoWidth: width, videoHeight: height } = video;
    if (!isWanted || !width || video.readyState < 2 || video.seeking) return;
    isWanted = false;
    const canvas = make('canvas', { width, height });
    context(canvas).drawImage(video, 0, 0, width, height);
    void session.look({ ...fromCanvas(canvas), name: file?.name ?? '', live: { state: 'live', file, held: null } });
  };

  // Shows what there is to choose about a camera, and listens for its end.
  const follows = async (stream: MediaStream) => {
    const [track] = stream.getVideoTracks();
    const { facingMode, deviceId } = track.getSettings();
    track.addEventListener('ended', () => { // unplugged, or taken back by the visitor
      if (video.srcObject === stream) session.hold('ended');
    });
    mirror.hidden = false;
    // The camera of a desktop looks at its owner, and says nothing of it.
    turn(flipped ?? facingMode !== 'environment');
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const all = devices.filter(({ kind }) => kind === 'videoinput');
    cameras.replaceChildren(...all.map(({ deviceId: value, label }, i) => make('option',
      { value, selected: value === deviceId }, label || t.cameraName(i + 1))));
    cameras.hidden = all.length < 2;
  };
  const turn = (on: boolean) => {
    picture.classList.toggle('mirrored', on);
    mirror.setAttribute('aria-pressed', String(on));
  };
  const showPlay = () => {
    const isRunning = !video.paused;
    play.replaceChildren(icon(20, 20, ['path', { d: isRunning ? 'M7 4v12M13 4v12' : 'M6 4l10 6-10 6z' }]));
    play.setAttribute('aria-label', isRunning ? t.pause : t.play);
    play.title = isRunning ? t.pause : t.play;
  };

  freeze.addEventListener('click', () => {
    isWanted = true;
    freezeNow();
  });
  stop.addEventListener('click', () => session.home());
  leave.addEventListener('click', () => session.home());
  resume.addEventListener('click', () => {
    const { show } = store.state;
    if (show.state === 'live') store.set({ show: { ...show, held: null } });
  });
  heatSwitch.addEventListener('click', () => store.set({ heat: !store.state.heat }));
  cameras.addEventListener('change', () => {
    chosen = cameras.value;
    flipped = null;
    void open(null);
  });
  mirror.addEventListener('click', () => {
    flipped = !picture.classList.contains('mirrored');
    turn(flipped);
  });
  play.addEventListener('click', () => {
    if (video.paused) void video.play().catch(() => {});
    else video.pause();
  });
  seek.addEventListener('input', () => { video.currentTime = Number(seek.value) * video.duration; });
  const on = (type: string, act: () => void) => video.addEventListener(type, act);
  on('play', showPlay);
  on('pause', () => {
    showPlay();
    frames = [];
    rate.replaceChildren();
  });
  on('seeked', freezeNow);
  on('timeupdate', () => {
    if (file && video.duration) seek.value = String(video.currentTime / video.duration);
  });
  on('durationchange', () => { seek.disabled = !Number.isFinite(video.duration); }); // unknown for some recordings
  on('loadedmetadata', () => {
    if (file && !video.videoWidth) return unplayable('it has sound alone');
    if (file) video.currentTime = times.get(file) ?? 0;
  });
  on('resize', () => { // the first size, a camera that is turned, another one
    box = null;
    place();
  });
  on('error', () => file && unplayable(video.error?.message ?? ''));
  const unplayable = (message: string) => session.fail({ code: 'no-video', message }, null);

  const end_ = new AbortController();
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) session.hold('hidden');
  }, { signal: end_.signal });
  addEventListener('pagehide', () => session.hold('hidden'), { signal: end_.signal });

  const render = ({ show, heat: isHot }: State, before?: State) => {
    heatSwitch.setAttribute('aria-checked', String(isHot));
    if (!isHot) {
      heat.classList.remove('on');
      map = null;
    } else if (!before?.heat) again(); // a video that is paused has no other frame
    if (show === before?.show) return;
    if (show.state !== 'live') return end && close();
    held.hidden = !show.held;
    for (const e of [picture, film, rate, tools, freeze, stop, answer]) e.hidden = show.held !== null;
    if (show.held) {
      close();
      set(why, whyHeld(show, t));
      announce(why.textContent ?? '');
      if (!document.hidden) resume.focus({ preventScroll: true });
    } else {
      void open(show.file);
      freeze.focus({ preventScroll: true });
    }
  };
  showPlay();
  render(store.state);
  const unsubscribe = store.subscribe(render);
  return () => {
    unsubscribe();
    end_.abort();
    close();
  };
}

// The camera that was chosen, if it is still there.
async function camera(): Promise<MediaStream> {
  const { mediaDevices } = navigator;
  if (chosen) {
    try {
      return await mediaDevices.getUserMedia({ video: { ...WANTED, deviceId: { exact: chosen } } });
    } catch (error) {
      const isGone = error instanceof Error && /^(Overconstrained|NotFound)Error$/.test(error.name);
      if (!isGone) throw error;
      chosen = '';
    }
  }
  return mediaDevices.getUserMedia({ video: { ...WANTED, facingMode: 'environment' } });
}

const whyHeld = ({ held, file }: Live, t: LiveTexts) => (held === 'hidden' ? t.hidden
  : held === 'ended' ? t.ended
  : file ? t.leftFile : t.left);

function row() {
  return make('li', {}, make('div', { class: 'bar' },
    make('span', { class: 'bar-label', dir: 'auto' }), make('span', { class: 'bar-value' }),
    make('span', { class: 'track' }, make('span', { class: 'fill' }))));
}

// Writes a text only where it is another: screen readers and the layout then rest.
function set(e: HTMLElement, text: string) {
  if (e.textContent !== text) e.textContent = text;
}
