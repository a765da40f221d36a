// manifest.json: which files build.sh made, and their sizes and hashes.

import type { FileEntry, Manifest } from '../api/protocol.ts';
import { download } from '../lib/download.ts';
import { Failure } from '../lib/failure.ts';

const MOST = 1 << 20; // bytes
const TRIES = 2;

/** A manifest, or why there is none. */
export type Listing = Manifest & { problem?: string };

export class Listings {
  readonly latest: Promise<Listing>;
  readonly #url: string | undefined;
  #renewed: Promise<Listing> | undefined;

  /** Without a manifest, a model that is given by its address still loads. */
  constructor(url: string | undefined) {
    this.#url = url;
    this.latest = this.#read();
  }

  /**
   * Asks past the HTTP cache, for files that are not those of the manifest: that may be an old one, if a server makes
   * its ETag from times and sizes.
   */
  renewed(): Promise<Listing> {
    this.#renewed ??= read(this.#url, 'reload');
    return this.#renewed;
  }

  async #read(): Promise<Listing> {
    const first = await read(this.#url, 'no-cache');
    return first.problem === WRONG ? this.renewed() : first; // a wrong answer may lie in the cache
  }
}

const WRONG = 'it is no manifest';

async function read(url: string | undefined, cache: RequestCache): Promise<Listing> {
  if (!url) return { files: {} };
  try {
    const bytes = await download(url, 'model-fetch', { cache, most: MOST, tries: TRIES });
    try {
      const found: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (isManifest(found)) return found;
    } catch { /* a page, or half of it */ }
    return { files: {}, problem: WRONG };
  } catch (e) {
    return { files: {}, problem: e instanceof Failure ? e.message.replace(/^resnet: |; .*$/g, '') : String(e) };
  }
}

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null;

const isEntry = (x: unknown): x is FileEntry => isObject(x) && typeof x.bytes === 'number'
  && Number.isInteger(x.bytes) && x.bytes >= 0 && x.bytes <= 2 ** 31 && typeof x.sha256 === 'string';

function isManifest(x: unknown): x is Manifest {
  return isObject(x) && (x.model === undefined || typeof x.model === 'string')
    && isObject(x.files) && Object.values(x.files).every(isEntry);
}
