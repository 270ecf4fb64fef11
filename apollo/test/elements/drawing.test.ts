import type { ReactiveControllerHost } from 'lit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Row } from '../../src/api/types.js';
import { Drawing } from '../../src/elements/drawing.js';
import { row } from '../state/rows.js';

const rows = (count: number): Row[] => Array.from({ length: count }, (_, at) => row(`r${at}`));

/** A list in a window for ten rows, which updates when it is asked to. */
function list(count: number, height = 9 * 64) {
  let shown = rows(count);
  let wanted = false;
  const host = { addController: () => undefined, requestUpdate: () => (wanted = true) };
  const drawing = new Drawing(host as unknown as ReactiveControllerHost, () => height);
  const update = (): string[] => {
    wanted = false;
    const ids = [...drawing.next(shown)];
    drawing.hostUpdated();
    return ids;
  };
  return {
    drawing,
    update,
    show: (others: Row[]) => (shown = others),
    /** A frame is painted -> the rows drawn if that made the list update. */
    paint(): string[] | undefined {
      vi.advanceTimersByTime(20);
      return wanted ? update() : undefined;
    },
  };
}

const ids = (count: number): string[] => rows(count).map(({ id }) => id);

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'requestAnimationFrame', 'cancelAnimationFrame'] }));
afterEach(() => void vi.useRealTimers());

test('first what fits, then as many again after each paint, then nothing', () => {
  const { update, paint } = list(25);
  expect(update()).toEqual(ids(10));
  expect(paint()).toEqual(ids(20));
  expect(paint()).toEqual(ids(25));
  expect(paint()).toBeUndefined();
});

test('updates before the paint draw no further rows', () => {
  const { update, paint } = list(25);
  update();
  expect(update()).toEqual(ids(10));
  expect(paint()).toEqual(ids(20));
});

test('who goes there has all with the next update', () => {
  const { drawing, update, paint } = list(45);
  update();
  drawing.drawAll();
  expect(update()).toEqual(ids(45));
  expect(paint()).toBeUndefined();
});

test('rows once drawn stay, wherever new ones come in', () => {
  const { update, paint, show } = list(10);
  update();
  show([...Array.from({ length: 15 }, (_, at) => row(`new${at}`)), ...rows(10)]);
  const second = update();
  expect(second).toEqual([...Array.from({ length: 10 }, (_, at) => `new${at}`), ...ids(10)]);
  expect(paint()).toHaveLength(25);
});

test('a list that comes back comes back whole', () => {
  const { drawing, update } = list(45);
  update();
  drawing.leave();
  expect(update()).toEqual(ids(45));
});

test('a list with no height yet is drawn all the same', () => {
  const { update, paint } = list(3, 0);
  expect(update()).toEqual(ids(1));
  expect(paint()).toEqual(ids(2));
  expect(paint()).toEqual(ids(3));
});

test('a hidden tab, which gets no frames, gets its rows', () => {
  vi.stubGlobal('requestAnimationFrame', () => 0);
  const { update, paint } = list(15);
  update();
  expect(paint()).toBeUndefined();
  vi.advanceTimersByTime(250);
  expect(paint()).toEqual(ids(15));
  vi.unstubAllGlobals();
});

test('gone from the page, it asks for nothing', () => {
  const { drawing, update, paint } = list(15);
  update();
  drawing.hostDisconnected();
  expect(paint()).toBeUndefined();
});
