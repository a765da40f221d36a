import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import { pictureOn } from '../app/state.ts';
import type { Answer, State } from '../app/state.ts';
import { mountAim } from './aim.ts';
import { make } from './dom.ts';
import { drawCrop, drawHeat, drawWhole } from './draw.ts';
import { middle } from './picture.ts';
import type { Box, Drawable, Picture } from './picture.ts';

/**
 * The picture on show: the part that the network sees, the heat map over it; and, if it can be aimed, in a corner the
 * whole, and what moves and zooms the part.
 */
export function mountStage(frame: HTMLElement, app: App, t: PartsTexts, hasAim: boolean): Unmount {
  const { store } = app;
  const crop = make('canvas', { id: 'crop', class: 'crop', role: 'img' });
  const heat = make('canvas', { id: 'heat', class: 'heat', 'aria-hidden': 'true' });
  const whole = make('canvas', { id: 'whole', class: 'whole', 'aria-hidden': 'true', hidden: true });
  const busy = make('p', { id: 'busy', class: 'busy' });
  const scan = make('div', { class: 'scan', 'aria-hidden': 'true' });
  frame.replaceChildren(crop, heat);
  let image: Drawable | null = null; // on the canvases
  let shown: Box | null = null; // the part of it

  const draw = (box: Box) => {
    if (!image || (shown && shown.x === box.x && shown.y === box.y && shown.width === box.width)) return;
    shown = box;
    drawCrop(crop, image, box);
    if (hasAim) whole.hidden = !drawWhole(whole, image, box);
  };
  const aim = hasAim ? mountAim(frame, whole, app, t, draw) : null;
  frame.append(...hasAim ? [whole] : [], scan, busy);

  const preview = async (picture: Picture) => {
    for (const canvas of [crop, heat, whole]) canvas.width = canvas.height = 1;
    whole.hidden = true;
    const drawable = await picture.drawable.catch(() => null);
    const box = drawable && middle(drawable);
    if (!box) return;
    if (drawable instanceof HTMLImageElement) await drawable.decode().catch(() => {});
    const { show } = store.state;
    if (show.state === 'busy' && show.picture === picture) drawCrop(crop, drawable, box);
  };

  const drawAnswer = (answer: Answer) => {
    const { drawn, result, heatmap } = answer;
    if (drawn !== image) shown = null;
    image = drawn;
    const box = aim ? aim.follow(answer) : result.heatmap?.box ?? (drawn && middle(drawn));
    if (box) draw(box);
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
      image = shown = null;
      aim?.leave();
      void preview(picture);
    } else if (show.state === 'result') drawAnswer(show.answer);
  };
  render(store.state);
  return store.subscribe(render);
}
