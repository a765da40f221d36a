// <resnet-classifier>: a button until it is pressed, then a frame of the embed.html that lies beside this script.
// Before that nothing else is loaded. Pictures are classified inside the frame, on the visitor's device; the page
// around it learns the answers and never sees a picture it did not give itself. README.md tells attributes, events,
// styles and policies.

import { MOST_BYTES, VERSION } from '../api/protocol.ts';
import type { Connect, FrameOptions, FromFrame, Hello, ToFrame } from '../api/protocol.ts';
import { isKind, kind } from '../lib/kind.ts';
import { unknownOption } from '../lib/options.ts';
import { messageOf } from '../lib/thrown.ts';
import type { ResnetClassifierElement as Described } from '../types/embed.d.ts';
import type { Info, Result } from '../types/resnet.d.ts';

declare const DOWNLOAD: number; // megabytes of runtime and model that a first start downloads; the build knows

const FRAME = new URL('embed.html', import.meta.url);
const MOST_HEIGHT = 10_000; // CSS pixels
const PATIENCE = 5000; // ms from the frame's load event to its first message, which it sends before that event
const STALL = 60_000; // ms until that event
const STYLES = ['accent', 'accent-ink', 'card', 'ink', 'line', 'paper', 'radius', 'soft'];
const TEXTS = {
  en: {
    title: 'What is in this picture?',
    start: `Start (${DOWNLOAD} MB, once)`,
    startOther: 'Start',
    loading: 'Loading…',
    again: 'Try again',
    isPrivate: 'Runs on your device. Your pictures never leave it.',
    failed: 'It could not be loaded.',
    page: 'Open the full page',
  },
  zh: {
    title: '图里是什么？',
    start: `点按开始（首次下载 ${DOWNLOAD} MB）`,
    startOther: '点按开始',
    loading: '正在加载…',
    again: '重试',
    isPrivate: '在你的设备上运行，图片不会离开。',
    failed: '未能加载。',
    page: '打开完整页面',
  },
};
const CSS = `
:host { display: block; max-width: 960px; }
:host([hidden]) { display: none; }
iframe { display: block; width: 100%; height: 0; border: 0; border-radius: var(--resnet-radius, 20px); }
button, a { font: 1rem/1.4 system-ui, sans-serif; color: var(--resnet-ink, inherit); }
button {
  display: grid; align-content: center; justify-items: center; gap: 10px;
  box-sizing: border-box; width: 100%; min-height: 220px;
  padding: 24px; cursor: pointer; text-align: center;
  border: 1px solid var(--resnet-line, GrayText); border-radius: var(--resnet-radius, 20px);
  background: var(--resnet-card, transparent);
}
svg { width: 44px; height: 44px; fill: var(--resnet-accent-ink, #fff); }
svg :first-child { fill: var(--resnet-accent, #0b6b52); }
path { fill: none; stroke: var(--resnet-accent-ink, #fff); stroke-width: 2.2px; stroke-linecap: round; }
i {
  padding: 10px 22px; border-radius: 99px; font-style: normal; font-weight: 600;
  background: var(--resnet-accent, #0b6b52); color: var(--resnet-accent-ink, #fff);
}
a { display: block; padding: 8px 2px; text-align: end; font-size: 0.875rem; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host(:is([theme="light"], [theme="dark"])) button {
  background: var(--resnet-card, Canvas); color: var(--resnet-ink, CanvasText);
}
button:hover, button:focus-visible { border-color: var(--resnet-accent, #0b6b52); }
:focus-visible { outline: 3px solid var(--resnet-accent, #0b6b52); outline-offset: 2px; }
button[aria-busy="true"] { cursor: progress; }
[hidden] { display: none; }
b { font-size: 1.25em; }
small { font-size: 0.875em; }
span { position: absolute; clip-path: inset(50%); }
`;

/** The mark on the button, icons/icon.svg in few words: a block and the shortcut around it. */
const MARK: [string, Record<string, string>][] = [
  ['rect', { width: '32', height: '32', rx: '8' }],
  ['path', { d: 'M12 4.5v22M12 7h4.5a6 6 0 0 1 6 6v3.5a6 6 0 0 1-6 6H15' }],
  ['rect', { x: '7.5', y: '10', width: '9', height: '7', rx: '1.8' }],
  ['circle', { cx: '12', cy: '22.5', r: '4.2' }],
];

function mark() {
  const draw = (tag: string, attributes: Record<string, string>) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const svg = draw('svg', { viewBox: '0 0 32 32', 'aria-hidden': 'true' });
  svg.append(...MARK.map(([tag, attributes]) => draw(tag, attributes)));
  return svg;
}

function failure(code: string, message: string, cause?: unknown) {
  const name = code === 'aborted' ? 'AbortError' : 'ResnetError';
  return Object.assign(new Error(`resnet: ${message}`, { cause }), { name, code });
}

type Failure = ReturnType<typeof failure>;

const moved = () => failure('embed-refused',
  'the element was moved into another document than that of its script; load embed.js there, and make one there');

/** The signal among the options of classify(), which are checked. */
function signalOf(options: { signal?: AbortSignal | null }) {
  let why;
  try {
    if (typeof options !== 'object') throw new TypeError();
    const { signal } = options; // of null it throws
    why = unknownOption(options, ['signal']);
    if (signal != null && !isKind(signal, 'AbortSignal')) why ??= `signal: want an AbortSignal, got ${kind(signal)}`;
    if (!why) return signal;
  } catch {
    why = `options: want an object, got ${kind(options)}`;
  }
  throw failure('bad-option', why);
}

/** A promise with what settles it. */
class Pending<T> {
  resolve: (value: T) => void = () => {};
  reject: (error: Failure) => void = () => {};
  readonly promise = new Promise<T>((resolve, reject) => Object.assign(this, { resolve, reject }));
}

/** What exists from the press of the button until the element leaves the document, or something fails. */
interface Session {
  frame: HTMLIFrameElement;
  end: AbortController; // removes the listeners that the session has added
  port: MessagePort | null; // to the frame, once both sides know each other
  ready: Pending<Info>; // what load() waits for
  info: Info | null; // null until ready
}

/** A call of classify() that has no answer yet. */
interface Call extends Pending<Result> {
  message: ToFrame;
}

// Outside browsers the module can be imported, but no element can be made.
const Base = globalThis.HTMLElement ?? (class {} as unknown as typeof HTMLElement);

export class ResnetClassifierElement extends Base implements Described {
  static observedAttributes = ['model', 'top-k', 'threshold', 'heatmap', 'lang', 'theme', 'style', 'class'];

  #poster = document.createElement('button');
  #title = document.createElement('b');
  #action = document.createElement('i');
  #note = document.createElement('small');
  #page = document.createElement('a'); // below the frame, which may open no windows
  #status = document.createElement('span'); // what a screen reader is told of the button
  #root = this.attachShadow({ mode: 'open' });
  #sheet = new CSSStyleSheet(); // a style element would need the page's style-src
  #session: Session | null = null;
  #calls = new Map<number, Call>();
  #serial = 0;

  constructor() {
    super();
    this.#sheet.replaceSync(CSS);
    const slot = document.createElement('slot');
    slot.append(this.#title);
    this.#poster.type = 'button';
    this.#poster.part.add('poster');
    this.#poster.append(mark(), slot, this.#action, this.#note);
    this.#poster.onclick = () => {
      if (this.#isAtHome) this.#start();
      else this.#fail(moved());
    };
    this.#status.role = 'status';
    this.#page.href = new URL('./', FRAME).href;
    this.#page.target = '_blank';
    this.#page.rel = 'noopener noreferrer';
    this.#page.part.add('page');
    this.#page.hidden = true;
    this.#root.append(this.#poster, this.#page, this.#status);
  }

  connectedCallback() {
    if (this.#isAtHome) this.#root.adoptedStyleSheets = [this.#sheet]; // again, as another document takes it away
    this.#say('start');
  }

  disconnectedCallback() {
    this.#stop(failure('closed', 'the element has left the document'));
  }

  attributeChangedCallback(name: string) {
    if (!this.#session) this.#say('start');
    this.#set();
    const session = this.#session;
    if (session?.info && (name === 'model' || name === 'lang')) {
      // Until the frame sends its info again there is none: it makes another classifier, or says the labels anew.
      session.info = null;
      session.ready = awaited();
      this.#send({ op: 'load' });
    }
  }

  /** What createClassifier's classifier says of itself; null until ready. */
  get info() {
    return this.#session?.info ?? null;
  }

  get model(): string { return this.getAttribute('model') ?? ''; }
  set model(v: string | null) { this.#reflect('model', v); }
  get topK(): number { return Number(this.getAttribute('top-k') ?? 5); }
  set topK(v: number | null) { this.#reflect('top-k', v); }
  get threshold(): number { return Number(this.getAttribute('threshold') ?? 0); }
  set threshold(v: number | null) { this.#reflect('threshold', v); }
  get heatmap() { return this.hasAttribute('heatmap'); }
  set heatmap(v) { this.toggleAttribute('heatmap', Boolean(v)); }
  get theme(): string { return this.getAttribute('theme') ?? 'auto'; }
  set theme(v: string | null) { this.#reflect('theme', v); }

  /** Does what the button does; resolves with info when the frame is ready. */
  async load() {
    this.#check();
    const session = this.#start();
    if (session.info) return session.info;
    this.#send({ op: 'load' }); // again, if it failed before
    return session.ready.promise;
  }

  /**
   * Classifies a Blob or an ArrayBuffer of an image file and shows it; resolves with what the event result has as
   * detail.
   */
  async classify(image: Blob | ArrayBuffer, options: { signal?: AbortSignal | null } = {}) {
    const signal = signalOf(options);
    const bytes = isKind(image, 'Blob', 'File') ? image.size : isKind(image, 'ArrayBuffer') ? image.byteLength : -1;
    if (bytes < 0) {
      throw failure('bad-option',
        `image: want a Blob or an ArrayBuffer of an image file, got ${kind(image)}; fetch an address first`);
    }
    if (bytes > MOST_BYTES) {
      throw failure('image-too-large', `image: want at most ${MOST_BYTES} bytes, got ${bytes}; make it smaller`);
    }
    try {
      if (isKind(image, 'ArrayBuffer')) image = new Blob([image]); // a copy, whatever becomes of the buffer
    } catch (cause) {
      throw failure('bad-option', `image: want an ArrayBuffer that can be copied: ${messageOf(cause)}`, cause);
    }
    this.#check();
    if (signal?.aborted) throw failure('aborted', 'aborted by the caller', signal.reason);
    this.#start();
    const id = ++this.#serial;
    const message: ToFrame = { op: 'classify', id, image };
    const call = Object.assign(new Pending<Result>(), { message });
    const abort = () => {
      this.#send({ op: 'cancel', id });
      this.#settle(id)?.reject(failure('aborted', 'aborted by the caller', signal?.reason));
    };
    signal?.addEventListener('abort', abort);
    try {
      this.#calls.set(id, call);
      this.#send(message);
      return await call.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #check() {
    if (!this.isConnected) throw failure('closed', 'the element is in no document; append it first');
    if (!this.#isAtHome) throw moved();
  }

  // The frame listens to the window around it alone, and what is sent comes from the window that has this script.
  get #isAtHome() {
    return this.ownerDocument === document;
  }

  #reflect(name: string, value: string | number | null) {
    if (value == null) return this.removeAttribute(name);
    try {
      this.setAttribute(name, String(value));
    } catch (cause) {
      throw failure('bad-option', `${name}: want text or a number, got ${kind(value)}`, cause);
    }
  }

  #options(): FrameOptions {
    const number = (name: string) => (this.hasAttribute(name) ? Number(this.getAttribute(name)) : undefined);
    const css = getComputedStyle(this);
    const style: Record<string, string> = {};
    for (const name of STYLES) {
      const value = css.getPropertyValue(`--resnet-${name}`).trim();
      if (value) style[name] = value;
    }
    return {
      model: this.model,
      topK: number('top-k'),
      threshold: number('threshold'),
      heatmap: this.heatmap,
      lang: this.#language(),
      theme: this.theme,
      style,
    };
  }

  // Nothing is sent before the handshake, which takes along the options and the calls that wait.
  #send(message: ToFrame) {
    this.#session?.port?.postMessage(message);
  }

  #set() {
    if (this.#session?.port) this.#send({ op: 'set', options: this.#options() });
  }

  #language() {
    return (this.closest('[lang]') ?? this.ownerDocument.documentElement).getAttribute('lang')?.replaceAll('_', '-') || 'en';
  }

  #say(state: 'start' | 'loading' | 'failed') {
    const texts = this.#language().startsWith('zh') ? TEXTS.zh : TEXTS.en;
    const start = this.model ? texts.startOther : texts.start; // what another model weighs is not known here
    this.#title.textContent = texts.title;
    this.#action.textContent = { start, loading: texts.loading, failed: texts.again }[state];
    this.#note.textContent = state === 'failed' ? texts.failed : texts.isPrivate;
    this.#page.textContent = texts.page;
    this.#status.textContent = state === 'start' ? '' : texts[state];
    this.#poster.ariaBusy = String(state === 'loading');
  }

  #start(): Session {
    if (this.#session) return this.#session;
    const frame = document.createElement('iframe');
    const end = new AbortController();
    const { signal } = end;
    const session: Session = { frame, end, port: null, ready: awaited(), info: null };
    this.#session = session;
    frame.title = this.#title.textContent ?? '';
    frame.allow = 'cross-origin-isolated; camera';
    frame.referrerPolicy = 'no-referrer';
    frame.sandbox.value = 'allow-scripts allow-same-origin'; // no pop-ups, no leaving this page, no forms, no downloads
    addEventListener('message', (e) => this.#meet(session, e), { signal });
    const unreachable = () => {
      if (this.#session !== session || session.port) return;
      this.#fail(failure('embed-unreachable',
        `${FRAME} does not answer; check the connection, that this page allows it `
        + `(frame-src ${FRAME.origin}; in a sandbox allow-same-origin) and that it allows this page`));
    };
    frame.addEventListener('load', () => setTimeout(unreachable, PATIENCE), { signal });
    setTimeout(unreachable, STALL);
    // In Firefox a frame that the page's policy forbids has no load event.
    document.addEventListener('securitypolicyviolation', (e) => {
      const forbids = e.effectiveDirective === 'frame-src' && e.disposition === 'enforce';
      if (forbids && e.blockedURI.startsWith(FRAME.origin)) unreachable();
    }, { signal });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#set(), { signal });
    frame.src = FRAME.href;
    this.#say('loading');
    this.#page.before(frame);
    return session;
  }

  // The frame says hello, and gets a port of its own. Whoever else sends messages to this page is not heard.
  #meet(session: Session, { source, origin, data }: MessageEvent<Partial<Hello> | null>) {
    const { contentWindow } = session.frame;
    if (!contentWindow || source !== contentWindow || data?.resnet !== 'hello') return;
    if (origin === 'null') {
      return this.#fail(failure('embed-refused',
        'this page is sandboxed without an origin, and so is the frame, which then '
        + 'may not load its own files; add allow-same-origin to the sandbox'));
    }
    if (origin !== FRAME.origin) return;
    if (data.version !== VERSION) {
      return this.#fail(failure('embed-refused',
        `want version ${VERSION} of the messages, the frame has ${data.version}; load this page again`));
    }
    const { port1, port2 } = new MessageChannel();
    session.port?.close(); // the frame was loaded anew
    session.port = port1;
    port1.onmessage = (e: MessageEvent<FromFrame>) => port1 === session.port && this.#hear(session, e.data);
    const connect: Connect = { resnet: 'connect', version: VERSION, options: this.#options() };
    contentWindow.postMessage(connect, FRAME.origin, [port2]);
    for (const { message } of this.#calls.values()) this.#send(message);
  }

  #hear(session: Session, message: FromFrame) {
    switch (message.event) {
      case 'size':
        session.frame.style.height = `${Math.min(message.detail, MOST_HEIGHT)}px`;
        this.#show(session);
        break;
      case 'ready':
        session.info = message.detail;
        session.ready.resolve(message.detail);
        this.#tell(message.event, message.detail);
        break;
      case 'progress':
        this.#tell(message.event, message.detail);
        break;
      case 'result':
        if (message.id !== undefined) this.#settle(message.id)?.resolve(message.detail);
        this.#tell(message.event, message.detail);
        break;
      case 'error': {
        const { id, detail: { code, message: why, ...place } } = message;
        const error = Object.assign(failure(code, why.replace(/^resnet: /, '')), place);
        if (code === 'embed-refused') return this.#fail(error);
        if (id === 'load') {
          session.ready.reject(error);
          session.ready = awaited();
        } else if (id !== undefined) this.#settle(id)?.reject(error);
        this.#tell(message.event, error);
      }
    }
  }

  // The button makes room for the frame, and hands the focus over.
  #show({ frame }: Session) {
    if (this.#poster.hidden) return;
    const focused = this.#root.activeElement === this.#poster;
    this.#poster.hidden = true;
    this.#page.hidden = false;
    this.#status.textContent = ''; // the frame speaks for itself
    if (focused) frame.focus();
  }

  #settle(id: number) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  #tell(type: FromFrame['event'], detail: unknown) {
    const up = type !== 'error'; // at the window, a bubbling error would look like one of a script
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: up, composed: up }));
  }

  #fail(error: Failure) {
    this.#stop(error);
    this.#say('failed');
    this.#tell('error', error);
  }

  #stop(error: Failure) {
    const session = this.#session;
    if (!session) return;
    this.#session = null;
    session.end.abort();
    session.port?.close();
    session.frame.remove();
    this.#poster.hidden = false;
    this.#page.hidden = true;
    session.ready.reject(error);
    for (const id of [...this.#calls.keys()]) this.#settle(id)?.reject(error);
    this.#say('start');
  }
}

// Nobody has to handle its rejection, as the event error tells of the failure, too.
function awaited() {
  const pending = new Pending<Info>();
  pending.promise.catch(() => {});
  return pending;
}

if (globalThis.customElements && !customElements.get('resnet-classifier')) {
  customElements.define('resnet-classifier', ResnetClassifierElement);
}
