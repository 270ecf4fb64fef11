import type { Client } from '../api/client.js';
import type { Transport } from './transport.js';

export function webSocketTransport(client: Client): Transport {
  return {
    name: 'websocket',
    open(after, listener) {
      const url = client.url('notifications/live', new URLSearchParams({ after }));
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      let socket: WebSocket;
      try {
        socket = new WebSocket(url);
      } catch {
        // A page under https with a base under http: never going to work, and said by throwing.
        queueMicrotask(() => listener.closed());
        return { close: () => undefined };
      }
      let over = false;
      socket.onmessage = (event: MessageEvent<unknown>) => {
        if (over) return;
        try {
          listener.message(JSON.parse(String(event.data)));
        } catch {
          listener.alive(); // not JSON: not ours, but proof of life
        }
      };
      socket.onclose = () => {
        if (over) return;
        over = true;
        listener.closed();
      };
      return {
        close() {
          over = true;
          socket.close(1000);
        },
        ping() {
          if (socket.readyState === WebSocket.OPEN) socket.send('{"type":"ping"}');
        },
      };
    },
  };
}
