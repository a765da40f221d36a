export const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

/** The SHA-256 of bytes in hexadecimal. Only secure contexts have crypto.subtle. */
export const sha256 = async (bytes: BufferSource) => hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
