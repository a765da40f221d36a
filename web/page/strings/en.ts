// What stands around the views of the page. A function makes a text that has values in it.

const MB = (n: number) => (n / 1e6).toFixed(1);

const texts = {
  title: 'resnet-web: what is in this picture?',
  skip: 'Skip to the picture',
  knows: 'What it knows',
  footPrivate: 'Pictures are opened, shrunk and classified by this page alone. No account, no cookies, no tracking.',
  licence: 'MIT licence',
  notices: 'Notices',
  version: (v: string) => `version ${v}`,
  offlineFile: (bytes: number) => `One offline file, ${MB(bytes)} MB`,
  update: 'A new version is ready.',
  reload: 'Reload',
  later: 'Later',
  close: 'Close',
  classesTitle: (n: number) => `${n} things it knows`,
  search: 'Search by name or WordNet id',
  found: (n: number, all: number) => (n === all ? `${all}` : `${n} of ${all}`),
  foundSpoken: (n: number) => `${n} ${n === 1 ? 'class' : 'classes'} found`,
  none: (q: string) => `It does not know "${q}". It will name something else, or say that it is not sure.`,
};

export default texts;
export type ShellTexts = typeof texts;
