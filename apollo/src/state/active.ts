import { isActive, type Row } from '../api/types.js';

/** The most running transactions kept here; the history has them all. */
const MOST = 2_000;

/** The running transactions, counted at the bell. Each row is a complete state and replaces the previous one. */
export class ActiveSet {
  private readonly rows = new Map<string, Row>();
  /** Ids that changed since `mark()`: a page fetched since then may be older than what we have. */
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

  /** Replaces all rows with those of the history, except where something newer arrived since `mark()`. */
  load(rows: readonly Row[]): void {
    for (const id of [...this.rows.keys()]) if (!this.changed.has(id)) this.rows.delete(id);
    for (const row of rows) {
      if (!this.changed.has(row.id) && isActive(row.status)) this.rows.set(row.id, row);
    }
  }
}
