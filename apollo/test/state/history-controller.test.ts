import type { ReactiveControllerHost } from 'lit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError, type Client, type Page } from '../../src/api/client.js';
import { NO_FILTERS } from '../../src/state/filters.js';
import { HistoryController, UNDO_MS } from '../../src/state/history-controller.js';
import { done, row } from './rows.js';

const host = { addController: () => undefined, requestUpdate: () => undefined } as unknown as ReactiveControllerHost;
const pages: Page[] = [
  { rows: [row('r', { ts_display: 9 }), done('a', 8), done('b', 7)], next: 'n', total: 4 },
  { rows: [done('c', 6)], next: undefined, total: 4 },
];

function setup() {
  const client = {
    history: vi.fn(async (_filters: URLSearchParams, _limit: number, next?: string) => pages[next === undefined ? 0 : 1]!),
    archive: vi.fn(async (_ids: readonly string[]) => undefined),
  };
  const controller = new HistoryController(host, () => client as unknown as Client);
  return { client, controller, ids: () => controller.list.all.map((listed) => listed.id) };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('page after page, until there is no more', async () => {
  const { client, controller, ids } = setup();
  await controller.load();
  await controller.more();
  await controller.more();
  expect(ids()).toEqual(['r', 'a', 'b', 'c']);
  expect(client.history).toHaveBeenCalledTimes(2);
});

test('while somebody reads, new rows wait; while nobody does, they come in', async () => {
  const { controller, ids } = setup();
  await controller.load();
  controller.changed([row('new', { ts_display: 20 })], true);
  expect(ids()).not.toContain('new');
  expect(controller.list.newCount).toBe(1);
  controller.changed([row('other', { ts_display: 21 })], false);
  expect(ids().slice(0, 2)).toEqual(['other', 'new']);
});

test('archiving is sent after 5 s', async () => {
  const { client, controller, ids } = setup();
  await controller.load();
  controller.archive(['a', 'b']);
  expect(ids()).toEqual(['r']);
  controller.changed([done('a', 8)], false);
  expect(ids()).toEqual(['r']);
  await vi.advanceTimersByTimeAsync(UNDO_MS - 1);
  expect(client.archive).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(client.archive).toHaveBeenCalledWith(['a', 'b']);
});

test('undone in time, it is never sent', async () => {
  const { client, controller, ids } = setup();
  await controller.load();
  controller.archive(['a']);
  controller.undo();
  await vi.advanceTimersByTimeAsync(UNDO_MS * 2);
  expect(ids()).toEqual(['r', 'a', 'b']);
  expect(client.archive).not.toHaveBeenCalled();
});

test('a panel that closes sends at once', async () => {
  const { client, controller } = setup();
  await controller.load();
  controller.archive(['a']);
  controller.hostDisconnected();
  expect(client.archive).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('refused, the rows come back and it is said', async () => {
  const { client, controller, ids } = setup();
  client.archive.mockRejectedValue(new ApiError(503, 'store_unavailable', ''));
  await controller.load();
  controller.archive(['a']);
  await vi.advanceTimersByTimeAsync(UNDO_MS);
  expect(ids()).toEqual(['r', 'a', 'b']);
  expect(controller.archiveFailed).toBe(true);
});

test('where only Athena can tell whether a row fits, it is asked, once for many', async () => {
  const { client, controller } = setup();
  await controller.load({ ...NO_FILTERS, component_id: 'crm' });
  for (let n = 0; n < 100; n += 1) controller.changed([row(`n${n}`)], true);
  expect(controller.list.newCount).toBe(0);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(client.history).toHaveBeenCalledTimes(2);
});

test('a history that cannot be loaded says why', async () => {
  const { client, controller } = setup();
  client.history.mockRejectedValueOnce(new ApiError(0, 'unreachable', ''));
  await controller.load();
  expect(controller.error?.status).toBe(0);
  expect(controller.loading).toBe(false);
});
