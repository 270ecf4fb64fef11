import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { Row } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';
import { NO_FILTERS, isFiltered, type Filters } from '../state/filters.js';
import type { HistoryController } from '../state/history-controller.js';
import type { Group } from '../state/history.js';
import type { Drawing } from './drawing.js';
import { notice } from './notice.js';
import { hint } from './trouble.js';
import '@carbon/web-components/es/components/button/button.js';
import '@carbon/web-components/es/components/inline-loading/inline-loading.js';
import './row.js';

export interface HistoryView {
  readonly i18n: I18n;
  readonly history: HistoryController;
  readonly drawing: Drawing;
  readonly now: number;
  /** Whether rows can be selected, which is only useful for archiving. */
  readonly selectable: boolean;
  readonly filter: (filters: Filters) => void;
  readonly open: (row: Row) => void;
}

/** The rows in groups, or why there are none. */
export function historyView(view: HistoryView): TemplateResult {
  const { i18n, history } = view;
  const { list } = history;
  const drawn = view.drawing.next(list.all);
  if (list.length === 0) return noRows(view);
  return html`
    ${repeat(
      list.groups(),
      (group) => group.day,
      (group) => section(view, group, drawn),
    )}
    <div class="end">${drawn.size < list.length ? nothing : end(i18n, history)}</div>
  `;
}

function noRows({ i18n, history, filter }: HistoryView): TemplateResult {
  const { error, filters } = history;
  if (history.loading) return loading(i18n);
  if (error !== undefined) {
    const retry = { label: i18n.text('retry'), run: () => void history.load() };
    // Signed out: the bar above says what to do.
    return notice(i18n.text('failed'), hint(error, i18n), error.status === 401 ? undefined : retry, true);
  }
  if (!isFiltered(filters)) return notice(i18n.text('empty'), i18n.text('emptyHint'));
  const clear = { label: i18n.text('clearFilters'), run: () => filter(NO_FILTERS) };
  return notice(i18n.text('emptyFiltered'), i18n.text('emptyFilteredHint'), clear);
}

function section({ i18n, history, now, selectable, open }: HistoryView, group: Group, drawn: ReadonlySet<string>): TemplateResult {
  const { archiving } = history;
  const select = (event: CustomEvent<{ id: string; selected: boolean }>): void =>
    archiving.select(event.detail.id, event.detail.selected);
  return html`<section>
    <h3>${group.day === 'running' ? i18n.text('running') : i18n.day(group.day, now)}</h3>
    <ul @apollo-select=${select} @apollo-details=${(event: CustomEvent<Row>) => open(event.detail)}>
      ${repeat(
        group.rows,
        (row) => row.id,
        // Empty until it is drawn; while empty, as high as an off-screen row.
        (row) => html`<li>${drawn.has(row.id)
          ? html`<apollo-row data-id=${row.id} data-status=${row.status} .row=${row} .i18n=${i18n} .now=${now}
              .selectable=${selectable} .selected=${archiving.selected.has(row.id)}></apollo-row>`
          : nothing}</li>`,
      )}
    </ul>
  </section>`;
}

function end(i18n: I18n, history: HistoryController): TemplateResult | string {
  if (history.loadingMore) return loading(i18n);
  if (history.list.next === undefined) return i18n.text('endOfList');
  const label = i18n.text(history.error === undefined ? 'loadMore' : 'retry');
  return html`<apollo-cds-button kind="ghost" size="sm" @click=${() => history.more()}>${label}</apollo-cds-button>`;
}

function loading(i18n: I18n): TemplateResult {
  return html`<div class="loading" role="status">
    <apollo-cds-inline-loading status="active">${i18n.text('loading')} …</apollo-cds-inline-loading>
  </div>`;
}
