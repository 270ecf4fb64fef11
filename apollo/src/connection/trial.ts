import { readMessage } from '../api/types.js';
import type { Connection, Listener, Transport } from './transport.js';

/** Without having taken over by then, a trial has failed. */
export const TRIAL_MS = 5_000;

export interface TrialEvents {
  /** It works, and is where we are. `missed`: what it brought beyond that, in order; from now on `become` decides. */
  aligned(missed: readonly unknown[]): void;
  /** It works, but never met the position of the connection in use. */
  unaligned(): void;
  failed(): void;
}

/**
 * A better transport, tried beside the connection in use. Both bring the same messages in the same order, so the trial
 * keeps what it gets until it meets the position of the other: there it can take over without a gap or a duplicate.
 */
export class Trial {
  private readonly kept: { readonly value: unknown; readonly cursor: string | undefined }[] = [];
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly connection: Connection;
  private isReady = false;
  private isUnaligned = false;
  private heir: Listener | undefined;

  /** @param position where the connection in use is now */
  constructor(
    readonly transport: Transport,
    idleMs: number | undefined,
    private readonly position: () => string,
    private readonly events: TrialEvents,
  ) {
    const after = position();
    this.kept.push({ value: undefined, cursor: after });
    this.timer = setTimeout(() => (this.isReady ? events.unaligned() : events.failed()), TRIAL_MS);
    this.connection = transport.open(
      after,
      {
        message: (value) => (this.heir === undefined ? this.keep(value) : this.heir.message(value)),
        alive: () => this.heir?.alive(),
        closed: (refused) => (this.heir === undefined ? events.failed() : this.heir.closed(refused)),
      },
      idleMs,
    );
  }

  close(): void {
    clearTimeout(this.timer);
    this.connection.close();
  }

  /** From now on it is the connection in use. */
  become(heir: Listener): Connection {
    clearTimeout(this.timer);
    this.heir = heir;
    return this.connection;
  }

  /** To be called after each message of the connection in use. */
  compare(): void {
    if (!this.isReady || this.isUnaligned || this.heir !== undefined) return;
    const position = this.position();
    const at = this.kept.findLastIndex(({ cursor }) => cursor === position);
    if (at >= 0) this.events.aligned(this.kept.slice(at + 1).map(({ value }) => value));
  }

  private keep(value: unknown): void {
    const { kind, cursor } = readMessage(value);
    this.kept.push({ value, cursor });
    if (kind === 'ready') this.isReady = true;
    if (kind === 'reset') this.isUnaligned = true; // another history: begin anew
    if (this.isReady && this.isUnaligned) this.events.unaligned();
    else this.compare();
  }
}
