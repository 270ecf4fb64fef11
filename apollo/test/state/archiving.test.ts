import type { ReactiveControllerHost } from 'lit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Client } from '../../src/api/client.js';
import { ApiError } from '../../src/api/session.js';
import { Archiving, UNDO_MS } from '../../src/state/archiving.js';
import { HistoryList } from '../../src/state/history.js';
import { done } from './rows.js';

const host = { addController: () => undefined, requestUpdate: () => undefined } as unknown as ReactiveControllerHost;

function setup() {
  const list = new HistoryList();
  list.reset([done('a', 9), done('b', 8), done('c', 7)], undefined);
  const client = { archive: vi.fn(async (_ids: readonly string[]): Promise<void> => undefined) };
  const archiving = new Archiving(host, () => client as unknown as Client, list);
  return { list, client, archiving, ids: () => list.all.map(({ id }) => id) };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('what is selected is taken away at once and sent after 5 s', async () => {
  const { client, archiving, ids } = setup();
  archiving.select('a', true);
  archiving.select('b', true);
  archiving.select('c', true);
  archiving.select('c', false);
  expect(archiving.archiveSelected()).toEqual(['a', 'b']);
  expect(archiving.selected.size).toBe(0);
  expect(ids()).toEqual(['c']);
  await vi.advanceTimersByTimeAsync(UNDO_MS - 1);
  expect(client.archive).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(client.archive).toHaveBeenCalledWith(['a', 'b']);
  expect(archiving.pending).toEqual([]);
});

test('undone in time, it is never sent', async () => {
  const { client, archiving, ids } = setup();
  archiving.archive(['a']);
  archiving.undo();
  await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
  expect(ids()).toEqual(['a', 'b', 'c']);
  expect(client.archive).not.toHaveBeenCalled();
});

test('a panel that closes sends at once', () => {
  const { client, archiving } = setup();
  archiving.archive(['a']);
  archiving.hostDisconnected();
  expect(client.archive).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('rows that are no longer loaded are sent too', async () => {
  const { client, archiving } = setup();
  archiving.archive(['a', 'paged-away']);
  await archiving.commit();
  expect(client.archive).toHaveBeenCalledWith(['a', 'paged-away']);
});

for (const status of [0, 503]) {
  test(`failed with ${status}: the rows come back, and trying again sends them at once`, async () => {
    const { client, archiving, ids } = setup();
    client.archive.mockRejectedValueOnce(new ApiError(status, 'some_code', ''));
    archiving.archive(['a', 'b']);
    await vi.advanceTimersByTimeAsync(UNDO_MS);
    expect(ids()).toEqual(['a', 'b', 'c']);
    expect(archiving.failure).toEqual({ ids: ['a', 'b'], isForbidden: false });
    archiving.retry();
    expect(client.archive).toHaveBeenLastCalledWith(['a', 'b']);
    expect(ids()).toEqual(['c']);
    expect(archiving.failure).toBeUndefined();
  });
}

test('who may not archive is told so', async () => {
  const { client, archiving, ids } = setup();
  client.archive.mockRejectedValueOnce(new ApiError(403, 'forbidden', ''));
  archiving.archive(['a']);
  await archiving.commit();
  expect(archiving.failure?.isForbidden).toBe(true);
  expect(ids()).toEqual(['a', 'b', 'c']);
  archiving.dismissFailure();
  expect(archiving.failure).toBeUndefined();
});

test('two that fail are tried again together', async () => {
  const { client, archiving } = setup();
  client.archive.mockRejectedValueOnce(new ApiError(503, 'x', '')).mockRejectedValueOnce(new ApiError(503, 'x', ''));
  archiving.archive(['a']);
  archiving.archive(['b']);
  await archiving.commit();
  archiving.retry();
  expect(client.archive).toHaveBeenLastCalledWith(['a', 'b']);
});

test('a purge: what was selected or waiting is forgotten and never sent', async () => {
  const { list, client, archiving } = setup();
  archiving.archive(['a']);
  archiving.select('b', true);
  archiving.forget();
  list.reset([], undefined);
  await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
  expect(client.archive).not.toHaveBeenCalled();
  expect(archiving.selected.size).toBe(0);
  expect(archiving.pending).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a purge while it is sent: its failure brings nothing back', async () => {
  const { list, client, archiving, ids } = setup();
  let fail = (_error: Error): void => undefined;
  client.archive.mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
  archiving.archive(['a']);
  const sent = archiving.commit();
  archiving.forget();
  list.reset([], undefined);
  fail(new ApiError(503, 'x', ''));
  await sent;
  expect(ids()).toEqual([]);
  expect(archiving.failure).toBeUndefined();
});

test('archived by somebody else meanwhile: not asked for again, not brought back', async () => {
  const { client, archiving, ids } = setup();
  archiving.select('c', true);
  archiving.archive(['a', 'b']);
  archiving.gone(['a', 'c']);
  expect(archiving.selected.size).toBe(0);
  expect(archiving.pending).toEqual(['b']);
  archiving.gone(['b']);
  expect(archiving.pending).toEqual([]);
  await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
  expect(client.archive).not.toHaveBeenCalled();
  expect(ids()).toEqual(['c']);
});

test('its answer was lost, but it was done: no failure', async () => {
  const { client, archiving } = setup();
  let fail = (_error: Error): void => undefined;
  client.archive.mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
  archiving.archive(['a']);
  const sent = archiving.commit();
  archiving.gone(['a']);
  fail(new ApiError(0, 'unreachable', ''));
  await sent;
  expect(archiving.failure).toBeUndefined();
});
