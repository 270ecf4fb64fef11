/** The tab's position in the stream of changes. */
export interface Position {
  get(): string;
  set(cursor: string): void;
}

interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const WRITE_MS = 250;

/**
 * The last cursor, kept for the life of the tab (sessionStorage), so that a reload misses nothing. It is a position in
 * the stream, not a record of what the user saw. Written at most four times a second: bursts bring hundreds of cursors.
 */
export class TabPosition implements Position {
  private cursor: string;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly key: string,
    private readonly storage: Storage | undefined,
  ) {
    this.cursor = this.read();
  }

  get(): string {
    return this.cursor;
  }

  set(cursor: string): void {
    this.cursor = cursor;
    this.timer ??= setTimeout(() => this.flush(), WRITE_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      this.storage?.setItem(this.key, this.cursor);
    } catch {
      // Full or forbidden: then the cursor lives as long as the page.
    }
  }

  private read(): string {
    try {
      return this.storage?.getItem(this.key) ?? '';
    } catch {
      return '';
    }
  }
}

/** sessionStorage, or undefined where the browser forbids it (access then throws). */
export function tabStorage(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}
