import { readMessage } from '../api/types.js';
import type { Connection, Listener, Transport } from './transport.js';

/** A trial that has not taken over in this time has failed. */
export const TRIAL_MS = 5_000;

export interface TrialEvents {
  /** It is ready, and has reached our position. `missed`: the later messages it has received, in order. */
  aligned(missed: readonly unknown[]): void;
  /** It is ready, but never reached the position of the connection in use. */
  unaligned(): void;
  failed(): void;
}

/**
 * A better transport, tried in parallel to the connection in use. Both deliver the same messages in the same order, so
 * the trial buffers its own until both are at the same position: there it can take over without a gap or a duplicate.
 */
export class Trial {
  private readonly kept: { readonly value: unknown; readonly cursor: string | undefined }[] = [];
  private readonly timer: ReturnType<typeof setTimeout>;
  private readonly connection: Connection;
  private isReady = false;
  private isUnaligned = false;
  private listener: Listener | undefined;

  /** @param position the current cursor of the connection in use */
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
        message: (value) => (this.listener === undefined ? this.keep(value) : this.listener.message(value)),
        alive: () => this.listener?.alive(),
        closed: (refused) => (this.listener === undefined ? events.failed() : this.listener.closed(refused)),
      },
      idleMs,
    );
  }

  close(): void {
    clearTimeout(this.timer);
    this.connection.close();
  }

  /** Makes it the connection in use; `listener` gets all later messages. */
  takeOver(listener: Listener): Connection {
    clearTimeout(this.timer);
    this.listener = listener;
    return this.connection;
  }

  /** Call this after each message of the connection in use. */
  compare(): void {
    if (!this.isReady || this.isUnaligned || this.listener !== undefined) return;
    const position = this.position();
    const at = this.kept.findLastIndex(({ cursor }) => cursor === position);
    if (at >= 0) this.events.aligned(this.kept.slice(at + 1).map(({ value }) => value));
  }

  private keep(value: unknown): void {
    const { kind, cursor } = readMessage(value);
    this.kept.push({ value, cursor });
    if (kind === 'ready') this.isReady = true;
    if (kind === 'reset') this.isUnaligned = true; // another history: start again
    if (this.isReady && this.isUnaligned) this.events.unaligned();
    else this.compare();
  }
}
