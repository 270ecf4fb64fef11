import { expect, test } from 'vitest';
import { HistoryList, MOST_NEW, MOST_ROWS, compare, startOfDay } from '../../src/state/history.js';
import { done, row } from './rows.js';

const ids = (list: HistoryList): string[] => list.all.map((listed) => listed.id);

function loaded(): HistoryList {
  const list = new HistoryList();
  list.reset([row('run', { ts_display: 50 }), done('b', 40), done('a', 30)], 'more');
  return list;
}

test('the order of Athena: active first, then newest, ties by id', () => {
  const rows = [done('a', 9), done('c', 5), row('r1', { ts_display: 1 }), done('b', 5), row('r2', { ts_display: 2, status: 'undoing' })];
  expect(rows.sort(compare).map((sorted) => sorted.id)).toEqual(['r2', 'r1', 'a', 'b', 'c']);
});

test('what is loaded changes in place and stays where it is', () => {
  const list = loaded();
  list.apply(done('run', 60), true);
  expect(ids(list)).toEqual(['run', 'b', 'a']);
  expect(list.all[0]!.status).toBe('success');
  expect(list.groups()[0]).toMatchObject({ day: 'running' });
  list.settle();
  expect(list.groups()[0]!.day).not.toBe('running');
});

test('what is new waits, counted once, with its latest state', () => {
  const list = loaded();
  list.apply(row('new', { ts_display: 70 }), true);
  list.apply(row('new', { ts_display: 70, on_step: 2 }), true);
  expect(list.newCount).toBe(1);
  expect(list.settle()).toBe(true);
  expect(ids(list)).toEqual(['new', 'run', 'b', 'a']);
  expect(list.all[0]!.on_step).toBe(2);
  expect(list.newCount).toBe(0);
});

test('what the filters do not want does not wait', () => {
  const list = loaded();
  list.apply(row('new'), true);
  list.apply(done('new', 80), false);
  expect(list.newCount).toBe(0);
});

test('a live row keeps what only the history knows', () => {
  const list = new HistoryList();
  list.reset([row('a', { component_id: 'c', description: 'A: b' })], undefined);
  list.apply(row('a', { on_step: 1 }), true);
  expect(list.all[0]).toMatchObject({ component_id: 'c', description: 'A: b', on_step: 1 });
});

test('a page does not show twice what moved meanwhile', () => {
  const list = loaded();
  list.append([done('a', 30), done('z', 10)], undefined);
  expect(ids(list)).toEqual(['run', 'b', 'a', 'z']);
  expect(list.next).toBeUndefined();
});

test('never more rows than the bound, however far one pages', () => {
  const list = new HistoryList();
  list.reset([], 'more');
  for (let page = 0; page < 30; page += 1) {
    list.append(Array.from({ length: 50 }, (_, n) => done(`p${page}-${n}`, 10_000 - page * 50 - n)), 'more');
    expect(list.length).toBeLessThanOrEqual(MOST_ROWS);
  }
  expect(list.cutAbove).toBe(true);
  expect(list.settle()).toBe(false); // there is no merging with what is not there: fetch anew
});

test('a flood of new ones is bounded too', () => {
  const list = loaded();
  for (let n = 0; n < 10_000; n += 1) list.apply(row(`n${n}`), true);
  expect(list.newCount).toBeLessThanOrEqual(MOST_NEW + 1);
  expect(list.overflow).toBe(true);
  expect(list.settle()).toBe(false);
});

test('removing and putting back', () => {
  const list = loaded();
  const removed = list.remove(['b', 'unknown']);
  expect(ids(list)).toEqual(['run', 'a']);
  list.restore(removed);
  expect(ids(list)).toEqual(['run', 'b', 'a']);
});

test('finished ones by local day', () => {
  const today = startOfDay(Date.UTC(2026, 10, 23, 12)) + 3_600_000;
  const yesterday = startOfDay(today - 1 - 3_600_000) + 3_600_000;
  const list = new HistoryList();
  list.reset([row('r'), done('a', today), done('b', today - 1), done('c', yesterday)], undefined);
  expect(list.groups().map((group) => group.rows.map((listed) => listed.id))).toEqual([['r'], ['a', 'b'], ['c']]);
});
