export const TRANSPORTS = ['websocket', 'sse', 'longpoll'] as const;
/** Best first. */
export type TransportName = (typeof TRANSPORTS)[number];

export interface Listener {
  /** One decoded JSON message. */
  message(value: unknown): void;
  /** Data other than a message arrived (a keep-alive): the connection is alive. */
  alive(): void;
  /**
   * The connection has ended or could not be made. Called at most once, and never after `close()`.
   * @param refused perhaps because we are not signed in: check that before the next attempt
   */
  closed(refused?: boolean): void;
}

export interface Connection {
  close(): void;
  /** Sends something, so that a proxy does not see the connection as idle. Only where that is possible. */
  ping?(): void;
}

export interface Transport {
  readonly name: TransportName;
  /**
   * Starts at `after` (empty: now). Passes on a `ready` message once the replay is complete.
   * @param idleMs how long a connection may be idle before an intermediary cuts it, if known
   */
  open(after: string, listener: Listener, idleMs: number | undefined): Connection;
}
