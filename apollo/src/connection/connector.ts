import { readMessage, type LiveMessage } from '../api/types.js';
import type { Backoff } from './backoff.js';
import type { Position } from './position.js';
import type { Connection, Listener, Transport, TransportName } from './transport.js';
import { Trial } from './trial.js';

/** A transport that sends no `ready` in this time has failed (a buffering proxy lets nothing through at all). */
export const READY_MS = 5_000;
/** A connection that lived this long was stable. */
export const STABLE_MS = 60_000;
/** After this many short-lived connections in a row, the next worse transport is tried. */
export const CUTS = 3;
export const UPGRADE_FIRST_MS = 30_000;
export const UPGRADE_MOST_MS = 600_000;
/** A stream that is silent for this long (Athena sends keep-alives every 25 s) is dead. */
export const SILENT_MS = 60_000;
export const PING_MS = 20_000;
const MIN_PING_MS = 2_000;
/** A connection that lived this long resets the backoff. */
const WORKED_MS = 3_000;
/** Shorter silences before a cut say nothing about an idle timeout. */
const MIN_IDLE_MS = 3_000;
/** Two silences that differ by less than this were cut by the same idle timeout. */
const IDLE_TOLERANCE_MS = 2_000;
/** How long a change that the server already has may still be on its way here. */
const DELIVERY_MS = 2_000;

export type Phase = 'stopped' | 'connecting' | 'live' | 'waiting' | 'signed-out';

export interface ConnectorState {
  readonly phase: Phase;
  /** The transport in use, or the last that worked. */
  readonly transport: TransportName | undefined;
}

export interface ConnectorEvents {
  /** @param replay it was missed before this connection was made, and is sent again */
  message(message: LiveMessage, replay: boolean): void;
  state(state: ConnectorState): void;
}

export interface Parts {
  /** Best first. */
  readonly transports: readonly Transport[];
  readonly position: Position;
  readonly backoff: Backoff;
  /** Whether the server has changes after a cursor; asked by a separate request, not over the connection. */
  readonly hasChanges: (after: string, signal: AbortSignal) => Promise<boolean>;
  /** Whether Athena refuses us because we are not signed in. */
  readonly isSignedOut: (signal: AbortSignal) => Promise<boolean>;
}

type Timer = ReturnType<typeof setTimeout> | undefined;

/**
 * Keeps one connection alive. It tries the transports, best first, until one is ready; if none is, it waits and starts
 * again. While it uses a worse one, it checks from time to time whether a better one works again. Every connection
 * starts at the last cursor, so switching loses nothing.
 */
export class Connector {
  private phase: Phase = 'stopped';
  private transport: TransportName | undefined;
  private connection: Connection | undefined;
  private transportIndex = 0;
  private cuts = 0;
  private readyAt = 0;
  private lastAt = 0;
  private idleMs: number | undefined;
  private upgradeMs = UPGRADE_FIRST_MS;
  private retryTimer: Timer;
  private readyTimer: Timer;
  private upgradeTimer: Timer;
  private watchTimer: ReturnType<typeof setInterval> | undefined;
  private trial: Trial | undefined;
  private lastQuiet = 0;
  private examination: AbortController | undefined;
  private check: AbortController | undefined;
  private checkedAt = 0;

  constructor(
    private readonly parts: Parts,
    private readonly events: ConnectorEvents,
  ) {}

  get state(): ConnectorState {
    return { phase: this.phase, transport: this.transport };
  }

  start(): void {
    if (this.phase === 'stopped') this.attempt(0);
  }

  stop(): void {
    this.rest('stopped');
  }

  /** The network is back, or the page is visible again: stop waiting, and verify an old connection. */
  wake(): void {
    if (this.phase === 'signed-out') {
      void this.checkSignedOut(() => this.attempt(0));
    } else if (this.phase === 'waiting') {
      this.examination?.abort();
      this.examination = undefined;
      clearTimeout(this.retryTimer);
      this.parts.backoff.reset();
      this.attempt(0);
    } else if (this.phase === 'live') {
      void this.verify();
    }
  }

  /** A request was answered 401: checks whether we are signed out altogether. */
  verifySession(): void {
    const isRunning = this.phase !== 'stopped' && this.phase !== 'signed-out';
    if (isRunning && this.examination === undefined) void this.checkSignedOut(() => undefined);
  }

  private rest(phase: 'stopped' | 'signed-out'): void {
    this.drop();
    clearTimeout(this.retryTimer);
    this.examination?.abort();
    this.examination = undefined;
    this.enter(phase);
  }

  private enter(phase: Phase): void {
    if (phase === this.phase) return;
    this.phase = phase;
    this.events.state(this.state);
  }

  private drop(): void {
    clearTimeout(this.readyTimer);
    clearTimeout(this.upgradeTimer);
    clearInterval(this.watchTimer);
    this.check?.abort();
    this.trial?.close();
    this.connection?.close();
    this.check = this.trial = this.connection = undefined;
  }

  private attempt(transportIndex: number): void {
    const transport = this.parts.transports[transportIndex];
    if (transport === undefined) {
      this.enter('waiting');
      this.retryTimer = setTimeout(() => this.attempt(0), this.parts.backoff.next());
      return;
    }
    this.drop();
    this.transportIndex = transportIndex;
    this.enter('connecting');
    const after = this.parts.position.get();
    let ready = false;
    const failed = (refused = false): void => {
      const goOn = (): void => (ready ? this.cut() : this.attempt(transportIndex + 1));
      if (refused) this.refused(goOn);
      else goOn();
    };
    const expectReady = (): void => {
      clearTimeout(this.readyTimer);
      this.readyTimer = setTimeout(failed, READY_MS);
    };
    expectReady();
    const message = (value: unknown): void => {
      const { kind } = this.received(value, !ready && after !== '');
      if (ready) return;
      if (kind !== 'ready') return expectReady(); // a long replay is not a dead connection
      ready = true;
      this.established(transport.name);
    };
    this.connection = transport.open(after, { message, alive: this.heard, closed: failed }, this.idleMs);
  }

  private readonly heard = (): void => {
    this.lastAt = Date.now();
  };

  private received(value: unknown, replay: boolean): LiveMessage {
    this.heard();
    const message = readMessage(value);
    if (message.cursor !== undefined) this.parts.position.set(message.cursor);
    this.events.message(message, replay);
    this.trial?.compare();
    return message;
  }

  private established(name: TransportName): void {
    clearTimeout(this.readyTimer);
    this.transport = name;
    this.readyAt = this.lastAt = this.checkedAt = Date.now();
    this.phase = 'live';
    this.events.state(this.state);
    this.watchTimer = setInterval(() => this.watch(), 1_000);
    if (this.transportIndex > 0) this.upgradeTimer = setTimeout(() => this.upgrade(0), this.upgradeMs);
  }

  /** The connection was ready, and is lost. */
  private cut(): void {
    const now = Date.now();
    const quiet = now - this.lastAt;
    const lived = now - this.readyAt;
    this.drop();
    if (lived >= STABLE_MS) {
      this.cuts = 0;
      if (this.transportIndex === 0) this.upgradeMs = UPGRADE_FIRST_MS;
    } else {
      this.cuts += 1;
    }
    if (lived >= WORKED_MS) this.parts.backoff.reset();
    // Cut twice after the same silence: an intermediary closes connections that are idle for this long.
    if (quiet >= MIN_IDLE_MS && quiet < SILENT_MS && Math.abs(quiet - this.lastQuiet) < IDLE_TOLERANCE_MS) {
      this.idleMs = quiet;
    }
    this.lastQuiet = quiet;
    let next = 0;
    if (this.cuts >= CUTS && this.transportIndex + 1 < this.parts.transports.length) {
      this.cuts = 0;
      next = this.transportIndex + 1;
      this.upgradeMs = Math.min(UPGRADE_MOST_MS, this.upgradeMs * 2);
    } else if (this.transportIndex > 0) {
      next = this.transportIndex; // it worked a moment ago; the upgrade timer tries the better ones
    }
    this.enter('waiting');
    this.retryTimer = setTimeout(() => this.attempt(next), this.parts.backoff.next());
  }

  /** Tries the better transports in parallel; the connection in use stays until one of them takes over. */
  private upgrade(transportIndex: number): void {
    const transport = this.parts.transports[transportIndex];
    if (transport === undefined || transportIndex >= this.transportIndex) {
      this.upgradeMs = Math.min(UPGRADE_MOST_MS, this.upgradeMs * 2);
      this.upgradeTimer = setTimeout(() => this.upgrade(0), this.upgradeMs);
      return;
    }
    const trial: Trial = (this.trial = new Trial(transport, this.idleMs, () => this.parts.position.get(), {
      aligned: (missed) => this.changeOver(trial, transportIndex, missed),
      unaligned: () => this.attempt(transportIndex), // starts at our own cursor, so this loses nothing either
      failed: () => {
        trial.close();
        this.trial = undefined;
        this.upgrade(transportIndex + 1);
      },
    }));
  }

  private changeOver(trial: Trial, transportIndex: number, missed: readonly unknown[]): void {
    this.trial = undefined;
    this.drop();
    this.transportIndex = transportIndex;
    const listener: Listener = {
      message: (value) => void this.received(value, false),
      alive: this.heard,
      closed: (refused = false) => (refused ? this.refused(() => this.cut()) : this.cut()),
    };
    this.connection = trial.takeOver(listener);
    for (const value of missed) this.received(value, false);
    this.established(trial.transport.name);
  }

  private refused(otherwise: () => void): void {
    this.drop();
    this.enter('waiting');
    void this.checkSignedOut(otherwise);
  }

  /** Checks whether we are signed out, and stops if so. An unreachable Athena has not signed us out. */
  private async checkSignedOut(otherwise: () => void): Promise<void> {
    this.examination?.abort();
    const examination = (this.examination = new AbortController());
    const timeout = setTimeout(() => examination.abort(), READY_MS);
    const isOut = await this.parts.isSignedOut(examination.signal).catch(() => false);
    clearTimeout(timeout);
    if (this.examination !== examination) return;
    this.examination = undefined;
    if (isOut) this.rest('signed-out');
    else otherwise();
  }

  private watch(): void {
    const quiet = Date.now() - this.lastAt;
    const name = this.parts.transports[this.transportIndex]?.name;
    if (name === 'sse' && quiet > SILENT_MS) return this.cut();
    if (name !== 'websocket') return;
    const pingMs = Math.min(PING_MS, Math.max(MIN_PING_MS, (this.idleMs ?? PING_MS) * 0.6));
    if (Math.floor(quiet / pingMs) > Math.floor((quiet - 1_000) / pingMs)) this.connection?.ping?.();
    // Pings and pongs are invisible to pages, so a quiet WebSocket is checked over HTTP.
    if (quiet > SILENT_MS && Date.now() - this.checkedAt > SILENT_MS) void this.verify();
  }

  private async verify(): Promise<void> {
    const after = this.parts.position.get();
    if (this.check !== undefined || after === '') return;
    const check = (this.check = new AbortController());
    const timeout = setTimeout(() => check.abort(), READY_MS);
    this.checkedAt = Date.now();
    const behind = await this.parts.hasChanges(after, check.signal).catch(() => false);
    clearTimeout(timeout);
    if (this.check !== check) return;
    this.check = undefined;
    // The change may still be in flight: the connection is dead only if our cursor does not move.
    if (behind) {
      const connection = this.connection;
      setTimeout(() => {
        const stuck = this.connection === connection && this.parts.position.get() === after;
        if (this.phase === 'live' && stuck) this.cut();
      }, DELIVERY_MS);
    }
  }
}
