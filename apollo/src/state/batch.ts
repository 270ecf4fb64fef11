/** Longer than a frame: hidden tabs get no frames at all, and must not let work pile up. */
const AT_MOST_MS = 250;

/**
 * Collects, and hands over once a frame: 500 changes in a second are 60 updates of the page, not 500.
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
