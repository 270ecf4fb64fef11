import type { Client } from '../api/client.js';
import { isRefusal } from '../api/session.js';
import type { Listener, Transport } from './transport.js';

/** RFC 6455 section 7.4.1: policy violation; Athena also closes with it when a session has ended. */
const POLICY_VIOLATION = 1008;

export function webSocketTransport(client: Client): Transport {
  return {
    name: 'websocket',
    open(after, listener) {
      let socket: WebSocket | undefined;
      let over = false;
      const closed = (refused: boolean): void => {
        if (over) return;
        over = true;
        listener.closed(refused);
      };
      client.session
        .bearer()
        .then((bearer) => {
          const url = client.url('notifications/live', new URLSearchParams({ after }));
          if (!over) socket = connect(url, bearer, () => over, { ...listener, closed });
        })
        // Also throws for a base with http on a page with https, which can never work.
        .catch((error: unknown) => closed(isRefusal(error)));
      return {
        close() {
          over = true;
          socket?.close(1000);
        },
        ping() {
          if (socket?.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
        },
      };
    },
  };
}

/** Browsers cannot set headers on WebSockets, so the token is offered as a subprotocol; Athena selects `athena`. */
function connect(url: URL, bearer: string | undefined, isOver: () => boolean, listener: Listener): WebSocket {
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = bearer === undefined ? new WebSocket(url) : new WebSocket(url, ['athena', `athena.bearer.${bearer}`]);
  socket.onmessage = (event: MessageEvent<unknown>) => {
    if (isOver()) return;
    let value: unknown;
    try {
      value = JSON.parse(String(event.data));
    } catch {
      return listener.alive(); // not JSON: not ours, but proof of life
    }
    listener.message(value);
  };
  socket.onclose = ({ code }) => listener.closed(code === POLICY_VIOLATION);
  return socket;
}
