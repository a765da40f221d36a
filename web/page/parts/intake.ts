// How pictures come in, wherever on the page the visitor is: dropped, pasted, chosen, or from the camera of a phone.

import type { Entry } from '../sort/entry.ts';
import { byId, make } from './dom.ts';
import type { Folder } from './entries.ts';

declare global {
  interface DataTransferItem {
    getAsFileSystemHandle?(): Promise<FileSystemHandle | null>; // Chromium
  }
  /** Chromium. */
  var showDirectoryPicker: ((options: { id: string; startIn: string }) => Promise<FileSystemDirectoryHandle>) | undefined;
}

/** Why something that was given is refused: the code of a problem. */
export type Refusal = 'no-picture' | 'no-folder' | 'no-address' | 'no-share' | 'image-fetch' | 'other';

/** What is to be done with files, and with what holds none. */
export interface Takers {
  /** Takes a file that was given alone. */
  take(file: File): void;
  /** Takes files that were given together, two or more, or what is in folders; there is at least one. */
  takeMany(entries: AsyncIterable<Entry>): void;
  refuse(why: Refusal): void;
}

/** Whether this browser can give a page a folder when the visitor chooses one; phones learn it only now. */
export const canChooseFolder = () => 'webkitdirectory' in HTMLInputElement.prototype;

/** Listens for pictures. The file inputs are in the document: a picture may come before anything else has loaded. */
export function listen({ take, takeMany, refuse }: Takers) {
  let newest = {}; // a file that has to be fetched is left where another thing is given before it comes

  // Few visitors give several files or folders, so what reads these is loaded then.
  const receiveMany = (given: readonly (File | Folder)[], why: Refusal) => {
    newest = {};
    import('./entries.ts').then(({ opened }) => opened(given)).then((entries) => {
      if (entries) takeMany(entries);
      else refuse(why);
    }, () => refuse('other'));
  };
  const receiveFiles = (files: readonly File[]) => {
    newest = {};
    const [file] = files;
    if (files.length === 1) take(file);
    else receiveMany(files, 'no-picture');
  };
  const hear = (input: HTMLInputElement) => {
    input.addEventListener('change', () => {
      const files = [...input.files ?? []];
      input.value = ''; // so that the same file can be chosen again
      if (input.webkitdirectory) receiveMany(files, 'no-folder');
      else if (files.length > 0) receiveFiles(files);
    });
    return input;
  };
  const opener = (attributes: Parameters<typeof make>[1]) => {
    let input: HTMLInputElement | undefined;
    return () => {
      if (!input) {
        input = hear(make('input', { type: 'file', hidden: true, ...attributes }));
        document.body.append(input);
      }
      input.click();
    };
  };
  const inputs = { choose: byId('file', HTMLInputElement), photograph: byId('camera', HTMLInputElement) };
  for (const input of Object.values(inputs)) hear(input);

  receive((transfer) => {
    const own = newest = {};
    const given = givenIn(transfer);
    const files = given.filter((one) => one instanceof File);
    if (files.length < given.length) return receiveMany(given, 'no-folder');
    if (files.length > 0) return receiveFiles(files);
    const address = addressIn(transfer);
    if (address === undefined) return refuse('no-picture');
    import('./address.ts').then(({ fileAt }) => fileAt(address)).then((found) => {
      if (own !== newest) return;
      if (found) take(found);
      else refuse('no-address');
    }, () => own === newest && refuse('image-fetch'));
  });

  const chooseByInput = opener({ id: 'folder', webkitdirectory: true });
  return {
    choose: () => inputs.choose.click(),
    photograph: () => inputs.photograph.click(),
    chooseMany: opener({ id: 'files', accept: 'image/*', multiple: true }),
    chooseFolder() {
      const pick = globalThis.showDirectoryPicker;
      if (!pick) return chooseByInput();
      pick({ id: 'pictures', startIn: 'pictures' }).then((handle) => {
        receiveMany([{ handle: Promise.resolve(handle) }], 'no-folder');
      }, (error: unknown) => {
        const isDismissed = error instanceof DOMException && error.name === 'AbortError';
        if (!isDismissed) chooseByInput(); // as where a policy forbids the picker
      });
    },
  };
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

/** The files and folders in what was dropped or pasted. They can be had while the event lasts, and not later. */
function givenIn({ items, files }: DataTransfer): (File | Folder)[] {
  const given = [...items].filter(({ kind }) => kind === 'file')
    .map((item) => folderIn(item) ?? item.getAsFile()).filter((one) => one !== null);
  return given.length > 0 ? given : [...files];
}

function folderIn(item: DataTransferItem): Folder | null {
  const entry = item.webkitGetAsEntry?.() ?? null;
  return entry?.isDirectory ? { entry, handle: item.getAsFileSystemHandle?.().catch(() => null) } : null;
}

/** The address in what was dragged or pasted; undefined if that is other text, or none. */
function addressIn(transfer: DataTransfer): string | undefined {
  const [first] = transfer.getData('text/uri-list').split(/\r?\n/).filter((line) => line && !line.startsWith('#'));
  const text = first || transfer.getData('text/plain').trim();
  return /^[a-z][a-z\d+.-]*:\S+$/i.test(text) && URL.canParse(text) ? text : undefined;
}
