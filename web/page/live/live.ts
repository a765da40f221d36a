// Live: the camera, or a video file, and what is in it while it runs.
//
// One frame is under way at a time, and the newest is the next: where the network is slower than the video it leaves
// frames out, and never lags behind. (A second one on its way was no faster in Chromium or Firefox.) The network sees
// frames as the camera gives them; the mirror is for the visitor's eyes alone. The camera is on only while its picture
// is on show, and goes on by the visitor's wish alone.

import type { PartsTexts } from '../../lib/strings/en.ts';
import type { Heatmap } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import { problemOf } from '../app/session.ts';
import type { Live, State } from '../app/state.ts';
import { icon, make } from '../parts/dom.ts';
import { drawHeat } from '../parts/draw.ts';
import { context, fromCanvas } from '../parts/picture.ts';
import type { Box } from '../parts/picture.ts';
import { cameraProblem, endStream } from '../parts/stream.ts';
import { eachFrame } from './frames.ts';
import type { LiveTexts } from './live.en.ts';
import { counter } from './rate.ts';
import { mixed, weight } from './smooth.ts';
import { mountVerdict } from './verdict.ts';

const CALM = 500; // ms between two changes of what is shown, for visitors who prefer less motion
const ROOM = 240; // px below the picture for the tools, the headline and the buttons of a phone
const MOST = 200; // classes that are asked for: those beyond are too rare to count, and cost in large models

// Far more pixels than the network sees, so that a frozen frame can be zoomed; more would only cost time.
const WANTED: MediaTrackConstraints = { width: { ideal: 960 }, height: { ideal: 720 }, frameRate: { ideal: 60 } };

let chosen = ''; // the camera that the visitor has chosen on this visit
let flipped: boolean | null = null; // and whether its picture is mirrored, if the visitor has said so
const times = new WeakMap<File, number>(); // where videos were left, in seconds

/** Mounts into element what is seen, and into answer what it is. */
export function mount(element: HTMLElement, answer: HTMLElement, app: App, t: PartsTexts & LiveTexts): Unmount {
  const { store, session, announce } = app;
  const button = (id: string, kind: string, text = '') => make('button', { type: 'button', class: kind, id }, text);
  const video = make('video', { id: 'live-video', playsinline: true, disablepictureinpicture: true });
  video.muted = true;
  const heat = make('canvas', { id: 'live-heat', class: 'heat', 'aria-hidden': 'true' });
  const square = make('div', { class: 'live-square' }, heat);
  const picture = make('div', { class: 'live-picture' }, video, square);
  const why = make('p', { id: 'live-why' });
  const resume = button('live-resume', 'primary', t.resume);
  const leave = button('live-leave', 'secondary', t.back);
  const held = make('div', { class: 'live-held', id: 'live-held' },
    why, make('div', { class: 'buttons' }, resume, leave));
  const play = button('live-play', 'icon');
  const seek = make('input', { type: 'range', id: 'live-seek', min: 0, max: 1, step: 'any', 'aria-label': t.seek });
  const film = make('div', { class: 'live-film' }, play, seek);
  const heatSwitch = make('button', { type: 'button', class: 'switch', id: 'live-heat-toggle', role: 'switch' },
    make('i', { 'aria-hidden': 'true' }), make('span', {}, t.heat));
  const cameras = make('select', { id: 'live-cameras', 'aria-label': t.camera, hidden: true });
  const mirror = button('live-mirror', 'icon');
  mirror.append(icon(20, 20, ['path', { d: 'M10 3v14M7 6v8l-4-4zM13 6v8l4-4z' }]));
  name(mirror, t.mirror);
  const tools = make('div', { class: 'live-tools' }, heatSwitch, cameras, mirror);
  const rate = make('p', { class: 'live-rate', id: 'live-rate' });
  const freeze = button('live-freeze', 'primary', t.freeze);
  const stop = button('live-stop', 'secondary', t.stop);
  const bar = make('div', { class: 'live-bar' }, freeze, stop);
  const frame = make('div', { class: 'live-frame' }, picture, held);
  element.replaceChildren(frame, film, tools, rate, bar);
  const verdict = mountVerdict(answer, app, t);
  const calm = matchMedia('(prefers-reduced-motion: reduce)');

  let end: AbortController | null = null; // ends what runs
  let again = () => {}; // has the same frame classified once more
  let file: File | null = null;
  let box: Box | null = null; // what the network sees of a frame; null until it has said so
  let isWanted = false; // a frame is to be frozen

  const place = () => {
    const { videoWidth: width, videoHeight: height } = video;
    square.hidden = !width;
    if (!width) return;
    picture.style.setProperty('--ratio', String(width / height));
    const side = Math.min(width, height);
    const { x, y, ...its } = box ?? { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
    const percent = (part: number, of: number) => `${100 * part / of}%`;
    square.style.left = percent(x, width);
    square.style.top = percent(y, height);
    square.style.width = percent(its.width, width);
    square.style.height = percent(its.height, height);
  };

  // Classifies frames as they come, until signal ends it.
  const run = (signal: AbortSignal) => {
    let map: Heatmap | null = null; // averaged as the answers are
    let head: number | null = null; // class of the headline
    let [seenAt, drawnAt] = [0, 0];
    const count = counter();
    const tenths = (ms: number) => ms.toLocaleString(store.state.lang, { maximumSignificantDigits: 2 });
    const look = async () => {
      try {
        const { result, info, begun } = await session.ask(async (c) => {
          const begun = performance.now();
          const heatmap = store.state.heat ? head ?? true : !box;
          // The element, not a VideoFrame: videos of phones are turned, and it is a fifth faster in Chromium.
          return { result: await c.classify(video, { topK: MOST, heatmap, signal }), info: c.info, begun };
        });
        if (signal.aborted) return;
        const now = performance.now();
        const { heatmap } = result;
        const isHot = store.state.heat;
        const smoothed = verdict.take(result, info, begun);
        const isSame = map && head === smoothed.head && map.index === heatmap?.index;
        head = smoothed.head;
        if (!isHot || !heatmap) map = null;
        else if (!isSame || !map) map = heatmap;
        else map = { ...heatmap, data: mixed(map.data, heatmap.data, weight(begun - seenAt)) };
        seenAt = begun;
        if (heatmap && !box) {
          box = heatmap.box;
          place();
        }
        const told = count(now, now - begun, result.timings.inference);
        if (told && !video.paused) {
          rate.textContent = t.rate(String(Math.round(told.frames)), tenths(told.whole), tenths(told.network));
        }
        if (calm.matches && now - drawnAt < CALM) return;
        drawnAt = now;
        if (map) drawHeat(heat, map);
        heat.classList.toggle('on', map !== null);
        verdict.write(info);
      } catch (error) {
        const problem = problemOf(error);
        if (!signal.aborted && problem.code !== 'aborted') session.fail(problem, null);
      }
    };
    again = eachFrame(video, look, signal);
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
    file = box = null;
    verdict.clear('');
    rate.textContent = '';
    heat.classList.remove('on');
    heat.width = heat.height = 1;
  };

  const open = async (its: File | null) => {
    close();
    const { signal } = end = new AbortController();
    file = its;
    const model = () => (store.state.model.state === 'ready' ? t.looking : t.waiting);
    verdict.clear(its ? model() : t.asking);
    video.setAttribute('aria-label', its ? its.name : t.view);
    film.hidden = !its;
    square.hidden = mirror.hidden = cameras.hidden = true;
    picture.classList.remove('mirrored');
    video.loop = its !== null;
    if (its) video.src = URL.createObjectURL(its);
    else {
      try {
        const stream = await camera();
        if (signal.aborted) return endStream(stream);
        video.srcObject = stream;
        verdict.clear(model());
        void describe(stream);
      } catch (error) {
        if (!signal.aborted) session.fail(cameraProblem(error), null);
        return;
      }
    }
    run(signal);
    await video.play().catch(() => {}); // some browsers want a press of the button; of what is no video an event tells
  };

  // Shows what there is to choose about a camera, and listens for its end.
  const describe = async (stream: MediaStream) => {
    const [track] = stream.getVideoTracks();
    const { facingMode, deviceId } = track.getSettings();
    track.addEventListener('ended', () => { // unplugged, or taken back by the visitor
      if (video.srcObject === stream) session.hold('ended');
    });
    mirror.hidden = false;
    turn(flipped ?? facingMode !== 'environment'); // the camera of a desktop looks at its owner without saying so
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    if (video.srcObject !== stream) return;
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
    play.replaceChildren(icon(20, 20, ['path', { d: video.paused ? 'M6 4l10 6-10 6z' : 'M7 4v12M13 4v12' }]));
    name(play, video.paused ? t.play : t.pause);
  };

  // Makes a result of the frame on show; while a camera starts, or a video is wound, of the next.
  const freezeNow = () => {
    const { videoWidth: width, videoHeight: height } = video;
    if (!isWanted || !width || video.readyState < video.HAVE_CURRENT_DATA || video.seeking) return;
    const canvas = make('canvas', { width, height });
    context(canvas).drawImage(video, 0, 0, width, height);
    void session.look({ ...fromCanvas(canvas), name: file?.name ?? '', live: { state: 'live', file, held: null } });
  };

  freeze.addEventListener('click', () => {
    isWanted = true;
    freezeNow();
  });
  for (const b of [stop, leave]) b.addEventListener('click', () => session.home());
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
  mirror.addEventListener('click', () => turn(flipped = !picture.classList.contains('mirrored')));
  play.addEventListener('click', () => {
    if (video.paused) void video.play().catch(() => {});
    else video.pause();
  });
  seek.addEventListener('input', () => { video.currentTime = Number(seek.value) * video.duration; });

  const on = (type: string, act: () => void) => video.addEventListener(type, act);
  const unplayable = (message: string) => session.fail({ code: 'no-video', message }, null);
  on('error', () => file && unplayable(video.error?.message ?? ''));
  on('loadedmetadata', () => {
    if (file && !video.videoWidth) return unplayable('it has sound alone');
    if (file) video.currentTime = times.get(file) ?? 0;
  });
  for (const type of ['loadeddata', 'seeked']) on(type, freezeNow);
  on('resize', () => { // the first size, a phone that is turned, another camera
    box = null;
    place();
    // On a small phone the headline lies below what is to be seen, unless the page is scrolled.
    const { top, bottom } = frame.getBoundingClientRect();
    if (top < 0 || bottom + ROOM > innerHeight) frame.scrollIntoView();
  });
  on('durationchange', () => { seek.disabled = !Number.isFinite(video.duration); }); // some recordings do not tell it
  on('timeupdate', () => {
    if (file && video.duration) seek.value = String(video.currentTime / video.duration);
  });
  on('play', showPlay);
  on('pause', () => {
    showPlay();
    rate.textContent = '';
  });

  const listening = new AbortController();
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) session.hold('hidden');
  }, listening);
  addEventListener('pagehide', () => session.hold('hidden'), listening);

  const render = ({ show, heat: isHot }: State, before?: State) => {
    heatSwitch.setAttribute('aria-checked', String(isHot));
    if (!isHot) heat.classList.remove('on');
    else if (!before?.heat) again(); // a video that is paused has no other frame
    if (show === before?.show) return;
    if (show.state !== 'live') return end && close();
    held.hidden = !show.held;
    for (const e of [picture, film, tools, rate, bar, answer]) e.hidden = show.held !== null;
    if (show.held) {
      close();
      why.textContent = whyHeld(show, t);
      announce(why.textContent);
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
    listening.abort();
    close();
  };
}

/** Opens the camera that was chosen, if it is still there. */
async function camera(): Promise<MediaStream> {
  const { mediaDevices } = navigator;
  const open = (which: MediaTrackConstraints) => mediaDevices.getUserMedia({ video: { ...WANTED, ...which } });
  if (chosen) {
    try {
      return await open({ deviceId: { exact: chosen } });
    } catch (error) {
      const isGone = error instanceof Error && /^(Overconstrained|NotFound)Error$/.test(error.name);
      if (!isGone) throw error;
      chosen = '';
    }
  }
  return open({ facingMode: 'environment' });
}

const whyHeld = ({ held, file }: Live, t: LiveTexts) => (held === 'hidden' ? t.hidden
  : held === 'ended' ? t.ended
  : file ? t.leftFile : t.left);

function name(button: HTMLElement, text: string) {
  button.setAttribute('aria-label', text);
  button.title = text;
}
