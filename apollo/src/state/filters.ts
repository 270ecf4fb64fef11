import { STATUSES, type Row, type Status } from '../api/types.js';

/** The panel's filters. Empty strings and an empty list mean all. Days are local, `YYYY-MM-DD`, both inclusive. */
export interface Filters {
  readonly status: readonly Status[];
  readonly type: '' | Row['type'];
  readonly sub_type: string;
  readonly component_id: string;
  readonly by: string;
  readonly search: string;
  readonly from: string;
  readonly to: string;
}

export const NO_FILTERS: Filters = {
  status: [],
  type: '',
  sub_type: '',
  component_id: '',
  by: '',
  search: '',
  from: '',
  to: '',
};

export const countFilters = (filters: Filters): number =>
  Object.entries(filters).filter(([name, value]) => name !== 'search' && value.length > 0).length;

export const isFiltered = (filters: Filters): boolean => countFilters(filters) > 0 || filters.search !== '';

/** Prefix of all our parameters; the rest of the page's URL belongs to the page. */
const PREFIX = 'apollo-';
const NAMES = ['type', 'sub_type', 'component_id', 'by', 'search', 'from', 'to'] as const;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

const parameter = (name: string): string => PREFIX + name.replace('_', '-');

export function fromAddress(address: URL): Filters {
  const given = address.searchParams;
  const text = (name: (typeof NAMES)[number]): string => given.get(parameter(name)) ?? '';
  const day = (name: 'from' | 'to'): string => (DAY.test(text(name)) ? text(name) : '');
  const type = text('type');
  const listed = (given.get(parameter('status')) ?? '').split(',');
  return {
    status: STATUSES.filter((status) => listed.includes(status)),
    type: type === 'webhook_tx' || type === 'notification' ? type : '',
    sub_type: text('sub_type'),
    component_id: text('component_id'),
    by: text('by'),
    search: text('search'),
    from: day('from'),
    to: day('to'),
  };
}

/** The same URL with these filters, everything else unchanged. */
export function toAddress(address: URL, filters: Filters): URL {
  const result = new URL(address);
  const set = (name: string, value: string): void => {
    if (value === '') result.searchParams.delete(parameter(name));
    else result.searchParams.set(parameter(name), value);
  };
  set('status', filters.status.join(','));
  for (const name of NAMES) set(name, filters[name]);
  return result;
}

/** Local midnight of a day, plus some days, in ms; NaN if it is not a day. */
function midnight(day: string, plusDays: number): number {
  const [year = NaN, month = NaN, date = NaN] = day.split('-').map(Number);
  return new Date(year, month - 1, date + plusDays).getTime();
}

/** As query parameters of `GET /notifications`. */
export function toQuery(filters: Filters): URLSearchParams {
  const query = new URLSearchParams();
  if (filters.status.length > 0) query.set('status', filters.status.join(','));
  for (const name of ['type', 'sub_type', 'component_id', 'by', 'search'] as const) {
    if (filters[name] !== '') query.set(name, filters[name]);
  }
  if (filters.from !== '') query.set('from', String(midnight(filters.from, 0)));
  if (filters.to !== '') query.set('to', String(midnight(filters.to, 1) - 1));
  return query;
}

/** Like Athena: ignores the case of A to Z only. */
const fold = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

const ADDRESS = /("[^"]+"(?=@)|[^\s@<>()[\],;:"]+)(@(?:[^\s@<>()[\],;:"]+|\[[^\s@[\]]{1,64}\]))/g;

/** Like Athena, which stores and compares only masked addresses: `athena/domain/masking.py`. */
const masked = (text: string): string =>
  text.replace(ADDRESS, (_, local: string, domain: string) => {
    if (local.startsWith('"')) return `"${'*'.repeat([...local].length - 2)}"${domain}`;
    const letters = [...local];
    const first = letters.length > 2 ? 1 : 0;
    const last = letters.length > 3 ? 1 : 0;
    const hidden = '*'.repeat(letters.length - first - last);
    return letters.slice(0, first).join('') + hidden + letters.slice(letters.length - last).join('') + domain;
  });

/** Whether a live row passes the filters; undefined when only Athena can tell (live rows have no component). */
export function matches(filters: Filters, row: Row): boolean | undefined {
  if (filters.status.length > 0 && !filters.status.includes(row.status)) return false;
  if (filters.type !== '' && filters.type !== row.type) return false;
  if (filters.sub_type !== '' && filters.sub_type !== row.sub_type) return false;
  if (filters.by !== '' && masked(filters.by) !== row.by) return false;
  if (filters.from !== '' && row.ts_display < midnight(filters.from, 0)) return false;
  if (filters.to !== '' && row.ts_display >= midnight(filters.to, 1)) return false;
  if (filters.component_id !== '') return row.component_id === undefined ? undefined : row.component_id === filters.component_id;
  if (filters.search === '') return true;
  const found = [row.message, row.id, row.by].some((text) => fold(text).includes(fold(filters.search)));
  return found ? true : row.component_id === undefined ? undefined : fold(row.component_id).includes(fold(filters.search));
}
