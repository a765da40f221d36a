// <resnet-classifier>: a button until it is pressed, then a frame of the embed.html that lies beside this script. Before that
// nothing else is loaded. Pictures are classified inside the frame, on the visitor's device; the page around it learns the
// answers and never sees a picture it did not give itself. README.md tells attributes, events, styles and policies.

const VERSION = 1; // of the messages, the same as in embed-page.js
const FRAME = new URL('embed.html', import.meta.url);
const MOST_BYTES = 64 << 20; // of one picture
const MOST_HEIGHT = 10_000; // CSS pixels
const PATIENCE = 5000; // ms from the frame's load event to its first message, which it sends before that event
const STALL = 60_000; // ms until that event
const STYLES = ['accent', 'accent-ink', 'card', 'ink', 'line', 'paper', 'radius', 'soft'];
const TEXTS = {
  en: ['What is in this picture?', 'Press to start. Pictures stay on your device.', 'Loading…', 'It could not be loaded. Press to try again.'],
  zh: ['图里是什么？', '点按开始，图片不会离开你的设备。', '正在加载…', '未能加载，点按重试。'],
};
const CSS = `
:host { display: block; max-width: 960px; }
:host([hidden]) { display: none; }
iframe { display: block; width: 100%; height: 0; border: 0; border-radius: var(--resnet-radius, 20px); }
button {
  display: grid; align-content: center; justify-items: center; gap: 6px; box-sizing: border-box; width: 100%; min-height: 180px;
  padding: 24px; cursor: pointer; text-align: center; font: 16px/1.4 system-ui, sans-serif;
  border: 2px dashed var(--resnet-line, GrayText); border-radius: var(--resnet-radius, 20px);
  background: var(--resnet-card, transparent); color: var(--resnet-ink, inherit);
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host(:is([theme="light"], [theme="dark"])) button { background: var(--resnet-card, Canvas); color: var(--resnet-ink, CanvasText); }
button:hover, button:focus-visible { border-color: var(--resnet-accent, #0b8a68); }
button:focus-visible { outline: 3px solid var(--resnet-accent, #0b8a68); outline-offset: 2px; }
button[aria-busy="true"] { cursor: progress; }
button[hidden] { display: none; }
b { font-size: 1.25em; }
small { font-size: 0.9em; opacity: 0.8; }
span { position: absolute; clip-path: inset(50%); }
`;

function failure(code, message, cause) {
  const name = code === 'aborted' ? 'AbortError' : 'ResnetError';
  return Object.assign(new Error(`resnet: ${message}`, { cause }), { name, code });
}

export class ResnetClassifierElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ['model', 'top-k', 'threshold', 'heatmap', 'lang', 'theme', 'style', 'class'];

  #poster = document.createElement('button');
  #title = document.createElement('b');
  #note = document.createElement('small');
  #status = document.createElement('span'); // what a screen reader is told of the button
  #frame = null; // there from the press of the button until the element leaves the document, or something fails
  #port = null; // to the frame, once both sides know each other
  #end = null; // ends what the frame has made listen
  #ready = null; // { promise, resolve, reject } of load()
  #calls = new Map(); // that have no answer yet: id → { message, resolve, reject }
  #serial = 0;
  #info = null;

  constructor() {
    super();
    const sheet = new CSSStyleSheet(); // a style element would need the page's style-src
    sheet.replaceSync(CSS);
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    const slot = document.createElement('slot');
    slot.append(this.#title);
    this.#poster.type = 'button';
    this.#poster.part = 'poster';
    this.#poster.append(slot, this.#note);
    this.#poster.onclick = () => this.#start();
    this.#status.role = 'status';
    root.append(this.#poster, this.#status);
  }

  connectedCallback() {
    this.#say(1);
  }

  disconnectedCallback() {
    this.#stop(failure('closed', 'the element has left the document'));
  }

  attributeChangedCallback(name) {
    if (!this.#frame) this.#say(1);
    this.#set();
    if (this.#info && (name === 'model' || name === 'lang')) {
      this.#info = null; // until the frame says it again: another classifier is made, unless nothing has changed for it
      this.#await();
      this.#port.postMessage({ op: 'load' });
    }
  }

  /** What createClassifier's classifier says of itself; null until ready. */
  get info() {
    return this.#info;
  }

  get model() { return this.getAttribute('model') ?? ''; }
  set model(v) { this.#reflect('model', v); }
  get topK() { return Number(this.getAttribute('top-k') ?? 5); }
  set topK(v) { this.#reflect('top-k', v); }
  get threshold() { return Number(this.getAttribute('threshold') ?? 0); }
  set threshold(v) { this.#reflect('threshold', v); }
  get heatmap() { return this.hasAttribute('heatmap'); }
  set heatmap(v) { this.toggleAttribute('heatmap', Boolean(v)); }
  get theme() { return this.getAttribute('theme') ?? 'auto'; }
  set theme(v) { this.#reflect('theme', v); }

  /** Does what the button does; resolves with info when the frame is ready. */
  async load() {
    if (!this.isConnected) throw failure('closed', 'the element is in no document; append it first');
    this.#start();
    if (this.#info) return this.#info;
    this.#port?.postMessage({ op: 'load' }); // again, if it failed before
    return this.#ready.promise;
  }

  /** Classifies a Blob or an ArrayBuffer of an image file and shows it; resolves with what the event result has as detail. */
  async classify(image, { signal } = {}) {
    const bytes = image instanceof Blob ? image.size : image instanceof ArrayBuffer ? image.byteLength : -1;
    if (bytes < 0) throw failure('bad-option', 'image: want a Blob or an ArrayBuffer of an image file; fetch an address first');
    if (image instanceof ArrayBuffer) image = new Blob([image]); // of its own, whatever becomes of the buffer
    if (bytes > MOST_BYTES) throw failure('image-too-large', `image: want at most ${MOST_BYTES} bytes, got ${bytes}; make it smaller`);
    if (!this.isConnected) throw failure('closed', 'the element is in no document; append it first');
    if (signal?.aborted) throw failure('aborted', 'aborted by the caller', signal.reason);
    this.#start();
    const message = { op: 'classify', id: ++this.#serial, image };
    const abort = () => {
      this.#port?.postMessage({ op: 'cancel', id: message.id });
      this.#settle(message.id)?.reject(failure('aborted', 'aborted by the caller', signal.reason));
    };
    signal?.addEventListener('abort', abort);
    try {
      return await new Promise((resolve, reject) => {
        this.#calls.set(message.id, { message, resolve, reject });
        this.#port?.postMessage(message);
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  #reflect(name, value) {
    if (value == null) this.removeAttribute(name);
    else this.setAttribute(name, value);
  }

  #options() {
    const number = (name) => (this.hasAttribute(name) ? Number(this.getAttribute(name)) : undefined);
    const css = getComputedStyle(this);
    return {
      model: this.model, topK: number('top-k'), threshold: number('threshold'), heatmap: this.heatmap, lang: this.#language(), theme: this.theme,
      style: Object.fromEntries(STYLES.map((s) => [s, css.getPropertyValue(`--resnet-${s}`).trim()]).filter(([, v]) => v)),
    };
  }

  #set() {
    this.#port?.postMessage({ op: 'set', options: this.#options() });
  }

  #language() {
    return (this.closest('[lang]') ?? document.documentElement).lang.replaceAll('_', '-') || 'en';
  }

  #say(note) {
    const texts = this.#language().startsWith('zh') ? TEXTS.zh : TEXTS.en;
    this.#title.textContent = texts[0];
    this.#note.textContent = texts[note];
    this.#status.textContent = note > 1 ? texts[note] : '';
    this.#poster.ariaBusy = note === 2;
  }

  #start() {
    if (this.#frame) return;
    this.#end = new AbortController();
    const { signal } = this.#end;
    this.#await();
    const frame = document.createElement('iframe');
    frame.title = this.#title.textContent;
    frame.allow = 'cross-origin-isolated; camera';
    frame.referrerPolicy = 'no-referrer';
    frame.sandbox = 'allow-scripts allow-same-origin'; // no pop-ups, no leaving this page, no forms, no downloads
    addEventListener('message', (e) => this.#meet(e), { signal });
    const unreachable = () => {
      if (this.#frame !== frame || this.#port) return;
      this.#fail(failure('embed-unreachable', `${FRAME} does not answer; check the connection, that this page allows it (frame-src ${FRAME.origin}; in a sandbox allow-same-origin) and that it allows this page`));
    };
    frame.addEventListener('load', () => setTimeout(unreachable, PATIENCE), { signal });
    setTimeout(unreachable, STALL);
    // In Firefox a frame that the page's policy forbids has no load event.
    document.addEventListener('securitypolicyviolation', (e) => {
      if (e.blockedURI.startsWith(FRAME.origin) && e.effectiveDirective === 'frame-src' && e.disposition === 'enforce') unreachable();
    }, { signal });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#set(), { signal });
    frame.src = FRAME;
    this.#frame = frame;
    this.#say(2);
    this.shadowRoot.append(frame);
  }

  #await() {
    this.#ready = {};
    this.#ready.promise = new Promise((resolve, reject) => Object.assign(this.#ready, { resolve, reject }));
    this.#ready.promise.catch(() => {}); // the event error tells it too
  }

  // The frame says hello, and gets a port of its own. Whoever else sends messages to this page is not heard.
  #meet({ source, origin, data }) {
    if (source !== this.#frame.contentWindow || data?.resnet !== 'hello') return;
    if (origin === 'null') return this.#fail(failure('embed-refused', 'this page is sandboxed without an origin, and so is the frame, which then may not load its own files; add allow-same-origin to the sandbox'));
    if (origin !== FRAME.origin) return;
    if (data.version !== VERSION) return this.#fail(failure('embed-refused', `want version ${VERSION} of the messages, the frame has ${data.version}; load this page again`));
    const { port1, port2 } = new MessageChannel();
    this.#port?.close(); // the frame was loaded anew
    this.#port = port1;
    port1.onmessage = (e) => port1 === this.#port && this.#hear(e.data);
    this.#frame.contentWindow.postMessage({ resnet: 'connect', version: VERSION, options: this.#options() }, FRAME.origin, [port2]);
    for (const { message } of this.#calls.values()) port1.postMessage(message);
  }

  #hear({ event, id, detail }) {
    switch (event) {
      case 'size':
        this.#frame.style.height = `${Math.min(detail, MOST_HEIGHT)}px`;
        this.#show();
        break;
      case 'ready':
        this.#info = detail;
        this.#ready.resolve(detail);
        this.#tell(event, detail);
        break;
      case 'progress':
        this.#tell(event, detail);
        break;
      case 'result':
        this.#settle(id)?.resolve(detail);
        this.#tell(event, detail);
        break;
      case 'error': {
        const error = failure(detail.code, detail.message.replace(/^resnet: /, ''));
        if (detail.code === 'embed-refused') return this.#fail(error);
        this.#settle(id)?.reject(error);
        if (id === 'load') {
          this.#ready.reject(error);
          this.#await();
        }
        this.#tell(event, error);
      }
    }
  }

  // The button makes room for the frame, and hands the focus over.
  #show() {
    if (this.#poster.hidden) return;
    const focused = this.shadowRoot.activeElement === this.#poster;
    this.#poster.hidden = true;
    this.#status.textContent = ''; // the frame speaks for itself
    if (focused) this.#frame.focus();
  }

  #settle(id) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  #tell(type, detail) {
    const up = type !== 'error'; // which would look like a script's
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: up, composed: up }));
  }

  #fail(error) {
    this.#stop(error);
    this.#say(3);
    this.#tell('error', error);
  }

  #stop(error) {
    if (!this.#frame) return;
    this.#end.abort();
    this.#port?.close();
    this.#frame.remove();
    this.#frame = this.#port = this.#info = null;
    this.#poster.hidden = false;
    this.#ready.reject(error);
    for (const id of [...this.#calls.keys()]) this.#settle(id).reject(error);
    this.#say(1);
  }
}

if (globalThis.customElements && !customElements.get('resnet-classifier')) customElements.define('resnet-classifier', ResnetClassifierElement);
