import type { Row } from '../../src/api/types.js';

export const row = (id: string, members: Partial<Row> = {}): Row => ({
  id, type: 'webhook_tx', sub_type: null, status: 'pending', message: `${id}: working`, ts_display: 1_000, ts_started: 1_000, by: '-', ...members,
});
export const done = (id: string, ts_display: number, members: Partial<Row> = {}): Row =>
  row(id, { status: 'success', ts_display, ts_completed: ts_display, ...members });
