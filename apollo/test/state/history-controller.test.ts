import type { ReactiveControllerHost } from 'lit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Client, Page } from '../../src/api/client.js';
import { ApiError } from '../../src/api/session.js';
import { NO_FILTERS } from '../../src/state/filters.js';
import { HistoryController } from '../../src/state/history-controller.js';
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

test('new rows that the filters do not want do not count', async () => {
  const { controller } = setup();
  await controller.load({ ...NO_FILTERS, status: ['pending'], search: 'n' });
  controller.changed([done('n1', 20), row('n2'), row('x', { message: 'x', by: 'x', component_id: 'x' })], true);
  expect(controller.list.newCount).toBe(1);
  controller.changed([done('n2', 21)], true);
  expect(controller.list.newCount).toBe(0);
});

test('one that leaves the filter stays while somebody reads, and goes when nobody does', async () => {
  const { controller, ids } = setup();
  await controller.load({ ...NO_FILTERS, status: ['pending'] });
  expect(ids()).toContain('r');
  controller.changed([done('r', 30)], true);
  expect(controller.list.all.find(({ id }) => id === 'r')?.status).toBe('success');
  expect(controller.list.newCount).toBe(0);
  controller.changed([row('new')], false);
  expect(ids()).not.toContain('r');
  expect(ids()).toContain('new');
});

test('one that Athena said fits keeps waiting, whatever its live state does not tell', async () => {
  const { client, controller } = setup();
  await controller.load({ ...NO_FILTERS, component_id: 'crm' });
  const fits = row('f', { component_id: 'crm' });
  client.history.mockResolvedValue({ rows: [fits, row('below', { component_id: 'crm' })], next: undefined, total: 2 });
  controller.changed([row('f')], true);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(controller.list.newCount).toBe(1); // what was not new does not become it
  controller.changed([row('f', { on_step: 2 })], true);
  expect(controller.list.newCount).toBe(1);
  expect(controller.list.get('f')).toMatchObject({ component_id: 'crm', on_step: 2 });
});

test('what changes while the first page is on its way is not lost', async () => {
  const { client, controller } = setup();
  let answer = (_page: Page): void => undefined;
  client.history.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  const loaded = controller.load();
  controller.changed([done('r', 30), row('new', { ts_display: 40 })], false);
  answer(pages[0]!);
  await loaded;
  expect(controller.list.get('r')?.status).toBe('success');
  expect(controller.list.all[0]!.id).toBe('new');
});

/** As `fetch` does: no answer, and an error once it is called off. */
function unanswered(_filters: URLSearchParams, _limit: number, _next?: string, signal?: AbortSignal): Promise<Page> {
  return new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error)));
}

test('taken out of the page while the first page is on its way, and put back: it is asked for again', async () => {
  const { client, controller, ids } = setup();
  client.history.mockImplementationOnce(unanswered);
  void controller.load();
  controller.hostDisconnected();
  await vi.advanceTimersByTimeAsync(0);
  expect(controller.error).toBeUndefined();
  controller.hostConnected();
  await vi.advanceTimersByTimeAsync(0);
  expect(ids()).toEqual(['r', 'a', 'b']);
  expect(controller.loading).toBe(false);
});

test.each(['other filters', 'out of the page'])('a next page called off (%s) does not keep others from coming', async (why) => {
  const { client, controller, ids } = setup();
  await controller.load();
  client.history.mockImplementationOnce(unanswered);
  void controller.more();
  if (why === 'other filters') await controller.load({ ...NO_FILTERS, search: 'x' });
  else controller.hostDisconnected();
  await controller.more();
  expect(ids()).toEqual(['r', 'a', 'b', 'c']);
  expect(controller.loadingMore).toBe(false);
});

test('rows taken away stay away, whatever is loaded or changes', async () => {
  const { controller, ids } = setup();
  await controller.load();
  controller.archiving.archive(['a']);
  await controller.load();
  controller.changed([done('a', 9)], false);
  expect(ids()).toEqual(['r', 'b']);
});

test('what comes back has its latest state, unless the filters are others by now', async () => {
  const { controller, ids } = setup();
  await controller.load();
  controller.archiving.archive(['r']);
  controller.changed([row('r', { on_step: 5 })], false);
  controller.archiving.undo();
  expect(controller.list.get('r')?.on_step).toBe(5);
  controller.archiving.archive(['r']);
  await controller.load({ ...NO_FILTERS, status: ['success'] });
  controller.archiving.undo();
  expect(ids()).not.toContain('r');
});
