/** The message of whatever was thrown; it never throws, whatever that is. */
export function messageOf(e: unknown) {
  try {
    return String(e instanceof Error || e instanceof DOMException ? e.message : e);
  } catch {
    return 'unreadable object';
  }
}

/** Whether memory ran out. Firefox throws a string. */
export const isOutOfMemory = (e: unknown) => e === 'out of memory'
  || (e instanceof RangeError && /memory|allocat|array length/i.test(e.message));
