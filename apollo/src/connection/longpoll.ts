import type { Client } from '../api/client.js';
import { isRefusal } from '../api/session.js';
import type { Listener, Transport } from './transport.js';

const LONGEST_WAIT_S = 25;
/** How long a response may take beyond its wait before the request is aborted. */
const GRACE_MS = 10_000;

/** Works through anything that passes plain HTTP. */
export function longPollTransport(client: Client): Transport {
  return {
    name: 'longpoll',
    open(after, listener, idleMs) {
      const aborter = new AbortController();
      // Respond before an intermediary times out.
      const wait = idleMs === undefined ? LONGEST_WAIT_S : Math.max(2, Math.min(LONGEST_WAIT_S, idleMs / 1250));
      void poll(client, after, Math.floor(wait), listener, aborter.signal).then((refused) => {
        if (!aborter.signal.aborted) listener.closed(refused);
      });
      return { close: () => aborter.abort() };
    },
  };
}

/** Ends without an error when a request fails. True: Athena answered that we are not signed in. */
async function poll(
  client: Client,
  after: string,
  wait: number,
  listener: Listener,
  closed: AbortSignal,
): Promise<boolean> {
  let cursor = after;
  let seconds = 0; // the first response comes at once, and shows that this transport works
  while (!closed.aborted) {
    const query = new URLSearchParams({ after: cursor, wait: String(seconds) });
    const answer = await ask(client, client.url('notifications/changes', query), seconds * 1000 + GRACE_MS, closed);
    if (closed.aborted || answer === undefined) return false;
    if (answer === 'refused') return true;
    listener.alive();
    for (const message of answer.messages) {
      listener.message(message);
      if (closed.aborted) return false; // another transport took over just there
    }
    // Each response is complete, so Athena sends no `ready` here: add it, as the other transports have it.
    if (seconds === 0) listener.message({ type: 'ready', cursor: answer.cursor });
    cursor = answer.cursor;
    seconds = wait;
  }
  return false;
}

async function ask(client: Client, url: URL, timeoutMs: number, closed: AbortSignal) {
  const request = new AbortController();
  const abort = (): void => request.abort();
  const timer = setTimeout(abort, timeoutMs);
  closed.addEventListener('abort', abort, { once: true });
  try {
    const answer = await client.fetch(url, { signal: request.signal });
    if (answer.status === 401) return 'refused';
    if (!answer.ok) return undefined;
    const json = (await answer.json()) as { messages?: unknown; cursor?: unknown };
    if (!Array.isArray(json.messages) || typeof json.cursor !== 'string') return undefined;
    return { messages: json.messages as unknown[], cursor: json.cursor };
  } catch (error) {
    return isRefusal(error) ? 'refused' : undefined;
  } finally {
    clearTimeout(timer);
    closed.removeEventListener('abort', abort);
  }
}
