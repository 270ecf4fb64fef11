import { afterEach, expect, test, vi } from 'vitest';
import { Client } from '../../src/api/client.js';
import { NOTHING_GIVEN } from '../../src/api/session.js';
import { longPollTransport } from '../../src/connection/longpoll.js';
import { eventStreamTransport } from '../../src/connection/sse.js';
import type { Listener } from '../../src/connection/transport.js';
import { webSocketTransport } from '../../src/connection/websocket.js';
import { answering, json, refusal } from '../api/answers.js';

const BASE = 'https://athena.example/';
const EXCHANGE = 'POST /api/v3/sessions';

class Socket {
  static readonly opened: Socket[] = [];
  onclose: (event: { code: number }) => void = () => undefined;
  onmessage: (event: { data: string }) => void = () => undefined;
  constructor(
    readonly url: URL,
    readonly protocols?: string[],
  ) {
    Socket.opened.push(this);
  }
  close(): void {}
}

function listener() {
  const closed = vi.fn<(refused?: boolean) => void>();
  const messages: unknown[] = [];
  const all: Listener = { message: (value) => void messages.push(value), alive: () => undefined, closed };
  return { all, closed, messages };
}

afterEach(() => {
  vi.unstubAllGlobals();
  Socket.opened.length = 0;
});

test('a WebSocket offers the token as a subprotocol, and none without', async () => {
  vi.stubGlobal('WebSocket', Socket);
  webSocketTransport(new Client(BASE, { ...NOTHING_GIVEN, token: 'a.b-c_d' })).open('e.1', listener().all, undefined);
  webSocketTransport(new Client(BASE)).open('', listener().all, undefined);
  await vi.waitFor(() => expect(Socket.opened).toHaveLength(2));
  const [known, unknown] = Socket.opened;
  expect(known!.url.href).toBe('wss://athena.example/api/v3/notifications/live?after=e.1');
  expect(known!.protocols).toEqual(['athena', 'athena.bearer.a.b-c_d']);
  expect(unknown!.protocols).toBeUndefined();
});

test('a WebSocket closed with 1008 may mean that we are signed out', async () => {
  vi.stubGlobal('WebSocket', Socket);
  for (const [code, refused] of [[1008, true], [1006, false]] as const) {
    const { all, closed } = listener();
    webSocketTransport(new Client(BASE)).open('', all, undefined);
    await vi.waitFor(() => expect(Socket.opened).toHaveLength(code === 1008 ? 1 : 2));
    Socket.opened.at(-1)!.onclose({ code });
    expect(closed.mock.calls).toEqual([[refused]]);
  }
});

test('a WebSocket closed before the ticket was exchanged is never opened', async () => {
  vi.stubGlobal('WebSocket', Socket);
  const asked = answering({ [EXCHANGE]: json(201, { token: 'tok-1' }) });
  const client = new Client(BASE, { ...NOTHING_GIVEN, ticket: 't' });
  const { all, closed } = listener();
  webSocketTransport(client).open('', all, undefined).close();
  expect(await client.session.bearer()).toBe('tok-1');
  await Promise.resolve();
  expect(asked).toHaveLength(1);
  expect(Socket.opened).toHaveLength(0);
  expect(closed).not.toHaveBeenCalled();
});

for (const [name, transport, path] of [
  ['SSE', eventStreamTransport, 'GET /api/v3/notifications/stream'],
  ['long poll', longPollTransport, 'GET /api/v3/notifications/changes'],
] as const) {
  test(`${name} carries the token, and tells a 401 from other ends`, async () => {
    for (const [answer, refused] of [[refusal, true], [json(503, {}), false]] as const) {
      const asked = answering({ [path]: answer });
      const { all, closed } = listener();
      transport(new Client(BASE, { ...NOTHING_GIVEN, token: 'jwt' })).open('', all, undefined);
      await vi.waitFor(() => expect(closed).toHaveBeenCalled());
      expect(closed.mock.calls).toEqual([[refused]]);
      expect(asked.map(({ authorization }) => authorization)).toEqual(['Bearer jwt']);
    }
  });
}

for (const [name, transport] of [
  ['WebSocket', webSocketTransport],
  ['SSE', eventStreamTransport],
  ['long poll', longPollTransport],
] as const) {
  test(`${name}: a refused ticket is a 401`, async () => {
    answering({ [EXCHANGE]: refusal });
    const { all, closed } = listener();
    transport(new Client(BASE, { ...NOTHING_GIVEN, ticket: 'used' })).open('', all, undefined);
    await vi.waitFor(() => expect(closed.mock.calls).toEqual([[true]]));
  });
}

test('a long poll that another transport took over from says no more', async () => {
  const messages = [1, 2, 3].map((n) => ({ type: 'notification', cursor: `e.${n}` }));
  answering({ 'GET /api/v3/notifications/changes': json(200, { messages, cursor: 'e.3' }) });
  const got: unknown[] = [];
  const closed = vi.fn();
  const connection = longPollTransport(new Client(BASE)).open('e.0', {
    message: (value) => {
      got.push(value);
      connection.close();
    },
    alive: () => undefined,
    closed,
  }, undefined);
  await vi.waitFor(() => expect(got).toHaveLength(1));
  await Promise.resolve();
  expect(got).toHaveLength(1);
  expect(closed).not.toHaveBeenCalled();
});
