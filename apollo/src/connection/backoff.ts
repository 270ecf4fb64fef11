export const FIRST_MS = 500;
export const MOST_MS = 30_000;

/**
 * Exponential backoff with full jitter: a random delay between 0 and a bound that doubles from 0.5 s to 30 s, so that
 * ten thousand pages that lost the same server do not reconnect at the same moment.
 */
export class Backoff {
  private attempts = 0;

  constructor(private readonly random: () => number = Math.random) {}

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const bound = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(this.attempts, 16));
    this.attempts += 1;
    return Math.round(this.random() * bound);
  }

  reset(): void {
    this.attempts = 0;
  }
}
