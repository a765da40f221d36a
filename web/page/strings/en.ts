// What stands around the views of the page. A function makes a text that has values in it.

const MB = (n: number) => (n / 1e6).toFixed(1);

const texts = {
  title: 'resnet-web: what is in this picture?',
  views: 'Views',
  look: 'Look',
  sort: 'Sort',
  return: 'Back to all pictures',
  skip: 'Skip to the picture',
  knows: 'What it knows',
  footPrivate: 'Pictures are opened, shrunk and classified by this page alone. No account, no cookies, no tracking.',
  licence: 'MIT licence',
  notices: 'Notices',
  version: (v: string) => `version ${v}`,
  offlineFile: (bytes: number) => `Download as one file (${MB(bytes)}\u00A0MB)`,
  update: 'A new version is ready.',
  reload: 'Reload',
  later: 'Later',
  close: 'Close',
  classesTitle: (n: number) => `${n} things it knows`,
  search: 'Search, such as dog or fruit',
  found: (n: number, all: number) => (n === all ? `${all}` : `${n} of ${all}`),
  foundSpoken: (n: number) => `${n} ${n === 1 ? 'class' : 'classes'} found`,
  none: (q: string) => `No name contains "${q}".`,
  otherClasses: 'Others',
  tools: 'Model and language',
  home: 'resnet-web, to the start',
};

export default texts;
export type ShellTexts = typeof texts;
