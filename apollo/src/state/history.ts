import { isActive, type Row } from '../api/types.js';

/** The most rows kept, and shown, at a time. */
export const MOST_ROWS = 500;
/** With more new rows than this, the list is fetched again instead of merging them. */
export const MOST_NEW = 200;

/** Athena's order (docs/api.md): active first, newest started first; then by `ts_display`, newest first; ties by id. */
export function compare(a: Row, b: Row): number {
  const active = Number(isActive(b.status)) - Number(isActive(a.status));
  if (active !== 0) return active;
  return b.ts_display - a.ts_display || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

export interface Group {
  /** Local midnight in ms, or `running`. */
  readonly day: number | 'running';
  readonly rows: readonly Row[];
}

/**
 * The rows of the panel. Loaded rows are updated in place and keep their position, so that nothing moves while the user
 * reads; new rows wait until `settle()`.
 */
export class HistoryList {
  private rows: Row[] = [];
  private fresh = new Map<string, Row>();
  private index = new Map<string, number>();
  /** Ids of rows that were running when the list was last sorted. */
  private running = new Set<string>();
  /** Ids of loaded rows that no longer pass the filters. */
  private leaving = new Set<string>();
  next: string | undefined;
  /** Rows before the first were dropped to stay within `MOST_ROWS`. */
  cutAbove = false;
  /** There are too many new rows to merge: fetch the list again. */
  overflow = false;

  get length(): number {
    return this.rows.length;
  }

  get newCount(): number {
    return this.fresh.size;
  }

  get all(): readonly Row[] {
    return this.rows;
  }

  reset(rows: readonly Row[], next: string | undefined): void {
    this.rows = [...rows];
    this.next = next;
    this.cutAbove = this.overflow = false;
    this.fresh.clear();
    this.leaving.clear();
    this.running.clear();
    this.noteRunning();
    this.reindex();
  }

  /** Adds the next page. Rows that have moved meanwhile are not shown twice. */
  append(rows: readonly Row[], next: string | undefined): void {
    for (const row of rows) {
      if (!this.index.has(row.id)) this.rows.push(row);
      this.fresh.delete(row.id);
    }
    this.next = next;
    this.noteRunning();
    if (this.rows.length > MOST_ROWS) {
      this.rows.splice(0, this.rows.length - MOST_ROWS);
      this.cutAbove = true;
    }
    this.reindex();
  }

  /** The known state of a row, whether it is shown or waiting. */
  get(id: string): Row | undefined {
    const at = this.index.get(id);
    return at === undefined ? this.fresh.get(id) : this.rows[at];
  }

  /**
   * A live change to a loaded row shows at once; a new row waits.
   * @param isWanted whether it passes the filters; undefined if unknown: then it neither adds nor removes a row
   */
  apply(row: Row, isWanted: boolean | undefined): void {
    const at = this.index.get(row.id);
    const known = this.get(row.id);
    // Live rows lack members that only the history has (description, component).
    const merged = { ...known, ...row };
    if (at !== undefined) {
      this.rows[at] = merged;
      if (isWanted === false) this.leaving.add(row.id);
      else if (isWanted) this.leaving.delete(row.id);
    } else if (isWanted === false) {
      this.fresh.delete(row.id);
    } else if (known !== undefined || (isWanted && !this.overflow)) {
      this.fresh.set(row.id, merged);
      if (this.fresh.size > MOST_NEW) this.overflow = true;
    }
  }

  /** Adds new rows, drops those that no longer pass the filters, and sorts. False: too many, fetch the first page. */
  settle(): boolean {
    if (this.overflow || this.cutAbove || this.rows.length + this.fresh.size > MOST_ROWS) return false;
    const staying = this.rows.filter((row) => !this.leaving.has(row.id));
    this.rows = [...this.fresh.values(), ...staying].sort(compare);
    this.fresh.clear();
    this.leaving.clear();
    this.running.clear();
    this.noteRunning();
    this.reindex();
    return true;
  }

  remove(ids: readonly string[]): Row[] {
    const gone = new Set(ids);
    const removed = this.rows.filter((row) => gone.has(row.id));
    this.rows = this.rows.filter((row) => !gone.has(row.id));
    for (const id of ids) this.fresh.delete(id);
    this.reindex();
    return removed;
  }

  /** Puts back rows returned by `remove`. */
  restore(rows: readonly Row[]): void {
    this.rows = [...this.rows, ...rows.filter((row) => !this.index.has(row.id))].sort(compare);
    this.reindex();
  }

  /**
   * Running rows first, then by local day, as loaded. A row that ends stays in its group until the next sort.
   */
  groups(): Group[] {
    const groups: { day: Group['day']; rows: Row[] }[] = [];
    for (const row of this.rows) {
      const day = this.running.has(row.id) ? 'running' : startOfDay(row.ts_display);
      const group = groups.at(-1);
      if (group !== undefined && group.day === day) group.rows.push(row);
      else groups.push({ day, rows: [row] });
    }
    return groups;
  }

  private noteRunning(): void {
    for (const row of this.rows) if (isActive(row.status)) this.running.add(row.id);
  }

  private reindex(): void {
    this.index = new Map(this.rows.map((row, at) => [row.id, at]));
  }
}

export function startOfDay(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}
