// A kernel thread: runs the machine that engine.Browser emitted, over its shared memory, until the executor is closed.

import type { KernelWork } from '../api/protocol.ts';

onmessage = ({ data: { module, memory } }: MessageEvent<KernelWork>) => {
  const { serve } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  if (typeof serve === 'function') serve();
  close();
};
