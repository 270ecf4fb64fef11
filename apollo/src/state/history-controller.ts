import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Client, Page } from '../api/client.js';
import { ApiError } from '../api/session.js';
import type { Row } from '../api/types.js';
import { Archiving } from './archiving.js';
import { NO_FILTERS, matches, toQuery, type Filters } from './filters.js';
import { HistoryList } from './history.js';

export const PAGE = 50;
/** Where only Athena can tell whether a new row passes the filters, it is asked at most once in this time. */
const PEEK_MS = 2_000;
/** The most live changes buffered while a page loads; any others are left to the next page. */
const MOST_MEANWHILE = 1_000;

/** The panel's data: pages and live changes, without rows that are being archived. */
export class HistoryController implements ReactiveController {
  readonly list = new HistoryList();
  filters: Filters = NO_FILTERS;
  /** The first page is being fetched. */
  loading = false;
  loadingMore = false;
  error: ApiError | undefined;
  readonly archiving: Archiving;
  private request: AbortController | undefined;
  /** Live changes while the first page is being fetched, which may be older than they are. */
  private meanwhile: Row[] = [];
  /** Rows for which only Athena can tell whether they pass the filters. */
  private unclear = new Set<string>();
  private peekTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly client: () => Client,
  ) {
    host.addController(this);
    this.archiving = new Archiving(host, client, {
      remove: (ids) => this.list.remove(ids),
      // The filters may have changed since.
      restore: (rows) => this.list.restore(rows.filter((row) => matches(this.filters, row) !== false)),
    });
  }

  hostConnected(): void {
    if (this.loading) void this.load(); // removed from the page during the request
  }

  hostDisconnected(): void {
    this.request?.abort();
    this.loadingMore = false;
    clearTimeout(this.peekTimer);
    this.peekTimer = undefined;
  }

  async load(filters: Filters = this.filters): Promise<void> {
    this.filters = filters;
    this.loading = true;
    this.loadingMore = false; // its request is aborted with the list it belongs to
    this.meanwhile = [];
    this.error = undefined;
    this.host.requestUpdate();
    const page = await this.fetch();
    if (page === undefined) return;
    this.loading = false;
    this.list.reset(this.wanted(page), page.next);
    this.changed(this.meanwhile, false);
    this.meanwhile = [];
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
    this.list.append(this.wanted(page), page.next);
    this.host.requestUpdate();
  }

  /** @param reading the user is looking at the list: new rows must wait */
  changed(rows: readonly Row[], reading: boolean): void {
    for (const row of rows) {
      if (this.archiving.absorb(row)) continue;
      if (this.loading && this.meanwhile.length < MOST_MEANWHILE) this.meanwhile.push(row);
      const wanted = matches(this.filters, { ...this.list.get(row.id), ...row });
      this.list.apply(row, wanted);
      if (wanted !== undefined || this.list.get(row.id) !== undefined) continue;
      this.unclear.add(row.id);
      this.peekTimer ??= setTimeout(() => void this.peek(), PEEK_MS);
    }
    if (!this.loading && !reading) this.list.settle();
    this.host.requestUpdate();
  }

  /** Adds the new rows to the list. */
  showNew(): void {
    if (!this.list.settle()) void this.load();
    this.host.requestUpdate();
  }

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

  /** The rows of a page, without those that are being archived here. */
  private wanted(page: Page): Row[] {
    return page.rows.filter((row) => !this.archiving.isAway(row.id));
  }

  private async peek(): Promise<void> {
    this.peekTimer = undefined;
    const { unclear, filters } = this;
    this.unclear = new Set();
    try {
      const page = await this.client().history(toQuery(filters), PAGE);
      if (filters !== this.filters) return;
      for (const row of this.wanted(page)) if (unclear.has(row.id)) this.list.apply(row, true);
      this.host.requestUpdate();
    } catch {
      // Retried after the next change.
    }
  }
}
