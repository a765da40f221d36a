// Pictures by their address, as they are pasted or dragged out of other pages.

/** The file at an address, or null if this page may not read it: it reads from its own origin and from data: alone. */
export async function fileAt(address: string): Promise<File | null> {
  const url = new URL(address, location.href);
  if (url.protocol === 'data:') return unpacked(url.href);
  if (!/^https?:$/.test(url.protocol) || url.origin !== location.origin) return null;
  // Nor is a redirect followed, which may lead to another origin: the policy holds in the page, but in the service worker
  // only where the host sends headers.
  const response = await fetch(url, { redirect: 'error' });
  if (!response.ok) throw new Error(`${url.href}: the server answered ${response.status}`);
  const blob = await response.blob();
  const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  return new File([blob], name, { type: blob.type });
}

// The policy of this page forbids to fetch from data:.
function unpacked(address: string): File {
  const [, kind = '', base64, text = ''] = /^data:([^,]*?)(;base64)?,(.*)$/s.exec(address) ?? [];
  try {
    const plain = decodeURIComponent(text);
    const bytes = base64 ? Uint8Array.from(atob(plain), (c) => c.charCodeAt(0)) : plain;
    return new File([bytes], '', { type: kind });
  } catch (cause) {
    throw new Error('the data: address is malformed', { cause });
  }
}
