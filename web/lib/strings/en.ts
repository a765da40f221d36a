// What the parts that page and frame share say. A function makes a text that has values in it.

const kB = (n: number) => Math.round(n / 1000).toLocaleString('en');
const MB = (n: number) => (n / 1e6).toFixed(1);

const texts = {
  tagline: 'What is in this picture?',
  fullPage: 'Open the full page',
  private1: 'No pixel leaves this page.',
  picture: 'Picture',
  dropHere: 'Drop a picture here',
  choose: 'Choose a picture',
  photo: 'Take a photo',
  another: 'Another picture',
  paste: (key: string): [string, string, string] => ['or paste one with ', key, ' + V'],
  dropNow: 'Let go to classify it',
  shoot: 'Take the picture',
  back: 'Back',
  loading: { download: 'Loading', warmup: 'Warming up' },
  bytes: (loaded: number, total: number) => (total < 1e6
    ? `${kB(loaded)} of ${kB(total)} kB`
    : `${MB(loaded)} of ${MB(total)} MB`),
  ready: (classes: number) => `Ready. It knows ${classes} kinds of things.`,
  failed: 'The model is not loaded.',
  waiting: 'Waiting for the model…',
  looking: 'Looking…',
  looksLike: 'It looks like',
  unsure: 'Not sure. Perhaps',
  unsureNote: 'Nothing the network knows stands out here. Its best guesses are below; the thing may not be among what '
    + 'it knows.',
  nothing: 'Nothing stands out',
  announce: (name: string, percent: string, sure: boolean) => (sure
    ? `It looks like ${name}, ${percent}.`
    : `Not sure. Perhaps ${name}, ${percent}.`),
  crop: (name: string) => `The part of ${name} that the network saw`,
  heat: 'Heat map',
  heatCaption: (name: string) => `Bright: what speaks for ${name}.`,
  barsHint: 'Press a class to see where the network found it.',
  retry: 'Try again',
  chooseOther: 'Choose another picture',
  details: 'Details',
  errors: {
    'no-picture': [
      'There is no picture in that',
      'What you dropped or pasted holds no picture file. Save the picture first, then drop the file, or choose it.',
    ],
    'no-camera': [
      'There is no camera to use',
      'Let this page use the camera when the browser asks, or choose a picture instead.',
    ],
    'image-decode': [
      'This file cannot be read as a picture',
      'It is empty, damaged, or of a kind this browser does not know. JPEG, PNG, WebP and GIF always work; '
        + 'save HEIC photos as JPEG first.',
    ],
    'image-too-large': [
      'This picture is too large',
      'Its width or height is beyond what fits into memory. Make it smaller, or cut out the part that matters.',
    ],
    'image-fetch': [
      'The picture could not be fetched',
      'Check the connection, then try again; or save the picture and drop the file.',
    ],
    'image-tainted': [
      'This picture may not be read',
      'Its site does not let other pages look at it. Save the picture and drop the file.',
    ],
    'model-fetch': ['The model could not be downloaded', 'Check the connection, then try again.'],
    'model-integrity': [
      'The model arrived damaged',
      'Its checksum is wrong, so it is not used. Try again to download it anew.',
    ],
    'model-format': [
      'What came is not a model file',
      'The server answered with something else. If this is your server, build the page again.',
    ],
    'out-of-memory': ['There is not enough memory', 'Close other tabs or programs, then try again.'],
    'worker-crashed': ['The classifier stopped unexpectedly', 'Try again: it starts anew, and your picture is kept.'],
    'wasm-unsupported': [
      'The program cannot run here',
      'Check the connection and load the page again. If that does not help, use a current browser, '
        + 'and switch off modes that forbid WebAssembly.',
    ],
    'embed-refused': ['This site may not use it', 'Its owner has not been given leave to show this classifier.'],
    other: ['Something went wrong', 'Try again; if it stays, load the page anew.'],
  } satisfies Record<string, [title: string, advice: string]>,
};

export default texts;
export type PartsTexts = typeof texts;
