import { expect, test } from 'vitest';
import { EventStreamParser } from '../../src/connection/event-stream.js';

const STREAM = ':\n\nid: e.1\ndata: {"a":1}\n\ndata: two\ndata:lines\r\n\r\n';

test('events in pieces of any size', () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const parser = new EventStreamParser();
    const events: string[] = [];
    for (let at = 0; at < STREAM.length; at += size) events.push(...parser.feed(STREAM.slice(at, at + size)));
    expect(events).toEqual(['{"a":1}', 'two\nlines']);
  }
});

test('comments are no events, and half an event is none yet', () => {
  const parser = new EventStreamParser();
  expect(parser.feed(':\n\n:\n\ndata: x\n')).toEqual([]);
  expect(parser.feed('\n')).toEqual(['x']);
});
