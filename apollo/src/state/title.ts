import type { Row } from '../api/types.js';

export interface Title {
  readonly title: string;
  /** The last message; empty when there is none. */
  readonly text: string;
}

/**
 * Splits `"<description>: <last message>"`. The history has the description, live messages do not. Descriptions may
 * contain ": " themselves, so a title known from an earlier state takes precedence over splitting at the first ": ".
 */
export function split(row: Row, known?: string): Title {
  for (const description of [row.description, known]) {
    if (description === undefined || description === '') continue;
    if (row.message === description) return { title: description, text: '' };
    if (row.message.startsWith(`${description}: `)) {
      return { title: description, text: row.message.slice(description.length + 2) };
    }
  }
  const at = row.type === 'notification' ? -1 : row.message.indexOf(': ');
  if (at <= 0) return { title: row.message, text: '' };
  return { title: row.message.slice(0, at), text: row.message.slice(at + 2) };
}
