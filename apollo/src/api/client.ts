import { ApiError, Session, isRefusal, type Credentials } from './session.js';
import { readDetails, readMessage, readRow, type Details, type Row } from './types.js';

export interface Page {
  readonly rows: readonly Row[];
  /** An opaque cursor; undefined on the last page. */
  readonly next: string | undefined;
  readonly total: number;
}

/** The user, as Athena knows it. */
export interface Viewer {
  readonly name: string;
  readonly role: string;
  /** Whether there is a session to end: not without access control, nor for a key or token. */
  readonly hasSession: boolean;
}

/** The requests to one Athena. `base` ends with a slash. */
export class Client {
  readonly session: Session;
  /** A request was answered 401. Not called by `isSignedOut` or by the transports, which handle 401 themselves. */
  refused: () => void = () => undefined;

  constructor(
    readonly base: string,
    given?: Credentials,
  ) {
    this.session = new Session(this.url('sessions'), given);
  }

  url(path: string, query?: URLSearchParams): URL {
    const url = new URL(`api/v3/${path}`, this.base);
    if (query !== undefined) url.search = query.toString();
    return url;
  }

  /** One page of the history; pass `next` of the previous page to continue without shifting. */
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

  /** @throws ApiError 404 when there is no such transaction, 400 when the id cannot be one */
  async details(id: string, signal?: AbortSignal): Promise<Details> {
    // URLs drop such a segment, however it is encoded, and would address another route.
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
      keepalive: true, // is sent even while the page is being closed
    });
  }

  /** Whether there are changes after this cursor: if so, a silent connection may be dead. */
  async hasChanges(after: string, signal: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ after, wait: '0' });
    const json = await this.ask(this.url('notifications/changes', query), { signal });
    const messages = Array.isArray(json['messages']) ? json['messages'] : [];
    return messages.some((message) => readMessage(message).kind !== 'ready');
  }

  /** The current user; undefined if Athena does not tell. */
  async viewer(signal?: AbortSignal): Promise<Viewer | undefined> {
    const answer = await this.fetch(this.url('sessions/current'), { signal: signal ?? null });
    const json = answer.ok ? await members(answer) : undefined;
    if (json === undefined) return undefined;
    const text = (name: string): string => (typeof json[name] === 'string' ? json[name] : '');
    return { name: text('name'), role: text('role'), hasSession: json['by'] === 'session' };
  }

  async signOut(): Promise<void> {
    const answer = await this.fetch(this.url('sessions/current'), { method: 'DELETE' });
    // 401: the session has already ended.
    if (!answer.ok && answer.status !== 401) throw await failure(answer);
  }

  /** Makes the smallest request: is it refused because we are not signed in? Throws when there is no response. */
  async isSignedOut(signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await this.fetch(this.url('notifications', new URLSearchParams({ limit: '1' })), { signal });
      return answer.status === 401;
    } catch (error) {
      if (isRefusal(error)) return true; // the ticket was refused
      throw error;
    }
  }

  /** `fetch` with our credentials. It throws what `fetch` and `Session.bearer` throw. */
  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const bearer = await this.session.bearer();
    const headers = new Headers(init.headers);
    if (bearer !== undefined) headers.set('Authorization', `Bearer ${bearer}`);
    // Over plain http, browsers do not identify the page in same-origin GETs; without that, Athena refuses the cookie.
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
