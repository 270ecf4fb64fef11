import type { Page } from '../api/client.js';
import type { LiveMessage, Row } from '../api/types.js';
import { ActiveSet } from './active.js';
import { FrameBatch } from './batch.js';
import { Toasts } from './toasts.js';

/** Running transactions are counted up to this number. */
export const MOST_COUNTED = 99;

interface Received {
  readonly message: LiveMessage;
  readonly replay: boolean;
}

export interface Readers {
  wantsToasts(): boolean;
  /** Fetches the running transactions from the history. */
  running(query: URLSearchParams, limit: number): Promise<Page>;
  changed(rows: readonly Row[]): void;
  archived(ids: readonly string[]): void;
  reset(): void;
  /** Toasts or counts have changed. */
  updated(): void;
  /** Fires an event for the host page. */
  emit(type: string, detail: unknown): void;
}

/** Distributes live messages: toasts, the count at the bell, the panel's list, events for the page. */
export class Feed {
  readonly toasts = new Toasts();
  readonly active = new ActiveSet();
  /** Incremented when `toasts` may have changed internally. */
  revision = 0;
  private readonly batch = new FrameBatch<Received>((items) => this.apply(items));
  private replayed: Row[] = [];
  private counted = false;

  constructor(private readonly readers: Readers) {}

  receive(message: LiveMessage, replay: boolean): void {
    this.batch.add({ message, replay });
  }

  /** The connection is to another Athena now. */
  clear(): void {
    this.toasts.clear();
    this.active.remove([...this.active.ids]);
    this.counted = false;
  }

  private apply(items: readonly Received[]): void {
    const now = Date.now();
    let rows: Row[] = [];
    for (const { message, replay } of items) {
      if (message.kind === 'change') {
        rows.push(message.row);
        this.applyChange(message.row, replay, now);
      } else if (message.kind === 'archived') {
        rows = rows.filter(({ id }) => !message.ids.includes(id));
        this.active.remove(message.ids);
        this.toasts.remove(message.ids);
        this.readers.archived(message.ids);
        this.readers.emit('athena-archived', { ids: message.ids });
      } else if (message.kind === 'ready') {
        if (this.readers.wantsToasts() && this.replayed.length > 0) this.toasts.replay(this.replayed, now);
        this.replayed = [];
        if (!this.counted) void this.countActive();
      } else if (message.kind === 'reset') {
        rows = []; // they belong to the previous history
        this.reset();
      }
    }
    if (rows.length > 0) this.readers.changed(rows);
    this.revision += 1;
    this.readers.updated();
  }

  private applyChange(row: Row, replay: boolean, now: number): void {
    this.active.apply(row);
    if (replay) this.replayed.push(row);
    else if (this.readers.wantsToasts()) this.toasts.apply(row, now);
    this.readers.emit('athena-change', row);
  }

  private reset(): void {
    this.replayed = [];
    this.toasts.clear();
    this.readers.reset();
    void this.countActive();
    this.readers.emit('athena-reset', {});
  }

  /** Transactions were running before we connected, so they must be fetched once. */
  private async countActive(): Promise<void> {
    this.counted = true;
    this.active.mark();
    try {
      const page = await this.readers.running(new URLSearchParams({ status: 'pending,undoing' }), MOST_COUNTED + 1);
      this.active.load(page.rows);
      this.readers.updated();
    } catch {
      this.counted = false; // retried after the next connection
    }
  }
}
