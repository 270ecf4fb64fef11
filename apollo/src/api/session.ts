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

/** Athena does not know who asks, or no longer does. */
export const isRefusal = (error: unknown): boolean => error instanceof ApiError && error.status === 401;

/** What the page gives Apollo to sign in with. Nothing of it: the browser's own cookie, or nothing at all. */
export interface Given {
  /** A single-use ticket, exchanged for a token before the first request. Goes before `token`. */
  readonly ticket: string;
  /** A bearer token that the page has itself. */
  readonly token: string;
  /** Send cookies to an Athena on another origin too. */
  readonly cookies: boolean;
}

export const NOTHING_GIVEN: Given = { ticket: '', token: '', cookies: false };

const EXCHANGE_MS = 10_000;

/** As whom Apollo asks. Tokens are kept in memory only: they go with the page. */
export class Session {
  private given: Given = NOTHING_GIVEN;
  private exchange: Promise<string | undefined> | undefined;

  /** @param address where tickets are exchanged: `POST <base>api/v3/sessions` */
  constructor(
    private readonly address: URL,
    given: Given = NOTHING_GIVEN,
  ) {
    this.given = given;
  }

  /** Whether the page, not Apollo's user, has to sign in again. */
  get isGiven(): boolean {
    return this.given.ticket !== '' || this.given.token !== '';
  }

  get cookies(): RequestCredentials {
    return this.given.cookies ? 'include' : 'same-origin';
  }

  /** False when it is what was given before. */
  renew(given: Given): boolean {
    const { ticket, token, cookies } = this.given;
    if (ticket === given.ticket && token === given.token && cookies === given.cookies) return false;
    if (ticket !== given.ticket) this.exchange = undefined;
    this.given = given;
    return true;
  }

  /**
   * The bearer token, or undefined where none is needed. The ticket is exchanged once, however many ask meanwhile.
   * @throws ApiError 401 when Athena refused the ticket (from then on always), else why it could not be exchanged yet
   */
  async bearer(): Promise<string | undefined> {
    const { ticket, token } = this.given;
    if (ticket === '') return token === '' ? undefined : token;
    const exchange = (this.exchange ??= this.redeem(ticket));
    try {
      return await exchange;
    } catch (error) {
      // A ticket that was refused stays so; one that never arrived may be sent again.
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
    if (answer.status === 404) return undefined; // an Athena without access control takes everybody
    const json: unknown = await answer.json().catch(() => undefined);
    const token = (json as { token?: unknown } | null | undefined)?.token;
    if (answer.ok && typeof token === 'string') return token;
    const final = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
    throw new ApiError(final ? 401 : answer.status, final ? 'unauthorized' : 'unreadable', `${answer.status}`);
  }
}
