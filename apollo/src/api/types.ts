/** Athena's messages, and how Apollo validates them. Unknown members and types are ignored (docs/live.md). */

export const STATUSES = ['pending', 'undoing', 'error', 'success'] as const;
export type Status = (typeof STATUSES)[number];

/** One transaction or notice, as a live message and as a row of the history. Times are UTC Unix milliseconds. */
export interface Row {
  readonly id: string;
  readonly type: 'webhook_tx' | 'notification';
  readonly sub_type?: string | null;
  readonly status: Status;
  /** `"<description>: <last message>"`, or the description alone. */
  readonly message: string;
  /** Only in the history; live messages have only `message`. */
  readonly description?: string;
  readonly ts_display: number;
  readonly ts_started?: number;
  readonly ts_completed?: number;
  readonly on_step?: number;
  readonly total_steps?: number;
  readonly by: string;
  readonly component_id?: string;
  readonly component_display_name?: string;
}

export interface Change {
  readonly ts: number;
  readonly status: Status;
  readonly message?: string;
  readonly on_step?: number;
  readonly total_steps?: number;
}

export interface Details extends Row {
  readonly changes: readonly Change[];
}

export type LiveMessage =
  | { readonly kind: 'change'; readonly row: Row; readonly cursor?: string }
  | { readonly kind: 'archived'; readonly ids: readonly string[]; readonly cursor?: string }
  | { readonly kind: 'reset' | 'ready' | 'other'; readonly cursor?: string };

export const isActive = (status: Status): boolean => status === 'pending' || status === 'undoing';

type Json = Record<string, unknown>;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const integer = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** Drops undefined members, so that they do not overwrite known ones in a spread. */
function present<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

/** A row, or undefined when a required member is missing. */
export function readRow(value: unknown): Row | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const json = value as Json;
  const id = text(json['id']) ?? text(json['tx_id']);
  const status = STATUSES.find((known) => known === json['status']);
  const type = json['type'] === 'webhook_tx' || json['type'] === 'notification' ? json['type'] : undefined;
  const ts_display = integer(json['ts_display']);
  if (id === undefined || status === undefined || type === undefined || ts_display === undefined) return undefined;
  return present({
    id,
    type,
    status,
    ts_display,
    sub_type: text(json['sub_type']),
    message: text(json['message']) ?? '',
    description: text(json['description']),
    ts_started: integer(json['ts_started']),
    ts_completed: integer(json['ts_completed']),
    on_step: integer(json['on_step']),
    total_steps: integer(json['total_steps']),
    by: text(json['by']) ?? '-',
    component_id: text(json['component_id']),
    component_display_name: text(json['component_display_name']),
  }) as Row;
}

/** Never throws: an unknown message is `other`, and still advances the position. */
export function readMessage(value: unknown): LiveMessage {
  if (typeof value !== 'object' || value === null) return { kind: 'other' };
  const json = value as Json;
  const cursor = text(json['cursor']);
  const at = cursor === undefined ? {} : { cursor };
  switch (json['type']) {
    case 'ready':
    case 'reset':
      return { kind: json['type'], ...at };
    case 'archived': {
      const ids = Array.isArray(json['ids']) ? json['ids'].filter((id): id is string => typeof id === 'string') : [];
      return { kind: 'archived', ids, ...at };
    }
    default: {
      const row = readRow(json);
      return row === undefined ? { kind: 'other', ...at } : { kind: 'change', row, ...at };
    }
  }
}

export function readDetails(value: unknown): Details | undefined {
  const row = readRow(value);
  if (row === undefined) return undefined;
  const listed = (value as Json)['changes'];
  const changes: Change[] = [];
  for (const entry of Array.isArray(listed) ? (listed as Json[]) : []) {
    const status = STATUSES.find((known) => known === entry?.['status']);
    const ts = integer(entry?.['ts']);
    if (status === undefined || ts === undefined) continue;
    changes.push(
      present({
        ts,
        status,
        message: text(entry['message']),
        on_step: integer(entry['on_step']),
        total_steps: integer(entry['total_steps']),
      }) as Change,
    );
  }
  return { ...row, changes };
}
