import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TabPosition } from '../../src/connection/position.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function memory() {
  const items = new Map<string, string>();
  return { items, getItem: (key: string) => items.get(key) ?? null, setItem: vi.fn((key: string, value: string) => void items.set(key, value)) };
}

test('survives a reload of the tab', () => {
  const storage = memory();
  const before = new TabPosition('k', storage);
  expect(before.get()).toBe('');
  before.set('e.7');
  vi.advanceTimersByTime(250);
  expect(new TabPosition('k', storage).get()).toBe('e.7');
});

test('a burst is one write', () => {
  const storage = memory();
  const position = new TabPosition('k', storage);
  for (let n = 0; n < 500; n += 1) position.set(`e.${n}`);
  vi.advanceTimersByTime(1000);
  expect(storage.setItem).toHaveBeenCalledTimes(1);
  expect(storage.items.get('k')).toBe('e.499');
});

test('flush writes what is not written yet', () => {
  const storage = memory();
  const position = new TabPosition('k', storage);
  position.set('e.1');
  position.flush();
  expect(storage.items.get('k')).toBe('e.1');
});

test('works without storage, and with one that throws', () => {
  const broken = {
    getItem: () => { throw new Error('forbidden'); },
    setItem: () => { throw new Error('full'); },
  };
  for (const storage of [undefined, broken]) {
    const position = new TabPosition('k', storage);
    position.set('e.1');
    position.flush();
    expect(position.get()).toBe('e.1');
  }
});
