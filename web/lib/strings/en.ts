// What the parts that page and frame share say. A function makes a text that has values in it.

const kB = (n: number) => Math.round(n / 1000).toLocaleString('en');
const MB = (n: number) => (n / 1e6).toFixed(1);

const texts = {
  tagline: 'What is in this picture?',
  fullPage: 'Open the full page',
  private1: 'Your pictures never leave this device.',
  picture: 'Picture',
  dropHere: 'Drop a picture here',
  choose: 'Choose a picture',
  photo: 'Take a photo',
  another: 'Another picture',
  paste: (key: string): [string, string, string] => ['or paste one with ', key, ' + V'],
  dropNow: 'Let go to classify',
  shoot: 'Take the picture',
  back: 'Back',
  dismiss: 'Close',
  loading: { download: 'Loading', warmup: 'Warming up' },
  bytes: (loaded: number, total: number) => (total < 1e6
    ? `${kB(loaded)} of ${kB(total)} kB`
    : `${MB(loaded)} of ${MB(total)} MB`),
  once: (bytes: number) => `Loading ${MB(bytes)}\u00A0MB, once…`,
  ready: (classes: number) => `Ready. It knows ${classes} kinds of things.`,
  failed: 'The model could not be loaded.',
  waiting: 'Waiting for the model…',
  looking: 'Looking…',
  looksLike: 'It looks like',
  contains: 'In the picture',
  unsure: 'Not sure – maybe',
  unsureNote: 'No single answer stands out. These come closest; it may also be something it has never learned.',
  kind: (one: string) => `${one}, probably`,
  kindNote: 'Several relatives come into question; this one comes closest.',
  nothing: 'Nothing stands out',
  announce: (eyebrow: string, name: string, percent: string) => `${eyebrow} ${name}, ${percent}.`,
  crop: (name: string) => `The part of ${name} that the network saw`,
  heat: 'Heat map',
  heatCaption: (name: string) => `The brighter, the more it looks like ${name}.`,
  barsHint: 'Choose a name to see where.',
  aim: 'The square that the network sees. Arrow keys move it, plus and minus zoom, 0 puts it back.',
  aimHint: 'Drag the picture, or zoom, to choose what it looks at.',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  reset: 'Put the square back',
  copy: 'Copy',
  save: 'Save picture',
  card: (classes: number) => `one of ${classes} things, named on this device`,
  place: (n: number, count: number) => `${n} of ${count}`,
  visit: 'This visit, kept in this tab alone',
  again: (label: string, name: string) => `Show again: ${label}${name && `, ${name}`}`,
  notes: {
    copied: 'Copied.',
    'not-copied': 'The browser did not allow to copy.',
    saved: 'Saved to your downloads.',
    'not-saved': 'The picture could not be saved.',
  },
  retry: 'Try again',
  chooseOther: 'Choose another picture',
  details: 'Details',
  errors: {
    'no-picture': [
      'No picture found.',
      'What came holds no picture file. Save the picture first, then drop the file, or choose it.',
    ],
    'no-folder': ['This folder holds no files.', 'Choose one that has pictures in it.'],
    'no-address': [
      'Pictures on other sites cannot be read.',
      'Save the picture and drop the file.',
    ],
    'no-camera': ['No camera found', 'Connect one and try again, or choose a picture instead.'],
    'no-camera-allowed': [
      'The camera is not allowed',
      'Allow it for this page in the browser (beside the address) and in the system’s settings, then try again; '
        + 'or choose a picture instead.',
    ],
    'no-camera-free': [
      'The camera does not start',
      'Another program or tab may be using it: close that and try again, or choose a picture instead.',
    ],
    'no-camera-secure': [
      'The camera needs a secure address',
      'Browsers lend it only to pages at https:// and localhost. Open this page there, or choose a picture instead.',
    ],
    'no-camera-here': [
      'The camera is switched off for this page',
      'Its server or the site around it forbids it (Permissions-Policy). Choose a picture instead.',
    ],
    'no-video': [
      'This video cannot be played',
      'It is damaged, has no picture, or is in a format this browser cannot play. MP4 (H.264) and WebM usually work.',
    ],
    'no-share': [
      'What was to be opened did not arrive.',
      'Share or open it once more, or choose the picture here.',
    ],
    'image-decode': [
      'This file cannot be read as a picture',
      'It is empty, damaged, or in a format this browser cannot open. JPEG, PNG, WebP and GIF always work; '
        + 'save HEIC photos as JPEG first.',
    ],
    'image-too-large': [
      'This picture is too large',
      'Its width or height is beyond what fits into memory. Make it smaller, or crop it.',
    ],
    'image-fetch': [
      'The picture could not be fetched',
      'Check the connection, then try again; or save the picture and drop the file.',
    ],
    'image-unreadable': [
      'This file cannot be opened any more',
      'It was moved, deleted or changed, or its device is gone. Add it again.',
    ],
    'image-changed': ['This file has changed', 'It is not the one that was classified any more. Add it again.'],
    'image-not-written': [
      'This file could not be written',
      'The folder refuses it. Choose another folder, or save a ZIP file instead.',
    ],
    'folder-unreadable': [
      'A folder could not be read',
      'Pictures in it are missing here. Look whether you may open it, then add it again.',
    ],
    'image-tainted': [
      'This picture’s site does not allow reading it',
      'Save the picture and drop the file.',
    ],
    'model-fetch': ['The model could not be downloaded', 'Check the connection, then try again.'],
    'model-integrity': [
      'The model arrived damaged',
      'Its checksum is wrong, so it is not used. Try again to download it once more.',
    ],
    'model-format': [
      'What came is not a model file',
      'The server answered with something else. If this is your server, build the page again.',
    ],
    'out-of-memory': ['There is not enough memory', 'Close other tabs or programs, then try again.'],
    'worker-crashed': ['The classifier stopped unexpectedly', 'Try again: it restarts, and your picture is kept.'],
    'wasm-unsupported': [
      'This browser cannot run the classifier',
      'WebAssembly is off or did not load: reload the page, update the browser, or turn off lockdown mode for this '
        + 'site.',
    ],
    'embed-refused': ['Not allowed on this site', 'It is not on the owner’s list.'],
    other: ['Something went wrong', 'Try again; if it stays, reload the page.'],
  } satisfies Record<string, [title: string, advice: string]>,
};

export default texts;
export type PartsTexts = typeof texts;
