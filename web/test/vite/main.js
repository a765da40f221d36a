// All that a project needs to do: no path, no plug-in, no configuration.
import { createClassifier, ResnetError } from 'resnet-web';

const file = document.getElementById('file');
const label = document.getElementById('label');

try {
  const classifier = await createClassifier();
  label.textContent = `ready: ${classifier.info.classes.length} classes, ${classifier.info.threads} threads`;
  file.addEventListener('change', async () => {
    const { predictions } = await classifier.classify(file.files[0]);
    label.textContent = predictions[0].label;
  });
} catch (error) {
  label.textContent = error instanceof ResnetError ? error.code : String(error);
}
