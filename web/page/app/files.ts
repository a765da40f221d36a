import type { Info } from '../../types/resnet.d.ts';

declare global {
  /** Data addresses of other files of dist/, by name, in the offline page, which carries them inside. */
  var inlined: Record<string, string> | undefined;
}

/** The address of a file of dist/. */
export const address = (file: string) => globalThis.inlined?.[file] ?? file;

/** The name of a network as people write it. */
export const modelName = ({ architecture }: Info) => architecture
  .replace(/^resnet/, 'ResNet-').replace(/^plain/, 'Plain-');
