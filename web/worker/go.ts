// The Go program: how it is started, asked, and what its last words were.

import type { Program, Reply } from '../api/protocol.ts';
import { Failure } from '../lib/failure.ts';
import { messageOf } from '../lib/thrown.ts';

declare global {
  // Set by Go's wasm_exec.js, which the build puts before this script.
  var Go: new () => GoRuntime;
  var fs: { writeSync(fd: number, bytes: Uint8Array): number };
  // Set by the program when it runs.
  var resnet: Program | undefined;
}

interface GoRuntime {
  importObject: WebAssembly.Imports;
  run(instance: WebAssembly.Instance): Promise<void>;
}

let lastWords = ''; // what it has printed, for the message after a crash

/** Runs the program and returns its functions; ended is called when it stops, which it should never do. */
export async function start(module: WebAssembly.Module, ended: (message: string) => void): Promise<Program> {
  const { Go, fs } = globalThis;
  const write = fs.writeSync;
  fs.writeSync = (fd, bytes) => {
    lastWords = (lastWords + new TextDecoder().decode(bytes)).slice(0, 4000);
    return write(fd, bytes);
  };
  const runtime = new Go();
  const instance = await WebAssembly.instantiate(module, runtime.importObject);
  runtime.run(instance).then(() => ended('the Go program has ended'), (e) => ended(messageOf(e)));
  if (!globalThis.resnet) throw new Error('the Go program has not set its functions');
  return globalThis.resnet;
}

/** The value of a reply; throws its error. name is that of the file it is about. */
export function unwrap<T>(reply: Reply<T>, name?: string): T {
  if (!reply.error) return reply.value;
  const { code, message } = reply.error;
  if (code === '') throw new Error(message); // which ends the worker
  throw new Failure(code, message.replace(/^resnet: /, '') + (name ? ` (${name})` : ''));
}

/** What to say of a crash: the program's own words, if it had any. */
export function obituary(message: string) {
  return {
    code: /out of memory|cannot allocate/.test(lastWords) ? 'out-of-memory' as const : undefined,
    message: /^(?:panic|fatal error|runtime): .*$/m.exec(lastWords)?.[0] ?? message,
  };
}
