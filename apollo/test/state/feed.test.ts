import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Page } from '../../src/api/client.js';
import type { Row } from '../../src/api/types.js';
import { Feed } from '../../src/state/feed.js';
import { done, row } from './rows.js';

function setup() {
  const told: string[] = [];
  const feed = new Feed({
    wantsToasts: () => true,
    running: async (): Promise<Page> => ({ rows: [], next: undefined, total: 0 }),
    changed: (rows) => void told.push(`changed ${rows.map(({ id }) => id).join(' ')}`),
    archived: (ids) => void told.push(`archived ${ids.join(' ')}`),
    reset: () => void told.push('reset'),
    updated: () => undefined,
    emit: () => undefined,
  });
  const change = (changed: Row, replay = false): void => feed.receive({ kind: 'change', row: changed }, replay);
  const frame = (): Promise<unknown> => vi.advanceTimersByTimeAsync(250);
  return { feed, told, change, frame };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('a frame full of changes is told once', async () => {
  const { feed, told, change, frame } = setup();
  change(row('a'));
  change(done('b', 5));
  await frame();
  expect(told).toEqual(['changed a b']);
  expect(feed.active.size).toBe(1);
  expect(feed.toasts.visible).toHaveLength(2);
});

test('changed and archived in one frame: it does not come back', async () => {
  const { told, change, frame, feed } = setup();
  change(done('a', 5));
  change(done('b', 6));
  feed.receive({ kind: 'archived', ids: ['a'] }, false);
  await frame();
  expect(told).toEqual(['archived a', 'changed b']);
});

test('what was before a reset is of another history', async () => {
  const { told, change, frame, feed } = setup();
  change(done('a', 5));
  feed.receive({ kind: 'reset' }, false);
  change(done('b', 6));
  await frame();
  expect(told).toEqual(['reset', 'changed b']);
});

test('many replayed are a summary; live ones never are', async () => {
  const { change, frame, feed } = setup();
  for (const id of ['a', 'b', 'c', 'd', 'e']) change(done(id, 5), true);
  feed.receive({ kind: 'ready' }, true);
  await frame();
  expect(feed.toasts.summary).toEqual({ finished: 5, failed: 0, running: 0 });
  feed.toasts.clear();
  for (const id of ['f', 'g', 'h', 'i', 'j']) change(done(id, 6));
  await frame();
  expect(feed.toasts.summary).toBeUndefined();
});
