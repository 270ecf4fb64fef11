import { readDetails, readMessage, readRow, type Details, type Row } from './types.js';

export interface Page {
  readonly rows: readonly Row[];
  /** Opaque; undefined on the last page. */
  readonly next: string | undefined;
  readonly total: number;
}

/** Why Athena could not be asked, or what it answered instead. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /** @param status HTTP status, or 0 when there was no answer at all. */
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** The addresses below one Athena. `base` ends with a slash. */
export class Client {
  constructor(readonly base: string) {}

  url(path: string, query?: URLSearchParams): URL {
    const url = new URL(`api/v3/${path}`, this.base);
    if (query !== undefined) url.search = query.toString();
    return url;
  }

  /** One page of the history; give `next` of the page before to go on without shifting. */
  async history(filters: URLSearchParams, limit: number, next?: string, signal?: AbortSignal): Promise<Page> {
    const query = new URLSearchParams(filters);
    query.set('limit', String(limit));
    if (next !== undefined) query.set('next', next);
    const json = await this.ask(this.url('notifications', query), { signal: signal ?? null });
    const listed = Array.isArray(json['notifications']) ? json['notifications'] : [];
    return {
      rows: listed.map(readRow).filter((row): row is Row => row !== undefined),
      next: typeof json['next'] === 'string' ? json['next'] : undefined,
      total: typeof json['total'] === 'number' ? json['total'] : 0,
    };
  }

  async details(id: string, signal?: AbortSignal): Promise<Details> {
    const json = await this.ask(this.url(`webhooks/txs/${encodeURIComponent(id)}`), { signal: signal ?? null });
    const details = readDetails(json);
    if (details === undefined) throw new ApiError(200, 'unreadable', 'expected a transaction, got something else');
    return details;
  }

  async archive(ids: readonly string[]): Promise<void> {
    await this.ask(this.url('notifications/bulk'), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ notification_ids: ids }),
      keepalive: true, // also goes through while the page is being left
    });
  }

  /** Are there changes behind this cursor? Finds out whether a silent connection is dead. */
  async hasChanges(after: string, signal: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ after, wait: '0' });
    const json = await this.ask(this.url('notifications/changes', query), { signal });
    const messages = Array.isArray(json['messages']) ? json['messages'] : [];
    return messages.some((message) => readMessage(message).kind !== 'ready');
  }

  private async ask(url: URL, init: RequestInit): Promise<Record<string, unknown>> {
    let answer: Response;
    try {
      answer = await fetch(url, { cache: 'no-store', ...init });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new ApiError(0, 'unreachable', String(error));
    }
    const json: unknown = await answer.json().catch(() => undefined);
    const members = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
    if (!answer.ok || members === undefined) {
      const code = typeof members?.['code'] === 'string' ? members['code'] : 'unreadable';
      const sentence = typeof members?.['error'] === 'string' ? members['error'] : `${answer.status}`;
      throw new ApiError(answer.status, code, sentence);
    }
    return members;
  }
}
