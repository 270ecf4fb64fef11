import { expect, test } from 'vitest';
import { Backoff, FIRST_MS, MOST_MS } from '../../src/connection/backoff.js';

test('the bound doubles from 0.5 s to 30 s', () => {
  const backoff = new Backoff(() => 1);
  expect(Array.from({ length: 8 }, () => backoff.next())).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test('full jitter: anything between nothing and the bound', () => {
  expect(new Backoff(() => 0).next()).toBe(0);
  expect(new Backoff(() => 0.5).next()).toBe(FIRST_MS / 2);
});

test('begins anew after a reset, and stays bounded however often it is asked', () => {
  const backoff = new Backoff(() => 1);
  for (let n = 0; n < 5000; n += 1) expect(backoff.next()).toBeLessThanOrEqual(MOST_MS);
  backoff.reset();
  expect(backoff.next()).toBe(FIRST_MS);
});
