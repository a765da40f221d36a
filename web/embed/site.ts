// The site around this frame: who it is, and the port on which it is spoken to after the handshake.

import { VERSION } from '../api/protocol.ts';
import type { Connect, FromFrame, Hello, Unchecked } from '../api/protocol.ts';
import { clip, isObject } from './options.ts';

// Which sites may use the frame. The header of this page says the same to browsers, where the server can send headers.
const parents: Promise<unknown[]> = fetch('embed.json').then((r) => r.json())
  .then((rules: unknown) => (isObject(rules) && Array.isArray(rules.parents) ? rules.parents : []), () => []);

const isWelcome = async (origin: string) => origin === location.origin
  || (await parents).some((p) => p === '*' || p === origin);

export interface Hearer {
  /** The site is there, and has sent the options. */
  met(options: unknown): void;
  /** The site has sent a message, of any form. */
  hear(message: unknown): void;
  /** A site was refused before another was met. */
  refused(why: string): void;
}

export class Site {
  #port: MessagePort | null = null;
  readonly #hearer: Hearer;

  constructor(hearer: Hearer) {
    this.#hearer = hearer;
    addEventListener('message', (e) => void this.#meet(e));
    const hello: Hello = { resnet: 'hello', version: VERSION };
    if (parent !== window) parent.postMessage(hello, '*');
  }

  get isMet() {
    return this.#port !== null;
  }

  tell(message: FromFrame) {
    this.#port?.postMessage(message);
  }

  async #meet({ source, origin, data, ports: [port, ...more] }: MessageEvent<unknown>) {
    if (source !== parent || !isObject(data) || !port || more.length > 0) return;
    const { resnet, version, options }: Unchecked<Connect> = data;
    if (resnet !== 'connect') return;
    const refuse = (why: string) => {
      const message: FromFrame = { event: 'error', detail: { code: 'embed-refused', message: `resnet: ${why}` } };
      port.postMessage(message);
      if (!this.isMet) this.#hearer.refused(why);
    };
    if (version !== VERSION) {
      return refuse(`want version ${VERSION} of the messages, got ${clip(version)}; `
        + `use the embed.js that lies beside ${location.href}`);
    }
    if (!await isWelcome(origin)) {
      return refuse(`${origin} may not embed this classifier; `
        + `the owner of ${location.origin} can add it to embed.json`);
    }
    if (this.isMet) return;
    this.#port = port;
    port.onmessage = (e: MessageEvent<unknown>) => this.#hearer.hear(e.data);
    this.#hearer.met(options);
  }
}
