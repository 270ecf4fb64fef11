import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LiveMessage } from '../../src/api/types.js';
import { Backoff } from '../../src/connection/backoff.js';
import { Connector, READY_MS, SILENT_MS, UPGRADE_FIRST_MS } from '../../src/connection/connector.js';
import { TRIAL_MS } from '../../src/connection/trial.js';
import { FakeTransport } from './fake-transport.js';

const change = (id: string, cursor: string) => ({
  type: 'webhook_tx', sub_type: null, id, status: 'pending', message: id, ts_display: 1, ts_started: 1, by: '-', cursor,
});

function setup(cursor = '') {
  const ws = new FakeTransport('websocket');
  const sse = new FakeTransport('sse');
  const poll = new FakeTransport('longpoll');
  const received: { message: LiveMessage; replay: boolean }[] = [];
  const states: string[] = [];
  const hasChanges = vi.fn(async (_after: string) => false);
  const isSignedOut = vi.fn(async () => false);
  let position = cursor;
  const connector = new Connector(
    {
      transports: [ws, sse, poll],
      position: { get: () => position, set: (value) => void (position = value) },
      backoff: new Backoff(() => 1),
      hasChanges,
      isSignedOut,
    },
    {
      message: (message, replay) => received.push({ message, replay }),
      state: ({ phase, transport }) => states.push(phase === 'live' ? `live ${transport}` : phase),
    },
  );
  connector.start();
  return { ws, sse, poll, connector, received, states, hasChanges, isSignedOut, position: () => position };
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('falling back', () => {
  test('WebSocket alone while it works', () => {
    const { ws, sse, states } = setup();
    ws.ready();
    expect(states).toEqual(['connecting', 'live websocket']);
    expect(sse.opened).toHaveLength(0);
  });

  test('a proxy that refuses the upgrade: SSE at once', async () => {
    const { ws, sse, connector } = setup();
    ws.cut();
    await settle();
    sse.ready();
    expect(connector.state).toEqual({ phase: 'live', transport: 'sse' });
  });

  test('a proxy that buffers SSE: nothing comes, so long poll', async () => {
    const { ws, sse, poll, connector } = setup();
    ws.cut();
    sse.last.listener.alive();
    await vi.advanceTimersByTimeAsync(READY_MS);
    expect(sse.last.isClosed).toBe(true);
    poll.ready();
    expect(connector.state.transport).toBe('longpoll');
  });

  test('a WebSocket that opens and then says nothing counts as closed', async () => {
    const { ws, sse } = setup();
    await vi.advanceTimersByTimeAsync(READY_MS);
    expect(ws.last.isClosed).toBe(true);
    expect(sse.opened).toHaveLength(1);
  });

  test('a long replay is not taken for a dead connection', async () => {
    const { ws, sse } = setup('e.1');
    for (let n = 2; n < 10; n += 1) {
      await vi.advanceTimersByTimeAsync(READY_MS - 1);
      ws.last.listener.message(change('a', `e.${n}`));
    }
    expect(sse.opened).toHaveLength(0);
  });

  test('nothing works: waits, longer each time, and begins with the best', async () => {
    const { ws, sse, poll, connector } = setup();
    for (const transport of [ws, sse, poll]) transport.refuses = true;
    ws.cut();
    await settle();
    expect(connector.state.phase).toBe('waiting');
    await vi.advanceTimersByTimeAsync(499);
    expect(ws.opened).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(ws.opened).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(999);
    expect(ws.opened).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(ws.opened).toHaveLength(3);
  });

  test('cut again and again after a short life: the next worse one gets its turn', async () => {
    const { ws, sse } = setup();
    for (let n = 0; n < 3; n += 1) {
      ws.ready();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(sse.opened).toHaveLength(0);
      ws.cut();
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(sse.opened).toHaveLength(1);
  });

  test('where quiet connections are cut, pings come earlier', async () => {
    const { ws } = setup();
    for (let n = 0; n < 2; n += 1) {
      ws.ready();
      await vi.advanceTimersByTimeAsync(10_000);
      ws.cut();
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(ws.last.idleMs).toBe(10_000);
    ws.ready();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(ws.last.pings).toBe(1);
  });
});

describe('a better one again', () => {
  /** On SSE, with a trial of the WebSocket just begun. */
  async function onTrial() {
    const all = setup();
    all.ws.cut();
    all.sse.ready('e.5');
    await vi.advanceTimersByTimeAsync(UPGRADE_FIRST_MS);
    expect(all.ws.opened).toHaveLength(2);
    expect(all.ws.last.after).toBe('e.5');
    expect(all.sse.last.isClosed).toBe(false);
    const changes = () =>
      all.received.flatMap(({ message, replay }) =>
        message.kind === 'change' ? [`${message.row.id}${replay ? ' replay' : ''}`] : [],
      );
    return { ...all, changes };
  }

  test('is tried on the side, and taken when it works: never anything but live', async () => {
    const { ws, sse, connector, states } = await onTrial();
    ws.ready('e.5');
    expect(sse.last.isClosed).toBe(true);
    expect(ws.opened).toHaveLength(2);
    expect(connector.state).toEqual({ phase: 'live', transport: 'websocket' });
    expect(states).toEqual(['connecting', 'live sse', 'live websocket']);
    await vi.advanceTimersByTimeAsync(TRIAL_MS * 2);
    expect(ws.last.isClosed).toBe(false);
  });

  test('that is ahead brings what is missing, as live', async () => {
    const { ws, changes, position } = await onTrial();
    ws.last.listener.message(change('a', 'e.6'));
    ws.last.listener.message(change('b', 'e.7'));
    ws.ready('e.7');
    ws.last.listener.message(change('c', 'e.8'));
    expect(changes()).toEqual(['a', 'b', 'c']);
    expect(position()).toBe('e.8');
  });

  test('that is behind waits until it is where we are: nothing comes twice', async () => {
    const { ws, sse, connector, changes } = await onTrial();
    sse.last.listener.message(change('a', 'e.6'));
    ws.ready('e.5');
    expect(connector.state.transport).toBe('sse');
    ws.last.listener.message(change('a', 'e.6'));
    expect(connector.state.transport).toBe('websocket');
    ws.last.listener.message(change('b', 'e.7'));
    expect(changes()).toEqual(['a', 'b']);
  });

  test('left out what was overtaken: ours comes to the same place', async () => {
    const { ws, sse, connector, changes } = await onTrial();
    sse.last.listener.message(change('a', 'e.6'));
    ws.last.listener.message(change('a', 'e.7'));
    ws.ready('e.7');
    expect(connector.state.transport).toBe('sse');
    sse.last.listener.message(change('a', 'e.7'));
    expect(connector.state.transport).toBe('websocket');
    expect(changes()).toEqual(['a', 'a']);
  });

  test('that never comes to our place begins anew there', async () => {
    const { ws, sse, position } = await onTrial();
    sse.last.listener.message(change('a', 'e.6'));
    ws.ready('e.9');
    await vi.advanceTimersByTimeAsync(TRIAL_MS);
    expect(sse.last.isClosed).toBe(true);
    expect(ws.opened).toHaveLength(3);
    expect(ws.last.after).toBe(position());
  });

  test('that is lost later is a lost connection like any other', async () => {
    const { ws, connector } = await onTrial();
    ws.ready('e.5');
    ws.cut();
    expect(connector.state.phase).toBe('waiting');
    await vi.advanceTimersByTimeAsync(500);
    expect(ws.opened).toHaveLength(3);
  });

  test('and if it does not, less and less often', async () => {
    const { ws, sse, connector } = setup();
    ws.refuses = true;
    ws.cut();
    sse.ready();
    const keepAlive = setInterval(() => sse.last.listener.alive(), 25_000);
    await vi.advanceTimersByTimeAsync(UPGRADE_FIRST_MS);
    expect(ws.opened).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(UPGRADE_FIRST_MS * 2 - 1);
    expect(ws.opened).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(2);
    expect(ws.opened).toHaveLength(3);
    expect(connector.state.transport).toBe('sse');
    clearInterval(keepAlive);
  });

  test('a trial that is overtaken by the end of the connection is given up', async () => {
    const { ws, sse } = setup();
    ws.cut();
    sse.ready();
    await vi.advanceTimersByTimeAsync(UPGRADE_FIRST_MS);
    const trial = ws.last;
    sse.cut();
    expect(trial.isClosed).toBe(true);
    await vi.advanceTimersByTimeAsync(READY_MS + 1000);
    expect(ws.opened.filter((opened) => !opened.isClosed).length).toBeLessThanOrEqual(1);
  });
});

describe('resuming', () => {
  test('always with `after`, empty when there is no position yet', () => {
    expect(setup().ws.last.after).toBe('');
    expect(setup('e.3').ws.last.after).toBe('e.3');
  });

  test('at the last cursor; what comes before `ready` is a replay', async () => {
    const { ws, received } = setup();
    ws.ready('e.1');
    ws.last.listener.message(change('a', 'e.2'));
    ws.cut();
    await vi.advanceTimersByTimeAsync(500);
    expect(ws.last.after).toBe('e.2');
    ws.last.listener.message(change('b', 'e.3'));
    ws.ready('e.3');
    ws.last.listener.message(change('c', 'e.4'));
    const changes = received.filter(({ message }) => message.kind === 'change');
    expect(changes.map(({ replay }) => replay)).toEqual([false, true, false]);
  });

  test('`reset` is handed on and moves the position', () => {
    const { ws, received, position } = setup('old.9');
    ws.last.listener.message({ type: 'reset', cursor: 'new.4' });
    ws.ready('new.4');
    expect(received[0]!.message.kind).toBe('reset');
    expect(position()).toBe('new.4');
  });

  test('messages of unknown types are ignored, their position is not', () => {
    const { ws, position } = setup();
    ws.ready('e.1');
    for (const value of [{ type: 'new-thing', cursor: 'e.2' }, null, 7, 'text', [], { type: 'webhook_tx' }]) {
      ws.last.listener.message(value);
    }
    expect(position()).toBe('e.2');
  });
});

describe('waking up', () => {
  test('does not wait any longer', async () => {
    const { ws, sse, poll, connector } = setup();
    for (const transport of [ws, sse, poll]) transport.refuses = true;
    ws.cut();
    await settle();
    connector.wake();
    expect(ws.opened).toHaveLength(2);
  });

  test('finds out that the old connection is dead', async () => {
    const { ws, connector, hasChanges } = setup();
    ws.ready('e.1');
    hasChanges.mockResolvedValue(true);
    connector.wake();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ws.last.isClosed).toBe(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(ws.last.after).toBe('e.1');
  });

  test('keeps it when the change was only on its way', async () => {
    const { ws, connector, hasChanges } = setup();
    ws.ready('e.1');
    hasChanges.mockResolvedValue(true);
    connector.wake();
    await vi.advanceTimersByTimeAsync(100);
    ws.last.listener.message(change('a', 'e.2'));
    await vi.advanceTimersByTimeAsync(3_000);
    expect(ws.last.isClosed).toBe(false);
  });
});

describe('silence', () => {
  test('an event stream without keep-alives is dead', async () => {
    const { ws, sse } = setup();
    ws.refuses = true;
    ws.cut();
    sse.ready();
    await vi.advanceTimersByTimeAsync(SILENT_MS + 2_000);
    expect(sse.opened[0]!.isClosed).toBe(true);
  });

  test('a quiet WebSocket is checked over HTTP, and kept when nothing was missed', async () => {
    const { ws, hasChanges } = setup();
    ws.ready('e.1');
    await vi.advanceTimersByTimeAsync(SILENT_MS + 2_000);
    expect(hasChanges).toHaveBeenCalledTimes(1);
    expect(ws.last.isClosed).toBe(false);
  });

  test('stop leaves nothing running', async () => {
    const { ws, connector } = setup();
    ws.ready();
    connector.stop();
    expect(ws.last.isClosed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('signed out', () => {
  test('a session that ends: it rests, and asks nobody', async () => {
    const { ws, sse, poll, connector, isSignedOut, states } = setup();
    ws.ready();
    isSignedOut.mockResolvedValue(true);
    ws.last.listener.closed(true);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(states.at(-1)).toBe('signed-out');
    expect(isSignedOut).toHaveBeenCalledTimes(1);
    expect([ws, sse, poll].map(({ opened }) => opened.length)).toEqual([1, 0, 0]);
    expect(vi.getTimerCount()).toBe(0);
    connector.stop();
    expect(states.at(-1)).toBe('stopped');
  });

  test('1008 for another reason is a cut like any other', async () => {
    const { ws, connector, isSignedOut } = setup();
    ws.ready();
    ws.last.listener.closed(true);
    await settle();
    expect(isSignedOut).toHaveBeenCalledTimes(1);
    expect(connector.state.phase).toBe('waiting');
    await vi.advanceTimersByTimeAsync(500);
    expect(ws.opened).toHaveLength(2);
  });

  test('never signed in: the refused upgrade leads to SSE, whose 401 is final', async () => {
    const { ws, sse, poll, connector, isSignedOut } = setup();
    isSignedOut.mockResolvedValue(true);
    ws.cut();
    await settle();
    sse.last.listener.closed(true);
    await settle();
    expect(connector.state.phase).toBe('signed-out');
    expect(poll.opened).toHaveLength(0);
  });

  test('a request answered 401: is that so of all?', async () => {
    const { ws, connector, isSignedOut } = setup();
    ws.ready();
    connector.verifySession();
    connector.verifySession();
    await settle();
    expect(isSignedOut).toHaveBeenCalledTimes(1);
    expect(ws.last.isClosed).toBe(false);
    isSignedOut.mockResolvedValue(true);
    connector.verifySession();
    await settle();
    expect(ws.last.isClosed).toBe(true);
    expect(connector.state.phase).toBe('signed-out');
  });

  test('an Athena that does not answer has signed nobody out', async () => {
    const { ws, connector, isSignedOut } = setup();
    isSignedOut.mockRejectedValue(new Error('no answer'));
    ws.ready();
    ws.last.listener.closed(true);
    await settle();
    expect(connector.state.phase).toBe('waiting');
  });

  test('who looks again is asked about once, and connected when signed in again', async () => {
    const { ws, connector, isSignedOut, states } = setup();
    ws.ready('e.1');
    isSignedOut.mockResolvedValue(true);
    ws.last.listener.closed(true);
    await settle();
    connector.wake();
    await settle();
    expect(ws.opened).toHaveLength(1);
    isSignedOut.mockResolvedValue(false);
    connector.wake();
    await settle();
    expect(ws.last.after).toBe('e.1');
    ws.ready('e.1');
    expect(states).toEqual(['connecting', 'live websocket', 'waiting', 'signed-out', 'connecting', 'live websocket']);
  });
});
