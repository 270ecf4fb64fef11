import type { Connection, Listener, Transport, TransportName } from '../../src/connection/transport.js';

export interface Opened {
  readonly after: string;
  readonly listener: Listener;
  readonly idleMs: number | undefined;
  isClosed: boolean;
  pings: number;
}

/** A transport whose other end is the test. */
export class FakeTransport implements Transport {
  readonly opened: Opened[] = [];
  /** Refuses at once, like a proxy that does not know the upgrade. */
  refuses = false;

  constructor(readonly name: TransportName) {}

  get last(): Opened {
    return this.opened.at(-1)!;
  }

  open(after: string, listener: Listener, idleMs: number | undefined): Connection {
    const opened: Opened = { after, listener, idleMs, isClosed: false, pings: 0 };
    this.opened.push(opened);
    if (this.refuses) queueMicrotask(() => !opened.isClosed && listener.closed());
    return { close: () => (opened.isClosed = true), ping: () => (opened.pings += 1) };
  }

  ready(cursor = 'e.1'): void {
    this.last.listener.message({ type: 'ready', cursor });
  }

  cut(): void {
    this.last.listener.closed();
  }
}
