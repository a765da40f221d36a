// What Live says. A function makes a text that has values in it.

const texts = {
  freeze: 'Freeze',
  stop: 'Stop',
  resume: 'Resume',
  view: 'What the camera sees',
  asking: 'Waiting for the camera…',
  camera: 'Camera',
  cameraName: (n: number) => `Camera ${n}`,
  mirror: 'Mirror the picture',
  play: 'Play',
  pause: 'Pause',
  seek: 'Place in the video',
  rate: (frames: string, whole: string, network: string) =>
    `${frames} frames a second · ${whole} ms each (network ${network})`,
  hidden: 'Paused because the page was hidden.',
  ended: 'The camera has stopped.',
  left: 'The camera is off.',
  leftFile: 'The video is paused.',
};

export default texts;
export type LiveTexts = typeof texts;
