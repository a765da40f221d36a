import type { PartsTexts } from '../../lib/strings/en.ts';
import type { App, Unmount } from '../app/app.ts';
import { make } from './dom.ts';
import { context, fromCanvas } from './picture.ts';
import { cameraProblem, endStream } from './stream.ts';

/** A picture from a video of the camera, which film opens: while the state is 'film', element shows it. */
export function mountCamera(
  element: HTMLElement, { store, session }: App, t: PartsTexts,
): { film(): void; unmount: Unmount } {
  const video = make('video', { id: 'video', playsinline: true, muted: true });
  const shoot = make('button', { type: 'button', class: 'primary', id: 'shoot' }, t.shoot);
  const back = make('button', { type: 'button', class: 'secondary', id: 'back' }, t.back);
  element.replaceChildren(video, make('div', { class: 'buttons' }, shoot, back));
  let stream: MediaStream | null = null;
  let asking: object | null = null; // the current request for the camera; another state or request ends it

  const close = () => {
    if (stream) endStream(stream);
    video.srcObject = stream = asking = null;
  };
  const leave = () => {
    close();
    if (store.state.show.state === 'film') store.set({ show: { state: 'empty' } });
  };
  const film = async () => {
    const own = asking = {};
    try {
      const got = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      if (own !== asking) return endStream(got);
      stream = got;
    } catch (error) {
      if (own === asking) session.fail(cameraProblem(error), null);
      return;
    }
    video.srcObject = stream;
    store.set({ show: { state: 'film' } });
    await video.play().catch(() => {});
    shoot.focus();
  };

  shoot.addEventListener('click', () => {
    const { videoWidth: width, videoHeight: height } = video;
    if (!width) return; // no frame yet
    const canvas = make('canvas', { width, height });
    context(canvas).drawImage(video, 0, 0);
    void session.look(fromCanvas(canvas));
  });
  back.addEventListener('click', leave);
  addEventListener('pagehide', leave);
  const unsubscribe = store.subscribe(({ show }, before) => {
    if (show !== before.show && show.state !== 'film') close();
  });
  return {
    film: () => void film(),
    unmount() {
      removeEventListener('pagehide', leave);
      unsubscribe();
      leave();
    },
  };
}
