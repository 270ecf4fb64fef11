import { expect, test } from 'vitest';
import { MOST_TOASTS, STALE_MS, SUCCESS_MS, Toasts } from '../../src/state/toasts.js';
import { done, row } from './rows.js';

const ids = (toasts: Toasts): string[] => toasts.visible.map((toast) => toast.row.id);
const free = (): boolean => false;

test('one a transaction, updated in place', () => {
  const toasts = new Toasts();
  toasts.apply(row('a'), 0);
  toasts.apply(row('b'), 0);
  toasts.apply(row('a', { message: 'a: step two', on_step: 2, total_steps: 9 }), 1);
  expect(ids(toasts)).toEqual(['b', 'a']);
  expect(toasts.visible[1]).toMatchObject({ title: 'a', text: 'step two' });
});

test('a success leaves after 10 s, not while held, and a failure stays', () => {
  const toasts = new Toasts();
  toasts.apply(done('a', 1), 0);
  toasts.apply(row('b', { status: 'error' }), 0);
  toasts.tick(SUCCESS_MS, SUCCESS_MS, (id) => id === 'a');
  expect(ids(toasts)).toEqual(['b', 'a']);
  toasts.tick(SUCCESS_MS, SUCCESS_MS - 1, free);
  expect(ids(toasts)).toContain('a');
  toasts.tick(SUCCESS_MS, 1, free);
  expect(ids(toasts)).toEqual(['b']);
  toasts.tick(1e9, 1e9, free);
  expect(ids(toasts)).toEqual(['b']);
});

test('the ten seconds begin when it succeeds', () => {
  const toasts = new Toasts();
  toasts.apply(row('a'), 0);
  toasts.tick(60_000, 60_000, free);
  toasts.apply(done('a', 1), 60_000);
  toasts.tick(60_500, 500, free);
  expect(ids(toasts)).toEqual(['a']);
});

test('at most four, the rest counted; places are stable', () => {
  const toasts = new Toasts();
  for (let n = 0; n < 16; n += 1) toasts.apply(row(`t${n}`), 0);
  expect(ids(toasts)).toEqual(['t3', 't2', 't1', 't0']);
  expect(toasts.hidden).toBe(12);
});

test('a failure gets a place whatever it takes, and never that of another failure while others are there', () => {
  const toasts = new Toasts();
  for (let n = 0; n < MOST_TOASTS; n += 1) toasts.apply(row(`t${n}`), n);
  toasts.apply(row('bad', { status: 'error' }), 10);
  expect(ids(toasts)).toEqual(['bad', 't3', 't2', 't1']);
  for (let n = 0; n < 4; n += 1) toasts.apply(row(`bad${n}`, { status: 'error' }), 20 + n);
  expect(toasts.visible.every((toast) => toast.row.status === 'error')).toBe(true);
});

test('one that was quiet for a while gives its place to a new one, and comes back when it ends as a failure', () => {
  const toasts = new Toasts();
  for (let n = 0; n < MOST_TOASTS; n += 1) toasts.apply(row(`t${n}`), 0);
  toasts.apply(row('new'), STALE_MS);
  expect(ids(toasts)).toContain('new');
  expect(toasts.hidden).toBe(1);
});

test('waiting ones move up, failures first', () => {
  const toasts = new Toasts(2);
  for (const id of ['a', 'b', 'c']) toasts.apply(row(id, { status: 'error' }), 0);
  toasts.apply(row('d'), 1);
  toasts.close('c');
  expect(toasts.visible.every((toast) => toast.row.status === 'error')).toBe(true);
});

test('a waiting success is over after a while', () => {
  const toasts = new Toasts(1);
  toasts.apply(row('a'), 0);
  toasts.apply(done('b', 1), 0);
  toasts.tick(SUCCESS_MS, 500, free);
  expect(toasts.hidden).toBe(0);
});

test('closed while running: silent until it ends', () => {
  const toasts = new Toasts();
  toasts.apply(row('a'), 0);
  toasts.close('a');
  toasts.apply(row('a', { on_step: 2 }), 1);
  expect(toasts.isEmpty).toBe(true);
  toasts.apply(row('a', { status: 'error' }), 2);
  expect(ids(toasts)).toEqual(['a']);
});

test('a replay of up to three changes is shown, of more is one summary', () => {
  const few = new Toasts();
  few.replay([row('a'), done('b', 1), row('a', { on_step: 1 })], 0);
  expect(few.summary).toBeUndefined();
  expect(few.visible).toHaveLength(2);

  const many = new Toasts();
  many.apply(row('live'), 0);
  many.replay(
    [...Array.from({ length: 6 }, (_, n) => done(`s${n}`, 1)), row('bad', { status: 'error' }), row('x'), row('live', { message: 'live: on' })],
    1,
  );
  expect(many.summary).toEqual({ finished: 6, failed: 1, running: 2 });
  expect(ids(many)).toEqual(['live']);
  expect(many.visible[0]!.text).toBe('on');
});

test('500 changes, and 10,000, stay bounded', () => {
  const toasts = new Toasts();
  for (let n = 0; n < 10_000; n += 1) toasts.apply(row(`t${n}`), 0);
  expect(toasts.visible).toHaveLength(4);
  expect(toasts.hidden).toBeLessThanOrEqual(1_000);
});

test('archived ones go', () => {
  const toasts = new Toasts();
  toasts.apply(row('a'), 0);
  toasts.remove(['a', 'unknown']);
  expect(toasts.isEmpty).toBe(true);
});

test('less room: the failures stay', () => {
  const toasts = new Toasts();
  toasts.apply(row('bad', { status: 'error' }), 0);
  for (const id of ['a', 'b', 'c']) toasts.apply(row(id), 0);
  toasts.limit(2);
  expect(ids(toasts)).toEqual(['c', 'bad']);
  expect(toasts.hidden).toBe(2);
  toasts.limit(4);
  expect(toasts.visible).toHaveLength(4);
});
