import { afterEach, expect, test, vi } from 'vitest';
import { Client } from '../../src/api/client.js';
import { NOTHING_GIVEN } from '../../src/api/session.js';
import { answering, json, refusal } from './answers.js';

const BASE = 'https://athena.example/';
const HISTORY = 'GET /api/v3/notifications';
const CURRENT = '/api/v3/sessions/current';
const PAGE = json(200, { total: 0, returning: 0, notifications: [] });
const signal = new AbortController().signal;

afterEach(() => vi.unstubAllGlobals());

test('every request carries the token, and cookies only where asked to', async () => {
  const asked = answering({
    'POST /api/v3/sessions': json(201, { token: 'tok-1' }),
    [HISTORY]: PAGE,
    'POST /api/v3/notifications/bulk': json(200, { message: 'ok' }),
  });
  const client = new Client(BASE, { ...NOTHING_GIVEN, ticket: 't', cookies: true });
  await client.history(new URLSearchParams(), 10);
  await client.archive(['a']);
  expect(asked.map(({ authorization }) => authorization)).toEqual([null, 'Bearer tok-1', 'Bearer tok-1']);
  expect(asked.map(({ credentials }) => credentials)).toEqual(['include', 'include', 'include']);
  await new Client(BASE).history(new URLSearchParams(), 10);
  expect(asked.at(-1)).toMatchObject({ authorization: null, credentials: 'same-origin' });
});

test('a 401 is told, a 403 is not', async () => {
  const forbidden = json(403, { code: 'forbidden', error: 'expected the right manage' });
  answering({ [HISTORY]: refusal, 'POST /api/v3/notifications/bulk': forbidden });
  const client = new Client(BASE);
  const refused = (client.refused = vi.fn());
  await expect(client.archive(['a'])).rejects.toMatchObject({ status: 403, code: 'forbidden' });
  expect(refused).not.toHaveBeenCalled();
  await expect(client.history(new URLSearchParams(), 10)).rejects.toMatchObject({ status: 401, code: 'unauthorized' });
  expect(refused).toHaveBeenCalledTimes(1);
});

test('signed out, or not, or nobody there to say', async () => {
  answering({ [HISTORY]: refusal });
  const client = new Client(BASE);
  client.refused = () => expect.fail('finding out is not to be told');
  expect(await client.isSignedOut(signal)).toBe(true);
  answering({ [HISTORY]: json(403, { code: 'forbidden' }) });
  expect(await client.isSignedOut(signal)).toBe(false);
  answering({});
  await expect(client.isSignedOut(signal)).rejects.toThrow();
  answering({ 'POST /api/v3/sessions': refusal });
  expect(await new Client(BASE, { ...NOTHING_GIVEN, ticket: 'used' }).isSignedOut(signal)).toBe(true);
});

test('who is signed in', async () => {
  const viewer = async (answer: () => Response) => {
    answering({ [`GET ${CURRENT}`]: answer });
    return new Client(BASE).viewer();
  };
  const ann = { role: 'manager', name: 'ann' };
  expect(await viewer(json(200, { ...ann, by: 'session' }))).toEqual({ ...ann, hasSession: true });
  for (const by of ['nobody', 'key']) expect(await viewer(json(200, { ...ann, by }))).toEqual({ ...ann, hasSession: false });
  expect(await viewer(json(404, { code: 'not_found' }))).toBeUndefined();
  expect(await viewer(refusal)).toBeUndefined();
});

test('signing out, also of a session that had ended', async () => {
  const asked = answering({ [`DELETE ${CURRENT}`]: () => new Response(null, { status: 204 }) });
  await new Client(BASE).signOut();
  expect(asked[0]).toMatchObject({ method: 'DELETE', path: CURRENT });
  answering({ [`DELETE ${CURRENT}`]: refusal });
  await new Client(BASE).signOut();
  answering({ [`DELETE ${CURRENT}`]: json(503, {}) });
  await expect(new Client(BASE).signOut()).rejects.toMatchObject({ status: 503 });
});

test('ids that addresses cannot hold are those of no transaction', async () => {
  const asked = answering({});
  for (const id of ['.', '..']) await expect(new Client(BASE).details(id)).rejects.toMatchObject({ status: 404 });
  expect(asked).toEqual([]);
});
