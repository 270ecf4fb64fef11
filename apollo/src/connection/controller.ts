import type { ReactiveController, ReactiveControllerHost } from 'lit';
import { Client } from '../api/client.js';
import type { Credentials } from '../api/session.js';
import type { LiveMessage } from '../api/types.js';
import { Backoff } from './backoff.js';
import { Connector, type ConnectorState } from './connector.js';
import { longPollTransport } from './longpoll.js';
import { TabPosition, tabStorage } from './position.js';
import { eventStreamTransport } from './sse.js';
import type { TransportName } from './transport.js';
import { webSocketTransport } from './websocket.js';

/** Shorter interruptions are not shown. */
export const QUIET_MS = 2_000;

export type Health = 'live' | 'connecting' | 'reconnecting' | 'offline' | 'signed-out';

export interface Owner {
  /** Never called after the host is disconnected. */
  received(message: LiveMessage, replay: boolean): void;
  healthChanged(health: Health, transport: TransportName | undefined): void;
}

/** The connection of an element: starts and stops with it, and updates it when the health changes. */
export class ConnectionController implements ReactiveController {
  health: Health = 'live';
  transport: TransportName | undefined;
  client: Client | undefined;
  private connector: Connector | undefined;
  private position: TabPosition | undefined;
  private wasLive = false;
  private troubleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly owner: Owner,
  ) {
    host.addController(this);
  }

  /** Connects to the Athena at this address, and disconnects from any other. A live connection survives a new token. */
  connect(base: string, given: Credentials): void {
    if (this.client?.base !== base) {
      this.disconnect();
      this.client = new Client(base, given);
      this.client.refused = () => this.connector?.verifySession();
    } else if (this.client.session.renew(given)) {
      // Tickets expire soon, so exchange it now. The next request reports an error.
      if (this.connector?.state.phase === 'live') void this.client.session.bearer().catch(() => undefined);
      else this.disconnect();
    }
    if (this.connector === undefined) this.start(this.client);
  }

  private start(client: Client): void {
    const { base } = client;
    this.position = new TabPosition(`athena-cursor ${base}`, tabStorage());
    this.connector = new Connector(
      {
        transports: [webSocketTransport(client), eventStreamTransport(client), longPollTransport(client)],
        position: this.position,
        backoff: new Backoff(),
        hasChanges: (after, signal) => client.hasChanges(after, signal),
        isSignedOut: (signal) => client.isSignedOut(signal),
      },
      {
        message: (message, replay) => this.owner.received(message, replay),
        state: (state) => this.changed(state),
      },
    );
    this.connector.start();
  }

  hostConnected(): void {
    window.addEventListener('online', this.wake);
    window.addEventListener('offline', this.wentOffline);
    window.addEventListener('pageshow', this.wake);
    window.addEventListener('pagehide', this.flush);
    document.addEventListener('visibilitychange', this.visibility);
  }

  hostDisconnected(): void {
    window.removeEventListener('online', this.wake);
    window.removeEventListener('offline', this.wentOffline);
    window.removeEventListener('pageshow', this.wake);
    window.removeEventListener('pagehide', this.flush);
    document.removeEventListener('visibilitychange', this.visibility);
    this.disconnect();
  }

  readonly wake = (): void => this.connector?.wake();

  /** The session may have ended: checks that, and stops if so. */
  verifySession(): void {
    this.connector?.verifySession();
  }

  private disconnect(): void {
    this.connector?.stop();
    this.connector = undefined;
    clearTimeout(this.troubleTimer);
    this.troubleTimer = undefined;
    this.flush();
    this.wasLive = false;
  }

  private readonly visibility = (): void => {
    if (document.visibilityState === 'visible') this.wake();
    else this.flush();
  };

  private readonly flush = (): void => this.position?.flush();

  private readonly wentOffline = (): void => this.connector?.wake(); // checks whether the connection is really lost

  private changed(state: ConnectorState): void {
    if (state.phase === 'live') {
      clearTimeout(this.troubleTimer);
      this.troubleTimer = undefined;
      this.wasLive = true;
      this.transport = state.transport;
      this.say('live', true);
      return;
    }
    if (state.phase === 'stopped') return;
    if (state.phase === 'signed-out') {
      clearTimeout(this.troubleTimer);
      this.troubleTimer = undefined;
      this.wasLive = false;
      this.say('signed-out');
      return;
    }
    if (this.troubleTimer !== undefined) {
      if (this.health !== 'live') this.say(this.trouble());
      return;
    }
    this.troubleTimer = setTimeout(() => this.say(this.trouble()), QUIET_MS);
  }

  private trouble(): Health {
    if (!navigator.onLine) return 'offline';
    return this.wasLive ? 'reconnecting' : 'connecting';
  }

  private say(health: Health, always = false): void {
    if (health === this.health && !always) return;
    this.health = health;
    this.owner.healthChanged(health, this.transport);
    this.host.requestUpdate();
  }
}
