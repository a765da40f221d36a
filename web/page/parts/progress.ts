import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import { pictureOn } from '../app/state.ts';
import type { State } from '../app/state.ts';
import { byId } from './dom.ts';

/**
 * Tells how the model is doing; its markup is in the document, to be there at once, and says in data-bytes what travels
 * on a first visit, if that is known: programs are compressed on their way. With a promise it says also that pictures
 * stay here.
 */
export function mountProgress(element: HTMLElement, { store, announce }: App, t: PartsTexts, promise = ''): Unmount {
  const text = byId('load-text', HTMLElement);
  const bar = byId('load-bar', HTMLProgressElement);
  const travels = Number(element.dataset.bytes);
  const render = ({ model, show }: State, before?: State) => {
    if (model === before?.model) return;
    element.dataset.state = model.state;
    bar.hidden = model.state !== 'loading';
    switch (model.state) {
      case 'asleep':
        text.textContent = promise;
        break;
      case 'loading': {
        const { phase, loaded, total } = model.progress;
        const isSized = phase === 'download' && total > 0;
        const sum = travels || total;
        if (isSized) text.textContent = `${t.loading[phase]} · ${t.bytes(loaded / total * sum, sum)}`;
        else text.textContent = travels && phase === 'download' ? t.once(travels) : `${t.loading[phase]}…`;
        if (isSized) bar.value = loaded / total;
        else bar.removeAttribute('value');
        break;
      }
      case 'ready':
        text.textContent = `${t.ready(model.info.classes.length)} ${promise}`.trim();
        if (before && !pictureOn(show)) announce(text.textContent);
        break;
      case 'failed':
        text.textContent = t.failed;
    }
  };
  render(store.state);
  return store.subscribe(render);
}
