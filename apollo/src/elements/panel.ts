import { LitElement, html, nothing, type PropertyValues } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { Client } from '../api/client.js';
import type { Row } from '../api/types.js';
import type { Health } from '../connection/controller.js';
import type { TransportName } from '../connection/transport.js';
import type { I18n } from '../i18n/i18n.js';
import { NO_FILTERS, countFilters, fromAddress, isFiltered, toAddress, type Filters } from '../state/filters.js';
import { HistoryController } from '../state/history-controller.js';
import { MOST_NEW } from '../state/history.js';
import { linkedId, withLink } from '../state/link.js';
import type { ApolloDetails } from './details.js';
import { icon } from './icon.js';
import { notice } from './notice.js';
import type { ApolloRow } from './row.js';
import { base, sealed } from './styles/base.js';
import { notices } from './styles/notices.js';
import { panel as styles } from './styles/panel.js';
import { toTopLayer } from './top-layer.js';
import '@carbon/web-components/es/components/inline-loading/inline-loading.js';
import './details.js';
import './filters.js';
import './row.js';

const SEARCH_MS = 250;
const CLOCK_MS = 1_000;
/** So near to the end, the next page is fetched. */
const NEAR_PX = 600;

/** The side panel: the history, its filters, and the details of one transaction. Fires `apollo-hide`, `apollo-wake`. */
@customElement('apollo-panel')
export class ApolloPanel extends LitElement {
  static override styles = [sealed, base, notices, styles];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) i18n!: I18n;
  @property() health: Health = 'live';
  @property() transport: TransportName | undefined;
  @property({ type: Boolean }) noAddress = false;
  @state() private filtering = false;
  @state() private detailsOf: { readonly id: string; readonly row: Row | undefined } | undefined;
  @state() private selected: ReadonlySet<string> = new Set();
  @state() private now = Date.now();
  @query('.scroll') private scroller!: HTMLElement | null;
  @query('apollo-details') private details!: ApolloDetails | null;

  private readonly history = new HistoryController(this, () => this.client);
  private clock: ReturnType<typeof setInterval> | undefined;
  private searchTimer: ReturnType<typeof setTimeout> | undefined;
  private loadedBase = '';
  private scrolledTo = 0;

  /** Live changes. What is on the screen follows; what is new waits while somebody reads. */
  changed(rows: readonly Row[]): void {
    this.history.changed(rows, this.isBeingRead);
    if (rows.some((row) => row.id === this.detailsOf?.id)) void this.details?.load();
  }

  archived(ids: readonly string[]): void {
    this.history.list.remove(ids);
    this.select([], ids);
  }

  reload(): void {
    this.selected = new Set();
    void this.history.load();
    void this.details?.load();
  }

  /** The connection is back: whatever failed without it is tried again. */
  online(): void {
    if (this.history.error !== undefined) void this.history.load();
    void this.details?.load();
  }

  showDetails(id: string): void {
    this.openDetails(id, this.history.list.all.find((row) => row.id === id));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.setAttribute('role', 'dialog');
    this.clock = setInterval(() => document.visibilityState === 'visible' && (this.now = Date.now()), CLOCK_MS);
    this.addEventListener('keydown', this.keyed);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.clock);
    clearTimeout(this.searchTimer);
    this.removeEventListener('keydown', this.keyed);
  }

  protected override willUpdate(): void {
    this.setAttribute('aria-label', this.i18n.text('title'));
    if (this.client.base === this.loadedBase) return;
    this.loadedBase = this.client.base;
    const filters = this.noAddress ? NO_FILTERS : fromAddress(new URL(location.href));
    this.filtering = countFilters(filters) > 0;
    void this.history.load(filters);
    const id = this.noAddress ? undefined : linkedId(new URL(location.href));
    if (id !== undefined) this.detailsOf = { id, row: undefined };
  }

  protected override firstUpdated(): void {
    toTopLayer(this);
    this.renderRoot.querySelector<HTMLElement>('.close')?.focus();
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('detailsOf') || this.detailsOf !== undefined || changed.get('detailsOf') === undefined) return;
    // Back where one was: the same place in the list, the same row.
    const id = (changed.get('detailsOf') as { id: string }).id;
    if (this.scroller !== null) this.scroller.scrollTop = this.scrolledTo;
    const row = [...this.rowElements].find((element) => element.row.id === id);
    void this.focusOn(row);
  }

  /** A row just made has nothing to focus until it has rendered. */
  private async focusOn(row: ApolloRow | undefined): Promise<void> {
    await row?.updateComplete;
    (row ?? this.renderRoot.querySelector<HTMLElement>('.close'))?.focus();
  }

  override render() {
    return this.detailsOf === undefined ? this.renderHistory() : this.renderDetails(this.detailsOf);
  }

  private renderDetails({ id, row }: { id: string; row: Row | undefined }) {
    const { i18n } = this;
    const known = this.history.list.all.find((listed) => listed.id === id) ?? row;
    return html`
      <div class="head inner">
        <button class="icon-button back" aria-label=${i18n.text('back')} @click=${this.closeDetails}>${icon('back')}</button>
        <h2>${i18n.text('details')}</h2>
        ${this.renderHealth()} ${this.renderClose()}
      </div>
      ${this.renderTrouble()}
      <div class="scroll" tabindex="0" role="region" aria-label=${i18n.text('details')}>
        <apollo-details .client=${this.client} .i18n=${i18n} .row=${known} .now=${this.now} tx=${id}></apollo-details>
      </div>
    `;
  }

  private renderHistory() {
    const { i18n, history } = this;
    const set = countFilters(history.filters);
    return html`
      <div class="head">
        <h2>${i18n.text('title')}</h2>
        ${this.renderHealth()} ${this.renderClose()}
      </div>
      <div class="bar">
        <div class="search">
          ${icon('search')}
          <input type="search" aria-label=${i18n.text('search')} placeholder=${i18n.text('searchHint')} maxlength="256"
            autocomplete="off" spellcheck="false" .value=${history.filters.search} @input=${this.searched}>
        </div>
        <button class="icon-button filter-button" aria-expanded=${this.filtering}
          aria-label=${set === 0 ? i18n.text('filters') : i18n.plural('filtersOn', set)} @click=${() => (this.filtering = !this.filtering)}>
          ${icon('filter')} ${set === 0 ? nothing : html`<span class="badge" aria-hidden="true">${set}</span>`}
        </button>
      </div>
      ${this.filtering
        ? html`<apollo-filters .filters=${history.filters} .i18n=${i18n} @apollo-filters=${(event: CustomEvent<Filters>) => this.filter(event.detail)}></apollo-filters>`
        : nothing}
      ${this.renderTrouble()} ${this.renderSelection()} ${this.renderFresh()}
      <div class="scroll" tabindex="-1" @scroll=${this.scrolled}>${this.renderList()}</div>
      ${this.renderSnack()}
    `;
  }

  private renderHealth() {
    const { i18n, health, transport } = this;
    const live = health === 'live';
    if (live && transport === undefined) return nothing; // not yet; trouble would be said after 2 s
    const hint = live && transport !== undefined ? i18n.text(`via.${transport}`) : '';
    return html`<span class="health ${live ? '' : 'trouble'}" title=${hint} data-transport=${transport ?? ''}>
      <span class="dot"></span>${i18n.text(health)}
    </span>`;
  }

  private renderClose() {
    return html`<button class="icon-button close" aria-label=${this.i18n.text('closePanel')} @click=${this.hide}>${icon('close')}</button>`;
  }

  private renderTrouble() {
    const { i18n, health } = this;
    return html`<div role="status">
      ${health === 'live'
        ? nothing
        : html`<div class="banner">
            <p>${i18n.text(`${health}Hint`)}</p>
            <button class="link" @click=${() => this.dispatchEvent(new CustomEvent('apollo-wake'))}>${i18n.text('tryNow')}</button>
          </div>`}
    </div>`;
  }

  private renderSelection() {
    const { i18n, selected } = this;
    if (selected.size === 0) return nothing;
    return html`<div class="selection">
      <p role="status">${i18n.plural('selected', selected.size)}</p>
      <button @click=${this.archiveSelected}>${icon('archive')} ${i18n.text('archive')}</button>
      <button @click=${() => (this.selected = new Set())}>${i18n.text('cancelSelection')}</button>
    </div>`;
  }

  private renderFresh() {
    const { list } = this.history;
    const label = list.overflow
      ? this.i18n.text('freshMany', { n: MOST_NEW })
      : list.newCount > 0
        ? this.i18n.plural('fresh', list.newCount)
        : list.cutAbove
          ? this.i18n.text('toNewest')
          : '';
    return html`<div class="fresh-place" role="status">
      ${label === '' ? nothing : html`<div class="fresh"><button @click=${this.showNew}>${icon('up')} ${label}</button></div>`}
    </div>`;
  }

  private renderSnack() {
    const { i18n, history } = this;
    return html`<div role="status">
      ${history.pending !== undefined
        ? html`<div class="snack">
            <p>${i18n.plural('archived', history.pending.ids.length)}</p>
            <button class="undo" @click=${() => history.undo()}>${i18n.text('undo')}</button>
          </div>`
        : history.archiveFailed
          ? html`<div class="snack">
              <p>${i18n.text('archiveFailed')}</p>
              <button @click=${this.forgetFailure}>${i18n.text('close')}</button>
            </div>`
          : nothing}
    </div>`;
  }

  private renderList() {
    const { i18n, history, now } = this;
    const { list, error } = history;
    if (history.loading && list.length === 0) return this.renderLoading();
    if (error !== undefined && list.length === 0) {
      const hint = error.status === 0 ? i18n.text('unreachableHint') : i18n.text('failedHint', { code: error.code });
      return notice(i18n.text('failed'), hint, { label: i18n.text('retry'), run: () => void history.load() }, true);
    }
    if (list.length === 0) {
      if (!isFiltered(history.filters)) return notice(i18n.text('empty'), i18n.text('emptyHint'));
      const clear = { label: i18n.text('clearFilters'), run: () => this.filter(NO_FILTERS) };
      return notice(i18n.text('emptyFiltered'), i18n.text('emptyFilteredHint'), clear);
    }
    return html`
      ${repeat(
        list.groups(),
        (group) => group.day,
        (group) => html`<section>
          <h3>${group.day === 'running' ? i18n.text('running') : i18n.day(group.day, now)}</h3>
          <ul @apollo-select=${this.selectedRow} @apollo-details=${(event: CustomEvent<Row>) => this.openDetails(event.detail.id, event.detail)}>
            ${repeat(
              group.rows,
              (row) => row.id,
              (row) => html`<li>
                <apollo-row data-id=${row.id} data-status=${row.status} .row=${row} .i18n=${i18n} .now=${now} .selected=${this.selected.has(row.id)}></apollo-row>
              </li>`,
            )}
          </ul>
        </section>`,
      )}
      <div class="end">${this.renderEnd()}</div>
    `;
  }

  private renderEnd() {
    const { i18n, history } = this;
    if (history.loadingMore) return this.renderLoading();
    if (history.list.next === undefined) return i18n.text('endOfList');
    const label = i18n.text(history.error === undefined ? 'loadMore' : 'retry');
    return html`<apollo-cds-button kind="ghost" size="sm" @click=${() => history.more()}>${label}</apollo-cds-button>`;
  }

  private renderLoading() {
    return html`<div class="loading" role="status">
      <apollo-cds-inline-loading status="active">${this.i18n.text('loading')} …</apollo-cds-inline-loading>
    </div>`;
  }

  private get isBeingRead(): boolean {
    const { scroller } = this;
    if (this.detailsOf !== undefined || scroller === null || this.history.list.length === 0) return this.detailsOf !== undefined;
    return scroller.scrollTop > 0 || scroller.matches(':hover') || scroller.matches(':focus-within') || this.selected.size > 0;
  }

  private get rowElements(): NodeListOf<ApolloRow> {
    return this.renderRoot.querySelectorAll('apollo-row');
  }

  private openDetails(id: string, row: Row | undefined): void {
    this.scrolledTo = this.scroller?.scrollTop ?? 0;
    this.detailsOf = { id, row };
    if (row?.type !== 'notification') this.address((address) => withLink(address, id));
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('.back')?.focus());
  }

  private closeDetails(): void {
    this.detailsOf = undefined;
    this.address((address) => withLink(address, undefined));
  }

  private filter(filters: Filters): void {
    this.selected = new Set();
    this.address((address) => toAddress(address, filters));
    if (this.scroller !== null) this.scroller.scrollTop = 0;
    void this.history.load(filters);
  }

  private readonly searched = (event: Event): void => {
    const search = (event.target as HTMLInputElement).value.trim();
    clearTimeout(this.searchTimer);
    this.searchTimer = setTimeout(() => this.filter({ ...this.history.filters, search }), SEARCH_MS);
  };

  private readonly scrolled = (): void => {
    const { scroller, history } = this;
    if (scroller === null || history.error !== undefined) return;
    if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX) void history.more();
  };

  private readonly showNew = (): void => {
    this.history.showNew();
    if (this.scroller === null) return;
    this.scroller.scrollTop = 0;
    void this.updateComplete.then(() => this.focusOn(this.rowElements[0]));
  };

  private readonly selectedRow = (event: CustomEvent<{ id: string; selected: boolean }>): void => {
    const { id, selected } = event.detail;
    this.select(selected ? [id] : [], selected ? [] : [id]);
  };

  private select(add: readonly string[], drop: readonly string[]): void {
    const set = new Set([...this.selected, ...add]);
    for (const id of drop) set.delete(id);
    this.selected = set;
  }

  private readonly archiveSelected = (): void => {
    const ids = [...this.selected];
    this.selected = new Set();
    this.history.archive(ids);
    this.dispatchEvent(new CustomEvent('apollo-archived', { detail: ids }));
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('.undo')?.focus());
  };

  private readonly forgetFailure = (): void => {
    this.history.archiveFailed = false;
    this.requestUpdate();
  };

  private readonly hide = (): void => {
    this.dispatchEvent(new CustomEvent('apollo-hide'));
  };

  /** Escape goes one step back; the arrows go from row to row. */
  private readonly keyed = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      if (this.detailsOf !== undefined) this.closeDetails();
      else this.hide();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const rows = [...this.rowElements];
    const at = rows.findIndex((row) => row.matches(':focus-within') || row === this.shadowRoot?.activeElement);
    if (step === undefined || at < 0) return;
    event.preventDefault();
    rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.focus();
  };

  private address(change: (address: URL) => URL): void {
    if (!this.noAddress) history.replaceState(history.state, '', change(new URL(location.href)));
  }
}
