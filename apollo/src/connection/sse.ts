import type { Client } from '../api/client.js';
import { isRefusal } from '../api/session.js';
import { EventStreamParser } from './event-stream.js';
import type { Transport } from './transport.js';

/**
 * Server-Sent Events over `fetch`. Not `EventSource`: it hides comments, so that a quiet stream looks like a dead one,
 * and it reconnects by its own rules.
 */
export function eventStreamTransport(client: Client): Transport {
  return {
    name: 'sse',
    open(after, listener) {
      const aborter = new AbortController();
      const url = client.url('notifications/stream', new URLSearchParams({ after }));
      const sink = (parser: EventStreamParser, text: string): void => {
        listener.alive();
        for (const data of parser.feed(text)) {
          if (aborter.signal.aborted) return;
          listener.message(parse(data));
        }
      };
      void read(client, url, aborter.signal, sink).then((refused) => {
        if (!aborter.signal.aborted) listener.closed(refused);
      });
      return { close: () => aborter.abort() };
    },
  };
}

type Sink = (parser: EventStreamParser, text: string) => void;

/** Ends without an error when the stream ends, for any reason. True: Athena answered that we are not signed in. */
async function read(client: Client, url: URL, signal: AbortSignal, sink: Sink): Promise<boolean> {
  try {
    const answer = await client.fetch(url, { signal, headers: { Accept: 'text/event-stream' } });
    const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    if (!answer.ok || !isStream || answer.body === null) return answer.status === 401;
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      sink(parser, decoder.decode(value, { stream: true }));
    }
  } catch (error) {
    return isRefusal(error); // otherwise the network failed, or close() was called
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return undefined;
  }
}
