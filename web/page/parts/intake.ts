// How pictures come in, wherever on the page the visitor is: dropped, pasted, chosen, or from the camera of a phone.

import { byId } from './dom.ts';

/** Why something that was given is refused: the code of a problem. */
export type Refusal = 'no-picture' | 'no-folder' | 'no-address' | 'image-fetch';

/** What is to be done with files, and with what holds none. */
export interface Takers {
  /** Takes a file; isOneOfSeveral if others were given with it. */
  take(file: File, isOneOfSeveral?: boolean): void;
  refuse(why: Refusal): void;
}

/** Listens for pictures. The file inputs are in the document: a picture may come before anything else has loaded. */
export function listen({ take, refuse }: Takers) {
  let newest = {}; // a file that has to be fetched is left where another thing is given before it comes
  const inputs = { choose: byId('file', HTMLInputElement), photograph: byId('camera', HTMLInputElement) };
  for (const input of Object.values(inputs)) {
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      newest = {};
      if (file) take(file);
      input.value = ''; // so that the same file can be chosen again
    });
  }
  receive((transfer) => {
    const own = newest = {};
    const isFolder = foldersIn(transfer);
    const file = isFolder ? undefined : pictureOf(transfer);
    const address = isFolder || file ? undefined : addressIn(transfer);
    if (file) return take(file, transfer.files.length > 1);
    if (address === undefined) return refuse(isFolder ? 'no-folder' : 'no-picture');
    import('./address.ts').then(({ fileAt }) => fileAt(address)).then((found) => {
      if (own !== newest) return;
      if (found) take(found);
      else refuse('no-address');
    }, () => own === newest && refuse('image-fetch'));
  });
  return { choose: () => inputs.choose.click(), photograph: () => inputs.photograph.click() };
}

/** Calls take with the DataTransfer of whatever is let go over the document or pasted into it. */
function receive(take: (transfer: DataTransfer) => void) {
  let depth = 0; // of drag events; they come for every element entered and left
  let own = false; // what is dragged is a part of this page
  const drag = (on: boolean) => document.body.classList.toggle('dragging', on);
  const over = () => { depth = 0; drag(false); };
  const isText = (e: Event, transfer: DataTransfer) => e.target instanceof HTMLInputElement
    && !transfer.types.includes('Files');
  const on = (type: 'dragenter' | 'dragleave' | 'dragover' | 'drop', act: (transfer: DataTransfer) => void) => {
    addEventListener(type, (e) => {
      const { dataTransfer } = e;
      if (own || !dataTransfer || isText(e, dataTransfer)) return;
      e.preventDefault();
      act(dataTransfer);
    });
  };
  addEventListener('dragstart', () => { own = true; });
  // What is dragged may be gone at the end, and then tells nothing; while something is dragged, the pointer is silent.
  for (const type of ['dragend', 'pointermove']) addEventListener(type, () => { own = false; });
  on('dragenter', ({ types }) => {
    if (++depth === 1) drag(types.includes('Files'));
  });
  on('dragleave', () => {
    if (--depth <= 0) over();
  });
  on('dragover', (transfer) => { transfer.dropEffect = 'copy'; });
  on('drop', (transfer) => {
    over();
    take(transfer);
  });
  addEventListener('paste', (e) => {
    const { clipboardData } = e;
    if (!clipboardData || isText(e, clipboardData)) return;
    e.preventDefault();
    take(clipboardData);
  });
}

/** The picture among files, or else the first file; undefined if there is none. */
function pictureOf(transfer: DataTransfer): File | undefined {
  const files = [...transfer.files];
  return files.find((f) => f.type.startsWith('image/')) ?? files[0];
}

/** Whether there are folders and nothing else. */
function foldersIn({ items }: DataTransfer): boolean {
  const files = [...items].filter(({ kind }) => kind === 'file');
  return files.length > 0 && files.every((item) => item.webkitGetAsEntry?.()?.isDirectory);
}

/** The address in what was dragged or pasted; undefined if that is other text, or none. */
function addressIn(transfer: DataTransfer): string | undefined {
  const [first] = transfer.getData('text/uri-list').split(/\r?\n/).filter((line) => line && !line.startsWith('#'));
  const text = first || transfer.getData('text/plain').trim();
  return /^[a-z][a-z\d+.-]*:\S+$/i.test(text) && URL.canParse(text) ? text : undefined;
}
