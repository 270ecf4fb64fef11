import type { Client } from '../api/client.js';
import { EventStreamParser } from './event-stream.js';
import type { Transport } from './transport.js';

/**
 * Server-Sent Events over `fetch`. Not `EventSource`: that hides comments, so a page could not tell a quiet stream from
 * a dead one, and it reconnects on its own terms.
 */
export function eventStreamTransport(client: Client): Transport {
  return {
    name: 'sse',
    open(after, listener) {
      const aborter = new AbortController();
      void read(client.url('notifications/stream', new URLSearchParams({ after })), aborter.signal, {
        text: (parser, text) => {
          listener.alive();
          for (const data of parser.feed(text)) {
            if (aborter.signal.aborted) return;
            listener.message(parse(data));
          }
        },
      }).finally(() => {
        if (!aborter.signal.aborted) listener.closed();
      });
      return { close: () => aborter.abort() };
    },
  };
}

interface Sink {
  text(parser: EventStreamParser, text: string): void;
}

/** Ends, without an error, when the stream does, for whatever reason. */
async function read(url: URL, signal: AbortSignal, sink: Sink): Promise<void> {
  try {
    const headers = { Accept: 'text/event-stream' };
    const answer = await fetch(url, { signal, headers, cache: 'no-store' });
    const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    if (!answer.ok || !isStream || answer.body === null) return;
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      sink.text(parser, decoder.decode(value, { stream: true }));
    }
  } catch {
    // The network, or close().
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return undefined;
  }
}
