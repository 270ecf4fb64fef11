import { vi } from 'vitest';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly credentials: RequestCredentials | undefined;
  readonly body: unknown;
}

/** Takes the place of the network: answers by `"GET /path"`, and notes what was asked. */
export function answering(answers: Record<string, () => Response | Promise<Response>>): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit = {}) => {
    const method = init.method ?? 'GET';
    asked.push({
      method,
      path: url.pathname,
      authorization: new Headers(init.headers).get('Authorization'),
      credentials: init.credentials,
      body: init.body,
    });
    const answer = answers[`${method} ${url.pathname}`];
    if (answer === undefined) throw new TypeError('Failed to fetch');
    return answer();
  });
  return asked;
}

export const json = (status: number, members: unknown) => () =>
  new Response(JSON.stringify(members), { status, headers: { 'Content-Type': 'application/json' } });

export const refusal = json(401, { statusCode: 401, code: 'unauthorized', error: 'expected a session, got none' });
