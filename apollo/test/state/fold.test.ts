import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readDetails, readMessage } from '../../src/api/types.js';
import { ActiveSet } from '../../src/state/active.js';
import { FrameBatch } from '../../src/state/batch.js';
import { split } from '../../src/state/title.js';
import { done, row } from './rows.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('what runs: opened, ended, archived', () => {
  const active = new ActiveSet();
  active.apply(row('a'));
  active.apply(row('b'));
  active.apply(row('b', { status: 'undoing' }));
  expect(active.size).toBe(2);
  active.apply(done('a', 1));
  active.remove(['b']);
  expect(active.size).toBe(0);
});

test('what was fetched is older than what arrived meanwhile', () => {
  const active = new ActiveSet();
  active.apply(row('old'));
  active.mark();
  active.apply(done('a', 1));
  active.apply(row('new'));
  active.load([row('a'), row('b')]);
  expect(active.size).toBe(2); // new and b; a has ended, old is not there any more
});

test('a burst is handed over once a frame', () => {
  const flushed: number[] = [];
  const batch = new FrameBatch<number>((items) => flushed.push(items.length));
  for (let n = 0; n < 500; n += 1) batch.add(n);
  vi.advanceTimersByTime(300);
  expect(flushed).toEqual([500]);
});

test('description and last message, also where the description holds a colon', () => {
  expect(split(row('a', { message: 'Deploy: built' }))).toEqual({ title: 'Deploy', text: 'built' });
  expect(split(row('a', { message: 'Deploy: shop: built', description: 'Deploy: shop' }))).toEqual({ title: 'Deploy: shop', text: 'built' });
  expect(split(row('a', { message: 'Deploy: shop: built' }), 'Deploy: shop').title).toBe('Deploy: shop');
  expect(split(row('a', { message: 'alone' }))).toEqual({ title: 'alone', text: '' });
  expect(split(row('a', { type: 'notification', message: 'a: b' })).title).toBe('a: b');
});

test('unknown members and types are ignored, broken ones are no rows', () => {
  expect(readMessage({ ...row('a'), future: 1, cursor: 'e.1' })).toMatchObject({ kind: 'change', cursor: 'e.1' });
  expect(readMessage({ type: 'archived', ids: ['a', 7, null] })).toEqual({ kind: 'archived', ids: ['a'] });
  for (const broken of [{ ...row('a'), status: 'odd' }, { ...row('a'), id: 7 }, { ...row('a'), ts_display: 'now' }]) {
    expect(readMessage(broken).kind).toBe('other');
  }
  expect(readDetails({ ...row('a'), changes: [null, { ts: 1, status: 'pending', future: 2 }] })?.changes).toEqual([{ ts: 1, status: 'pending' }]);
});
