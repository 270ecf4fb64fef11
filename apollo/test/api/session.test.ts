import { afterEach, expect, test, vi } from 'vitest';
import { ApiError, NOTHING_GIVEN, Session } from '../../src/api/session.js';
import { answering, json, refusal } from './answers.js';

const ADDRESS = new URL('https://athena.example/api/v3/sessions');
const EXCHANGE = 'POST /api/v3/sessions';
const TOKEN = json(201, { token: 'tok-1', expires: 1, role: 'view', name: 'ann' });
const withTicket = (ticket: string): Session => new Session(ADDRESS, { ...NOTHING_GIVEN, ticket });

afterEach(() => vi.unstubAllGlobals());

test('nothing given, nothing asked', async () => {
  const asked = answering({});
  expect(await new Session(ADDRESS).bearer()).toBeUndefined();
  expect(await new Session(ADDRESS, { ...NOTHING_GIVEN, token: 'jwt' }).bearer()).toBe('jwt');
  expect(asked).toEqual([]);
});

test('a ticket is exchanged once, however many ask', async () => {
  const asked = answering({ [EXCHANGE]: TOKEN });
  const session = withTicket('t1');
  const tokens = await Promise.all([session.bearer(), session.bearer(), session.bearer()]);
  expect(tokens).toEqual(['tok-1', 'tok-1', 'tok-1']);
  expect(await session.bearer()).toBe('tok-1');
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ body: '{"ticket":"t1"}', authorization: null });
});

test('a ticket that was refused is not tried again', async () => {
  const asked = answering({ [EXCHANGE]: json(400, { code: 'invalid' }) });
  const session = withTicket('used');
  for (let n = 0; n < 3; n += 1) await expect(session.bearer()).rejects.toMatchObject({ status: 401 });
  expect(asked).toHaveLength(1);
});

for (const [why, answer] of [
  ['there is no answer', () => Promise.reject(new TypeError('Failed to fetch'))],
  ['Athena is overloaded', json(503, {})],
  ['it is too early', json(429, {})],
] as const) {
  test(`when ${why}, it is tried again with the next request`, async () => {
    const answers: Record<string, () => Response | Promise<Response>> = { [EXCHANGE]: answer };
    answering(answers);
    const session = withTicket('t1');
    const error: unknown = await session.bearer().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).status).not.toBe(401);
    answers[EXCHANGE] = TOKEN;
    expect(await session.bearer()).toBe('tok-1');
  });
}

test('an Athena without access control needs no token', async () => {
  answering({ [EXCHANGE]: json(404, {}) });
  expect(await withTicket('t1').bearer()).toBeUndefined();
});

test('a new ticket after a refused one', async () => {
  const answers = { [EXCHANGE]: refusal };
  answering(answers);
  const session = withTicket('old');
  await expect(session.bearer()).rejects.toThrow();
  expect(session.renew({ ...NOTHING_GIVEN, ticket: 'old' })).toBe(false);
  expect(session.renew({ ...NOTHING_GIVEN, ticket: 'new' })).toBe(true);
  answers[EXCHANGE] = TOKEN;
  expect(await session.bearer()).toBe('tok-1');
});
