// Runs ONNX files in onnxruntime-web: node ort.mjs SIZE MODEL... prints, per model and line, the logits of the picture
// rgb[i] = sin(0.37·i), in a batch of two, as JSON. The package is looked up from the working directory.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const ort = await import(pathToFileURL(createRequire(process.cwd() + '/').resolve('onnxruntime-web')));
const size = Number(process.argv[2]), n = 3 * size * size;
ort.env.wasm.numThreads = 1;
for (const model of process.argv.slice(3)) {
  const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ['wasm'] });
  const input = new ort.Tensor('float32', Float32Array.from({ length: 2 * n }, (_, i) => Math.sin(0.37 * (i % n))), [2, 3, size, size]);
  const { logits } = await session.run({ input });
  console.log(JSON.stringify({ dims: logits.dims, data: Array.from(logits.data) }));
  await session.release();
}
