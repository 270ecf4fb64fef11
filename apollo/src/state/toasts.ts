import { isActive, type Row } from '../api/types.js';
import { split } from './title.js';

export const MOST_TOASTS = 4;
export const SUCCESS_MS = 10_000;
/** A running toast that has not changed for this long gives its place to a new one. */
export const STALE_MS = 5_000;
/** Bounds memory; dropped toasts are still in the history. */
const MOST_WAITING = 1_000;

export interface Toast {
  readonly row: Row;
  readonly title: string;
  readonly text: string;
  /** When it last changed, by the local clock, in ms. */
  readonly at: number;
  /** How long a success has been visible, in ms. */
  readonly shownMs: number;
}

export interface Summary {
  readonly finished: number;
  readonly failed: number;
  readonly running: number;
}

/**
 * The toasts: one per transaction, updated in place, at most four, the rest counted. Pure: `now` is a parameter. Toasts
 * keep their places, since one that moves while the user reads it (or aims at its button) is worse than none.
 */
export class Toasts {
  private shown: Toast[] = [];
  private waiting = new Map<string, Toast>();
  /** Closed by the user while running: shown again only when they end. */
  private closed = new Set<string>();
  summary: Summary | undefined;

  constructor(private most = MOST_TOASTS) {}

  get visible(): readonly Toast[] {
    return this.shown;
  }

  get hidden(): number {
    return this.waiting.size;
  }

  get isEmpty(): boolean {
    return this.shown.length === 0 && this.waiting.size === 0 && this.summary === undefined;
  }

  apply(row: Row, now: number): void {
    if (this.closed.has(row.id)) {
      if (isActive(row.status)) return;
      this.closed.delete(row.id);
    }
    const index = this.shown.findIndex((toast) => toast.row.id === row.id);
    const before = this.shown[index] ?? this.waiting.get(row.id);
    const toast: Toast = { row, ...split(row, before?.title), at: now, shownMs: 0 };
    if (index >= 0) {
      this.shown[index] = toast;
      return;
    }
    this.waiting.delete(row.id);
    if (this.shown.length < this.most || this.makeRoom(row, now)) this.shown.unshift(toast);
    else this.wait(toast);
  }

  /** Rows replayed by a reconnect: a few are shown as if live, many as one summary. */
  replay(rows: readonly Row[], now: number): void {
    const latest = new Map(rows.map((row) => [row.id, row]));
    if (rows.length <= 3) {
      for (const row of latest.values()) this.apply(row, now);
      return;
    }
    const summary = { finished: 0, failed: 0, running: 0 };
    for (const row of latest.values()) {
      if (row.status === 'success') summary.finished += 1;
      else if (row.status === 'error') summary.failed += 1;
      else summary.running += 1;
      // Toasts on the screen must not keep an old state.
      if (this.shown.some((toast) => toast.row.id === row.id)) this.apply(row, now);
      else this.waiting.delete(row.id);
    }
    this.summary = summary;
  }

  /** Advances time: successes disappear, waiting toasts move up. `held`: hovered or focused ones stay. */
  tick(now: number, elapsedMs: number, held: (id: string) => boolean): void {
    this.shown = this.shown
      .map((toast) =>
        toast.row.status === 'success' && !held(toast.row.id)
          ? { ...toast, shownMs: toast.shownMs + elapsedMs }
          : toast,
      )
      .filter((toast) => toast.shownMs < SUCCESS_MS);
    for (const [id, toast] of this.waiting) {
      if (toast.row.status === 'success' && now - toast.at >= SUCCESS_MS) this.waiting.delete(id);
    }
    this.fill();
  }

  close(id: string): void {
    const toast = this.shown.find((shown) => shown.row.id === id);
    if (toast === undefined) return;
    if (isActive(toast.row.status)) {
      this.closed.add(id);
      if (this.closed.size > MOST_WAITING) this.closed.delete(this.closed.values().next().value as string);
    }
    this.remove([id]);
  }

  remove(ids: readonly string[]): void {
    const gone = new Set(ids);
    this.shown = this.shown.filter((toast) => !gone.has(toast.row.id));
    for (const id of ids) this.waiting.delete(id);
    this.fill();
  }

  /** Sets how many fit. */
  limit(most: number): void {
    this.most = most;
    while (this.shown.length > most) {
      const last = this.shown.findLast((toast) => toast.row.status !== 'error') ?? this.shown.at(-1)!;
      this.shown = this.shown.filter((toast) => toast !== last);
      this.wait(last);
    }
    this.fill();
  }

  /** The panel now shows them all. */
  clearWaiting(): void {
    this.waiting.clear();
  }

  clear(): void {
    this.shown = [];
    this.waiting.clear();
    this.summary = undefined;
  }

  private fill(): void {
    while (this.shown.length < this.most && this.waiting.size > 0) {
      const waiting = [...this.waiting.values()];
      const next = waiting.findLast((toast) => toast.row.status === 'error') ?? waiting.at(-1)!;
      this.waiting.delete(next.row.id);
      this.shown.push(next);
    }
  }

  /** A failure always gets a place; others only get that of a running toast unchanged for `STALE_MS`. */
  private makeRoom(row: Row, now: number): boolean {
    const others = this.shown.filter((toast) => toast.row.status !== 'error');
    const victim =
      row.status === 'error'
        ? (oldest(others.filter((toast) => toast.row.status === 'success')) ?? oldest(others) ?? oldest(this.shown))
        : oldest(others.filter((toast) => isActive(toast.row.status) && now - toast.at >= STALE_MS));
    if (victim === undefined) return false;
    this.shown = this.shown.filter((toast) => toast !== victim);
    this.wait(victim);
    return true;
  }

  private wait(toast: Toast): void {
    this.waiting.set(toast.row.id, toast);
    if (this.waiting.size <= MOST_WAITING) return;
    // Failures are dropped last.
    for (const [id, waiting] of this.waiting) {
      if (waiting.row.status === 'error') continue;
      this.waiting.delete(id);
      return;
    }
    this.waiting.delete(this.waiting.keys().next().value as string);
  }
}

function oldest(among: readonly Toast[]): Toast | undefined {
  return among.reduce<Toast | undefined>((a, b) => (a !== undefined && a.at <= b.at ? a : b), undefined);
}
