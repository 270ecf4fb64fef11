import { expect, test } from 'vitest';
import { NO_FILTERS, countFilters, fromAddress, isFiltered, matches, toAddress, toQuery, type Filters } from '../../src/state/filters.js';
import { linkedId, withLink } from '../../src/state/link.js';
import { done, row } from './rows.js';
import addresses from '../../../tests/domain/addresses.json?raw';

const ALL: Filters = {
  status: ['pending', 'error'], type: 'webhook_tx', sub_type: 'template', component_id: 'c&1', by: 'd**a@example.com',
  search: 'ümlaut & more', from: '2026-11-01', to: '2026-11-02',
};
const page = new URL('https://console.example/app?tab=2&type=theirs#/route');

test('to the address and back, beside what the page has there', () => {
  const address = toAddress(page, ALL);
  expect(fromAddress(address)).toEqual(ALL);
  expect(address.searchParams.get('tab')).toBe('2');
  expect(address.searchParams.get('type')).toBe('theirs');
  expect(address.hash).toBe('#/route');
  expect(toAddress(address, NO_FILTERS).href).toBe(page.href);
});

test('nonsense in the address is no filter', () => {
  const address = new URL('https://x.example/?apollo-status=pending,evil&apollo-type=x&apollo-from=yesterday&apollo-to=1');
  expect(fromAddress(address)).toEqual({ ...NO_FILTERS, status: ['pending'] });
});

test('as the API takes them: whole local days, in ms', () => {
  const query = toQuery(ALL);
  expect(query.get('status')).toBe('pending,error');
  expect(Number(query.get('from'))).toBe(new Date(2026, 10, 1).getTime());
  expect(Number(query.get('to'))).toBe(new Date(2026, 10, 3).getTime() - 1);
  expect([...toQuery(NO_FILTERS)]).toEqual([]);
});

test('live rows against the filters, as Athena would', () => {
  const a = row('Tx-1', { message: 'Import: ROWS', by: 'dora' });
  const only = (filters: Partial<Filters>) => matches({ ...NO_FILTERS, ...filters }, a);
  expect(only({})).toBe(true);
  expect(only({ search: 'rows' })).toBe(true);
  expect(only({ search: 'tX-1' })).toBe(true);
  expect(only({ status: ['error'] })).toBe(false);
  expect(only({ type: 'notification' })).toBe(false);
  expect(only({ sub_type: 'template' })).toBe(false);
  expect(only({ by: 'dora' })).toBe(true);
  expect(only({ from: '2026-11-01' })).toBe(false);
  // Live rows carry no component, so only Athena can tell.
  expect(only({ component_id: 'c' })).toBeUndefined();
  expect(only({ search: 'nowhere' })).toBeUndefined();
  expect(matches({ ...NO_FILTERS, component_id: 'c' }, done('x', 1, { component_id: 'd' }))).toBe(false);
});

// What Athena stores of each text: the cases that its own masking is tested with.
const STORED = (JSON.parse(addresses) as [string, string][]).filter(([text]) => text !== '');

test.each(STORED)('live rows of %s, who is stored as %s', (by, stored) => {
  expect(matches({ ...NO_FILTERS, by }, row('Tx-1', { by: stored }))).toBe(true);
  expect(matches({ ...NO_FILTERS, by }, row('Tx-1', { by: 'somebody@else.org' }))).toBe(false);
});

test('counting', () => {
  expect(countFilters(ALL)).toBe(7);
  expect(isFiltered({ ...NO_FILTERS, search: 'x' })).toBe(true);
  expect(isFiltered(NO_FILTERS)).toBe(false);
});

test('a link to a transaction, also where the page uses the hash', () => {
  const own = new URL('https://x.example/');
  expect(linkedId(withLink(own, 'a b#%'))).toBe('a b#%');
  expect(withLink(own, 'a').hash).toBe('#tx=a');
  expect(withLink(withLink(own, 'a'), undefined).href).toBe(own.href);
  const other = withLink(page, 'a');
  expect(other.hash).toBe('#/route');
  expect(linkedId(other)).toBe('a');
  expect(withLink(other, undefined).href).toBe(page.href);
  expect(linkedId(new URL('https://x.example/#tx=%E0%A4%A'))).toBeUndefined();
});
