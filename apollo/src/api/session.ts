/** Athena could not be reached, or answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /** @param status HTTP status, or 0 when there was no response. */
  constructor(
    readonly status: number,
    readonly code: string,
    sentence: string,
  ) {
    super(sentence);
  }
}

/** Athena does not accept our credentials, or no longer does. */
export const isRefusal = (error: unknown): boolean => error instanceof ApiError && error.status === 401;

/** What the page gives Apollo to sign in with. If it is empty: the browser's cookie, or no credentials at all. */
export interface Credentials {
  /** A single-use ticket, exchanged for a token before the first request. Takes precedence over `token`. */
  readonly ticket: string;
  /** A bearer token that the page already has. */
  readonly token: string;
  /** Send cookies to an Athena on another origin too. */
  readonly cookies: boolean;
}

export const NOTHING_GIVEN: Credentials = { ticket: '', token: '', cookies: false };

const EXCHANGE_MS = 10_000;

/** Apollo's credentials. Tokens are kept in memory only, for the life of the page. */
export class Session {
  private given: Credentials = NOTHING_GIVEN;
  private exchange: Promise<string | undefined> | undefined;

  /** @param address where tickets are exchanged: `POST <base>api/v3/sessions` */
  constructor(
    private readonly address: URL,
    given: Credentials = NOTHING_GIVEN,
  ) {
    this.given = given;
  }

  /** Whether the page, not the user, must sign in again. */
  get isGiven(): boolean {
    return this.given.ticket !== '' || this.given.token !== '';
  }

  get cookies(): RequestCredentials {
    return this.given.cookies ? 'include' : 'same-origin';
  }

  /** Replaces the credentials; false when they are unchanged. */
  renew(given: Credentials): boolean {
    const { ticket, token, cookies } = this.given;
    if (ticket === given.ticket && token === given.token && cookies === given.cookies) return false;
    if (ticket !== given.ticket) this.exchange = undefined;
    this.given = given;
    return true;
  }

  /**
   * The bearer token, or undefined where none is needed. Concurrent calls exchange the ticket only once.
   * @throws ApiError 401 when Athena refused the ticket (permanently), otherwise why it could not be exchanged yet
   */
  async bearer(): Promise<string | undefined> {
    const { ticket, token } = this.given;
    if (ticket === '') return token === '' ? undefined : token;
    const exchange = (this.exchange ??= this.redeem(ticket));
    try {
      return await exchange;
    } catch (error) {
      // A refused ticket stays refused; one that never arrived may be sent again.
      if (this.exchange === exchange && !isRefusal(error)) this.exchange = undefined;
      throw error;
    }
  }

  private async redeem(ticket: string): Promise<string | undefined> {
    let answer: Response;
    try {
      answer = await fetch(this.address, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ ticket }),
        cache: 'no-store',
        credentials: this.cookies,
        signal: AbortSignal.timeout(EXCHANGE_MS),
      });
    } catch (error) {
      throw new ApiError(0, 'unreachable', String(error));
    }
    if (answer.status === 404) return undefined; // an Athena without access control needs no token
    const json: unknown = await answer.json().catch(() => undefined);
    const token = (json as { token?: unknown } | null | undefined)?.token;
    if (answer.ok && typeof token === 'string') return token;
    const final = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
    throw new ApiError(final ? 401 : answer.status, final ? 'unauthorized' : 'unreadable', `${answer.status}`);
  }
}
