import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Client } from '../api/client.js';
import { ApiError } from '../api/session.js';
import type { Row } from '../api/types.js';

export const UNDO_MS = 5_000;

/** The list that rows are removed from and restored to. */
export interface Rows {
  remove(ids: readonly string[]): Row[];
  restore(rows: readonly Row[]): void;
}

/** Ids to archive; `rows` are those of them that were loaded. */
interface Batch {
  ids: readonly string[];
  rows: readonly Row[];
}

export interface Failure {
  readonly ids: readonly string[];
  /** We lack the permission; retrying is pointless. */
  readonly isForbidden: boolean;
}

/** Selects and archives rows. Archiving can be undone for 5 s, after which the request is sent. */
export class Archiving implements ReactiveController {
  selected: ReadonlySet<string> = new Set();
  failure: Failure | undefined;
  private batch: Batch | undefined;
  /** Requests without a response yet. */
  private readonly sent = new Set<Batch>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly client: () => Client,
    private readonly list: Rows,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    window.addEventListener('pagehide', this.commit);
  }

  hostDisconnected(): void {
    window.removeEventListener('pagehide', this.commit);
    void this.commit();
  }

  /** What can still be undone. */
  get pending(): readonly string[] {
    return this.batch?.ids ?? [];
  }

  select(id: string, on: boolean): void {
    const set = new Set(this.selected);
    if (on) set.add(id);
    else set.delete(id);
    this.selected = set;
    this.host.requestUpdate();
  }

  clearSelection(): void {
    this.selected = new Set();
    this.host.requestUpdate();
  }

  /** Removes the selected rows at once; the request follows after 5 s without an undo. */
  archiveSelected(): readonly string[] {
    const ids = [...this.selected];
    this.selected = new Set();
    this.archive(ids);
    return ids;
  }

  archive(ids: readonly string[]): void {
    void this.commit();
    this.failure = undefined;
    this.batch = { ids, rows: this.list.remove(ids) };
    this.timer = setTimeout(this.commit, UNDO_MS);
    this.host.requestUpdate();
  }

  undo(): void {
    clearTimeout(this.timer);
    this.list.restore(this.batch?.rows ?? []);
    this.batch = undefined;
    this.host.requestUpdate();
  }

  /** Sends the request now. Resolves, and never rejects, after the response or a failure. */
  readonly commit = async (): Promise<void> => {
    clearTimeout(this.timer);
    const { batch } = this;
    this.batch = undefined;
    if (batch === undefined) return;
    this.host.requestUpdate();
    await this.send(batch);
  };

  /** Repeats what failed, without time to undo. */
  retry(): void {
    const { failure } = this;
    if (failure === undefined) return;
    this.failure = undefined;
    const { ids } = failure;
    this.host.requestUpdate();
    void this.send({ ids, rows: this.list.remove(ids) });
  }

  dismissFailure(): void {
    this.failure = undefined;
    this.host.requestUpdate();
  }

  isAway(id: string): boolean {
    return this.batches().some(({ ids }) => ids.includes(id));
  }

  /** Whether this row is being archived. Its latest state is kept, in case it is restored. */
  absorb(row: Row): boolean {
    for (const batch of this.batches()) {
      if (!batch.ids.includes(row.id)) continue;
      batch.rows = batch.rows.map((known) => (known.id === row.id ? { ...known, ...row } : known));
      return true;
    }
    return false;
  }

  /** These were archived, by any client: they are not restored. */
  gone(ids: readonly string[]): void {
    const left = new Set(ids);
    for (const batch of this.batches()) {
      batch.ids = batch.ids.filter((id) => !left.has(id));
      batch.rows = batch.rows.filter(({ id }) => !left.has(id));
    }
    if (this.batch?.ids.length === 0) {
      clearTimeout(this.timer);
      this.batch = undefined;
    }
    const kept = this.failure?.ids.filter((id) => !left.has(id)) ?? [];
    this.failure = this.failure !== undefined && kept.length > 0 ? { ...this.failure, ids: kept } : undefined;
    this.selected = new Set([...this.selected].filter((id) => !left.has(id)));
    this.host.requestUpdate();
  }

  /** The history was replaced: rows of the old one are neither archived nor restored. */
  forget(): void {
    clearTimeout(this.timer);
    this.batch = this.failure = undefined;
    this.sent.clear();
    this.selected = new Set();
    this.host.requestUpdate();
  }

  private batches(): Batch[] {
    return this.batch === undefined ? [...this.sent] : [this.batch, ...this.sent];
  }

  private async send(batch: Batch): Promise<void> {
    this.sent.add(batch);
    try {
      await this.client().archive(batch.ids);
    } catch (error) {
      // Not if the history was replaced meanwhile, or other clients archived them.
      if (this.sent.has(batch) && batch.ids.length > 0) this.failed(batch, error);
    } finally {
      this.sent.delete(batch);
    }
  }

  private failed(batch: Batch, error: unknown): void {
    this.list.restore(batch.rows);
    const ids = [...(this.failure?.ids ?? []), ...batch.ids];
    this.failure = { ids, isForbidden: error instanceof ApiError && error.status === 403 };
    this.host.requestUpdate();
  }
}
