import { isActive, type Row } from '../api/types.js';

/** More running transactions than this are not kept; the history has them all. */
const MOST = 2_000;

/** What is running now: counts for the bell. A whole state replaces what was known of its id. */
export class ActiveSet {
  private readonly rows = new Map<string, Row>();
  /** Ids that changed since `mark()`: what was fetched meanwhile is older than what is known of them. */
  private changed = new Set<string>();

  get size(): number {
    return this.rows.size;
  }

  get ids(): Iterable<string> {
    return this.rows.keys();
  }

  mark(): void {
    this.changed = new Set();
  }

  apply(row: Row): void {
    if (this.changed.size < MOST) this.changed.add(row.id);
    this.rows.delete(row.id);
    if (!isActive(row.status)) return;
    this.rows.set(row.id, row);
    if (this.rows.size > MOST) this.remove([this.rows.keys().next().value as string]);
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.rows.delete(id);
  }

  /** Replaces all with what the history says, except where something newer arrived since `mark()`. */
  load(rows: readonly Row[]): void {
    for (const id of [...this.rows.keys()]) if (!this.changed.has(id)) this.rows.delete(id);
    for (const row of rows) {
      if (!this.changed.has(row.id) && isActive(row.status)) this.rows.set(row.id, row);
    }
  }
}
