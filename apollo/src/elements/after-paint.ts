/** Longer than a few frames: hidden tabs get no frames at all, and must not wait for one. */
const AT_MOST_MS = 250;

/**
 * Calls once what is in the document by now has been painted. A frame's callbacks run before its painting, hence the
 * further turn behind them.
 * @returns what calls it off
 */
export function afterPaint(call: () => void): () => void {
  let timer = setTimeout(call, AT_MOST_MS);
  const frame = requestAnimationFrame(() => {
    clearTimeout(timer);
    timer = setTimeout(call);
  });
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  };
}
