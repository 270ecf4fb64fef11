export const TRANSPORTS = ['websocket', 'sse', 'longpoll'] as const;
/** Best first. */
export type TransportName = (typeof TRANSPORTS)[number];

export interface Listener {
  /** One decoded JSON message. */
  message(value: unknown): void;
  /** Something came that is not a message (a keep-alive): the way is open. */
  alive(): void;
  /**
   * It is over, or never began. Called at most once, and never after `close()`.
   * @param refused perhaps because Athena does not know who we are: worth finding out before the next attempt
   */
  closed(refused?: boolean): void;
}

export interface Connection {
  close(): void;
  /** Says something, so that a proxy does not take the connection for idle. Only where that is possible. */
  ping?(): void;
}

export interface Transport {
  readonly name: TransportName;
  /**
   * Begins at `after` (empty: now). Sends `ready` among the messages once the replay is complete.
   * @param idleMs how long a connection may be quiet here before something on the way cuts it, if that is known
   */
  open(after: string, listener: Listener, idleMs: number | undefined): Connection;
}
