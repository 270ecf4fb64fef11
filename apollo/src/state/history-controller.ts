import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { ApiError, type Client } from '../api/client.js';
import type { Row } from '../api/types.js';
import { NO_FILTERS, matches, toQuery, type Filters } from './filters.js';
import { HistoryList } from './history.js';

export const PAGE = 50;
export const UNDO_MS = 5_000;
/** Where only Athena can tell whether a new row fits the filters, it is asked at most so often. */
const PEEK_MS = 2_000;

export interface PendingArchive {
  readonly ids: readonly string[];
  readonly rows: readonly Row[];
}

/** The panel's data: pages, live changes, archiving with undo. */
export class HistoryController implements ReactiveController {
  readonly list = new HistoryList();
  filters: Filters = NO_FILTERS;
  /** The first page is on its way. */
  loading = false;
  loadingMore = false;
  error: ApiError | undefined;
  pending: PendingArchive | undefined;
  archiveFailed = false;
  private request: AbortController | undefined;
  private undoTimer: ReturnType<typeof setTimeout> | undefined;
  private peekTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly client: () => Client,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    window.addEventListener('pagehide', this.commit);
  }

  hostDisconnected(): void {
    window.removeEventListener('pagehide', this.commit);
    this.request?.abort();
    clearTimeout(this.peekTimer);
    this.peekTimer = undefined;
    this.commit();
  }

  async load(filters: Filters = this.filters): Promise<void> {
    this.filters = filters;
    this.loading = true;
    this.error = undefined;
    this.host.requestUpdate();
    const page = await this.fetch();
    if (page === undefined) return;
    this.loading = false;
    const hidden = new Set(this.pending?.ids);
    this.list.reset(page.rows.filter((row) => !hidden.has(row.id)), page.next);
    this.host.requestUpdate();
  }

  async more(): Promise<void> {
    if (this.loading || this.loadingMore || this.list.next === undefined) return;
    this.loadingMore = true;
    this.error = undefined;
    this.host.requestUpdate();
    const page = await this.fetch(this.list.next);
    if (page === undefined) return;
    this.loadingMore = false;
    this.list.append(page.rows, page.next);
    this.host.requestUpdate();
  }

  /** @param reading somebody looks at the list: new rows have to wait */
  changed(rows: readonly Row[], reading: boolean): void {
    const hidden = new Set(this.pending?.ids);
    for (const row of rows) {
      if (hidden.has(row.id)) continue;
      const wanted = matches(this.filters, row);
      this.list.apply(row, wanted === true);
      if (wanted === undefined && !this.list.has(row.id)) this.peekTimer ??= setTimeout(() => void this.peek(), PEEK_MS);
    }
    if (!this.loading && !reading) this.list.settle();
    this.host.requestUpdate();
  }

  /** Lets the new rows in. */
  showNew(): void {
    if (!this.list.settle()) void this.load();
    this.host.requestUpdate();
  }

  /** Takes them away at once; tells Athena only when nobody wanted them back for 5 s. */
  archive(ids: readonly string[]): void {
    this.commit();
    this.archiveFailed = false;
    this.pending = { ids, rows: this.list.remove(ids) };
    this.undoTimer = setTimeout(this.commit, UNDO_MS);
    this.host.requestUpdate();
  }

  undo(): void {
    clearTimeout(this.undoTimer);
    if (this.pending !== undefined) this.list.restore(this.pending.rows);
    this.pending = undefined;
    this.host.requestUpdate();
  }

  readonly commit = (): void => {
    clearTimeout(this.undoTimer);
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    this.host.requestUpdate();
    this.client()
      .archive(pending.ids)
      .catch(() => {
        this.list.restore(pending.rows);
        this.archiveFailed = true;
        this.host.requestUpdate();
      });
  };

  private async fetch(next?: string) {
    this.request?.abort();
    const request = (this.request = new AbortController());
    try {
      return await this.client().history(toQuery(this.filters), PAGE, next, request.signal);
    } catch (error) {
      if (request.signal.aborted) return undefined;
      this.loading = this.loadingMore = false;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'unknown', String(error));
      this.host.requestUpdate();
      return undefined;
    }
  }

  private async peek(): Promise<void> {
    this.peekTimer = undefined;
    try {
      const page = await this.client().history(toQuery(this.filters), PAGE);
      for (const row of page.rows) this.list.apply(row, true);
      this.host.requestUpdate();
    } catch {
      // The next change asks again.
    }
  }
}
