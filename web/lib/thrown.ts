/** The message of whatever was thrown. */
export const messageOf = (e: unknown) => (e instanceof Error || e instanceof DOMException ? e.message : String(e));

/** Whether memory ran out. Firefox throws a string. */
export const isOutOfMemory = (e: unknown) => e === 'out of memory'
  || (e instanceof RangeError && /memory|allocat|array length/i.test(e.message));
