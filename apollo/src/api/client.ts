import { ApiError, Session, isRefusal, type Given } from './session.js';
import { readDetails, readMessage, readRow, type Details, type Row } from './types.js';

export interface Page {
  readonly rows: readonly Row[];
  /** Opaque; undefined on the last page. */
  readonly next: string | undefined;
  readonly total: number;
}

/** Who Athena takes us for. */
export interface Viewer {
  readonly name: string;
  readonly role: string;
  /** There is one to end: not where there is no access control, nor for a key or token. */
  readonly hasSession: boolean;
}

/** The requests to one Athena. `base` ends with a slash. */
export class Client {
  readonly session: Session;
  /** A request was answered 401. Not called for those that find out about it (`isSignedOut`, the transports). */
  refused: () => void = () => undefined;

  constructor(
    readonly base: string,
    given?: Given,
  ) {
    this.session = new Session(this.url('sessions'), given);
  }

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

  /** @throws ApiError 404 or 400 when there is no such transaction, or cannot be */
  async details(id: string, signal?: AbortSignal): Promise<Details> {
    // Addresses lose such a part, however it is encoded: it would be another route that answers.
    if (id === '.' || id === '..') throw new ApiError(404, 'unaddressable', `expected a transaction id, got ${id}`);
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

  /** Who we are to Athena; undefined where it does not say. */
  async viewer(signal?: AbortSignal): Promise<Viewer | undefined> {
    const answer = await this.fetch(this.url('sessions/current'), { signal: signal ?? null });
    const json = answer.ok ? await members(answer) : undefined;
    if (json === undefined) return undefined;
    const text = (name: string): string => (typeof json[name] === 'string' ? json[name] : '');
    return { name: text('name'), role: text('role'), hasSession: json['by'] === 'session' };
  }

  async signOut(): Promise<void> {
    const answer = await this.fetch(this.url('sessions/current'), { method: 'DELETE' });
    // 401: it had ended by itself.
    if (!answer.ok && answer.status !== 401) throw await failure(answer);
  }

  /** Asks for the least there is: is that refused for want of who we are? Throws when there is no answer. */
  async isSignedOut(signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await this.fetch(this.url('notifications', new URLSearchParams({ limit: '1' })), { signal });
      return answer.status === 401;
    } catch (error) {
      if (isRefusal(error)) return true; // the ticket
      throw error;
    }
  }

  /** `fetch`, as whoever we are. Its errors are `fetch`'s, and those of `Session.bearer`. */
  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const bearer = await this.session.bearer();
    const headers = new Headers(init.headers);
    if (bearer !== undefined) headers.set('Authorization', `Bearer ${bearer}`);
    // Over plain http browsers do not say which page asks for its own data, and a cookie counts only if somebody does.
    else if (url.origin === location.origin) headers.set('X-Athena-Page', 'apollo');
    return fetch(url, { cache: 'no-store', credentials: this.session.cookies, ...init, headers });
  }

  private async ask(url: URL, init: RequestInit): Promise<Record<string, unknown>> {
    let answer: Response;
    try {
      answer = await this.fetch(url, init);
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      if (isRefusal(error)) this.refused();
      throw error instanceof ApiError ? error : new ApiError(0, 'unreachable', String(error));
    }
    if (answer.status === 401) this.refused();
    if (!answer.ok) throw await failure(answer);
    const json = await members(answer);
    if (json === undefined) throw new ApiError(answer.status, 'unreadable', `${answer.status}`);
    return json;
  }
}

async function members(answer: Response): Promise<Record<string, unknown> | undefined> {
  const json: unknown = await answer.json().catch(() => undefined);
  return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
}

async function failure(answer: Response): Promise<ApiError> {
  const json = await members(answer);
  const code = typeof json?.['code'] === 'string' ? json['code'] : 'unreadable';
  const sentence = typeof json?.['error'] === 'string' ? json['error'] : `${answer.status}`;
  return new ApiError(answer.status, code, sentence);
}
