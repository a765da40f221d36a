import { NAME, sharesOf } from '../../lib/shares.ts';

/**
 * Takes the files that the service worker has kept under an id. There are none if it has none, or if another page has
 * taken them.
 */
export async function taken(id: string): Promise<File[]> {
  const scope = new URL('./', location.href).href;
  const name = sharesOf(scope) + id;
  if (!await caches.has(name)) return [];
  const cache = await caches.open(name);
  const files: File[] = [];
  for (;;) {
    const kept = await cache.match(`${scope}${files.length}`);
    if (!kept) break;
    const blob = await kept.blob();
    files.push(new File([blob], decodeURIComponent(kept.headers.get(NAME) ?? ''), { type: blob.type }));
  }
  return await caches.delete(name) ? files : [];
}
