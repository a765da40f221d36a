import type { PartsTexts } from '../../lib/strings/en.ts';
import type { Result } from '../../types/resnet.d.ts';
import type { App, Unmount } from '../app/app.ts';
import { pictureOn } from '../app/state.ts';
import type { Answer, State } from '../app/state.ts';
import { make } from './dom.ts';
import { drawCrop, drawHeat, drawWhole } from './draw.ts';
import { middle } from './picture.ts';
import type { Picture } from './picture.ts';

/** The picture on show: the part that the network sees, the heat map over it, and in a corner the whole. */
export function mountStage(frame: HTMLElement, { store }: App, t: PartsTexts, hasWhole: boolean): Unmount {
  const crop = make('canvas', { id: 'crop', class: 'crop', role: 'img' });
  const heat = make('canvas', { id: 'heat', class: 'heat', 'aria-hidden': 'true' });
  const whole = make('canvas', { id: 'whole', class: 'whole', 'aria-hidden': 'true', hidden: true });
  const busy = make('p', { id: 'busy', class: 'busy' });
  const scan = make('div', { class: 'scan', 'aria-hidden': 'true' });
  frame.replaceChildren(crop, heat, ...hasWhole ? [whole] : [], scan, busy);
  let drawn: Result | null = null; // whose picture is on the canvases

  const preview = async (picture: Picture) => {
    for (const canvas of [crop, heat, whole]) canvas.width = canvas.height = 1;
    whole.hidden = true;
    const image = await picture.drawable.catch(() => null);
    const box = image && middle(image);
    if (!box) return;
    if (image instanceof HTMLImageElement) await image.decode().catch(() => {});
    const { show } = store.state;
    if (show.state === 'busy' && show.picture === picture) drawCrop(crop, image, box);
  };

  const draw = ({ drawn: image, result, heatmap }: Answer) => {
    const box = result.heatmap?.box ?? (image && middle(image));
    if (result !== drawn && image && box) {
      drawCrop(crop, image, box);
      whole.hidden = !drawWhole(whole, image, box);
    }
    drawn = result;
    if (heatmap) drawHeat(heat, heatmap);
  };

  const render = (state: State, before?: State) => {
    const { show, model } = state;
    busy.textContent = model.state === 'ready' ? t.looking : t.waiting;
    heat.classList.toggle('on', state.heat && show.state === 'result' && show.answer.heatmap !== undefined);
    const picture = pictureOn(show);
    if (show === before?.show || !picture) return;
    crop.setAttribute('aria-label', t.crop(picture.name || t.picture));
    if (show.state === 'busy') {
      drawn = null;
      void preview(picture);
    } else if (show.state === 'result') draw(show.answer);
  };
  render(store.state);
  return store.subscribe(render);
}
