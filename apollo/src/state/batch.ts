/** Longer than a frame. Hidden tabs get no frames at all, but items must not pile up. */
const AT_MOST_MS = 250;

/**
 * Collects items and flushes them once per frame: 500 changes in a second make 60 updates of the page, not 500.
 */
export class FrameBatch<T> {
  private items: T[] = [];
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly flushed: (items: readonly T[]) => void) {}

  add(item: T): void {
    this.items.push(item);
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => this.flush(), AT_MOST_MS);
    this.frame = requestAnimationFrame(() => this.flush());
  }

  flush(): void {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.timer = undefined;
    const items = this.items;
    this.items = [];
    if (items.length > 0) this.flushed(items);
  }
}
