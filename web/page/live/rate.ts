const SPAN = 1000; // ms of which frames are counted
const PERIOD = 500; // ms between two numbers

/** The frames of the last second: how many a second, and the medians, in ms, of their times and the network's part. */
export interface Rate {
  frames: number;
  whole: number;
  network: number;
}

/** A function that takes in a frame with its times, and gives a rate twice a second. */
export function counter(): (now: number, whole: number, network: number) => Rate | null {
  let seen: { at: number; whole: number; network: number }[] = [];
  let told = 0;
  return (now, whole, network) => {
    seen = seen.filter(({ at }) => at > now - SPAN);
    seen.push({ at: now, whole, network });
    if (now - told < PERIOD || seen.length < 3) return null;
    told = now;
    const median = (of: 'whole' | 'network') => seen.map((s) => s[of]).sort((a, b) => a - b)[seen.length >> 1];
    const frames = (seen.length - 1) / (now - seen[0].at) * 1000;
    return { frames, whole: median('whole'), network: median('network') };
  };
}
