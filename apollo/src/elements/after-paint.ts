/** Longer than a few frames. Hidden tabs get no frames at all, and must not wait for one. */
const AT_MOST_MS = 250;

/**
 * Calls `call` once the current document has been painted. Frame callbacks run before the paint, hence a further task
 * after them.
 * @returns a function that cancels it
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
