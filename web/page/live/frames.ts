/**
 * Calls look for what a video shows, one call at a time, until signal ends it: the next is about the newest frame. What
 * is returned has it look at the same frame once more.
 */
export function eachFrame(video: HTMLVideoElement, look: () => Promise<void>, signal: AbortSignal): () => void {
  let isFresh = false; // a frame is on show that was not looked at
  let isLooking = false;
  let last = -1; // time of the latest frame
  const go = async () => {
    isFresh = true;
    if (isLooking) return;
    isLooking = true;
    while (isFresh && !signal.aborted) {
      isFresh = false;
      if (video.readyState >= video.HAVE_CURRENT_DATA) await look();
    }
    isLooking = false;
  };
  const tellsFrames = typeof video.requestVideoFrameCallback === 'function';
  const next = () => {
    if (signal.aborted) return;
    // Some browsers do not tell of each frame, but of each time that the screen is drawn.
    if (tellsFrames || video.currentTime !== last) void go();
    last = video.currentTime;
    wait();
  };
  const wait = () => (tellsFrames ? video.requestVideoFrameCallback(next) : requestAnimationFrame(next));
  wait();
  return () => void go();
}
