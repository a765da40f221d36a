// A kernel thread: runs the machine that engine.Browser emitted, over its shared memory, until the executor is closed.
onmessage = ({ data: { module, memory } }) => {
  new WebAssembly.Instance(module, { env: { memory } }).exports.serve();
  close();
};
