// A kernel thread: runs the machine that engine.Browser emitted, over its shared memory, until it is terminated.
let machine;
onmessage = ({ data }) => {
  if (machine) return machine.exports.serve(data);
  machine = new WebAssembly.Instance(data.module, { env: { memory: data.memory } });
  postMessage('ready');
};
