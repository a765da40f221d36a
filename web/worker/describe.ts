/** Says what a file of size bytes looks like that begins with head, for messages. */
export function describe(head: Uint8Array, size = head.length) {
  const text = String.fromCharCode(...head.subarray(0, 40)).replace(/[^ -~]+/g, '.');
  return size ? `${size} bytes that begin with "${text}"` : 'an empty file';
}
