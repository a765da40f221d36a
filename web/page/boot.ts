// The first script of the page. It starts the worker of the first classifier before any other script has come: what takes
// longest, runtime and model, is then on its way. See Booted in api/protocol.ts.

import type { Booted, ListedModel } from '../api/protocol.ts';

/** The model of this build; undefined in a build without one. */
declare const MODEL: ListedModel | undefined;

if (location.protocol === 'file:') document.documentElement.dataset.disk = ''; // where modules do not load

const at = (file: string) => new URL(file, document.baseURI).href;

try {
  const worker = new Worker(at('worker.js'));
  const request: Booted['request'] = {
    op: 'open',
    id: 1,
    // What createClassifier asks for without options.
    kernel: at('kernel.js'),
    wasm: at('resnet.wasm'),
    manifest: at('manifest.json'),
    threads: 'auto',
    simd: 'auto',
    lang: 'en', // labels come in all languages
    guess: MODEL && { model: at(MODEL.model), entry: MODEL.entry },
    warmsLater: true,
  };
  const events: Event[] = [];
  worker.onmessage = worker.onmessageerror = worker.onerror = (event: Event) => {
    event.preventDefault();
    events.push(event);
  };
  worker.postMessage(request);
  globalThis.resnetBooted = { worker, request, events };
} catch { /* the classifier starts its own, or says why it cannot */ }
