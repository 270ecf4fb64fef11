import { LitElement, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { Client } from '../api/client.js';
import type { Row } from '../api/types.js';
import type { Health } from '../connection/controller.js';
import type { TransportName } from '../connection/transport.js';
import type { I18n } from '../i18n/i18n.js';
import { NO_FILTERS, countFilters, fromAddress, toAddress, type Filters } from '../state/filters.js';
import { HistoryController } from '../state/history-controller.js';
import { linkedId } from '../state/link.js';
import { ViewerController } from '../state/viewer.js';
import type { ApolloDetails } from './details.js';
import { DetailsPlace, type Shown } from './details-place.js';
import { Drawing } from './drawing.js';
import { historyView } from './history-view.js';
import { icon } from './icon.js';
import { ListFocus } from './list-focus.js';
import { archiveBar, freshBar, healthBadge, selectionBar, signOutButton, troubleBar } from './panel-bars.js';
import { base, sealed } from './styles/base.js';
import { notices } from './styles/notices.js';
import { panel as styles } from './styles/panel.js';
import { toTopLayer } from './top-layer.js';
import './details.js';
import './filters.js';

const SEARCH_MS = 250;
const CLOCK_MS = 1_000;
/** This close to the end, the next page is fetched. */
const NEAR_PX = 600;

/**
 * The side panel: the history, its filters, and the details of one transaction. Fires `apollo-hide`, `apollo-wake`,
 * `apollo-archived`, `apollo-sign-in` and `apollo-signed-out`.
 */
@customElement('apollo-panel')
export class ApolloPanel extends LitElement {
  static override styles = [sealed, base, notices, styles];

  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) i18n!: I18n;
  @property() health: Health = 'live';
  @property() transport: TransportName | undefined;
  @property({ type: Boolean }) noAddress = false;
  @state() private filtering = false;
  @state() private now = Date.now();
  @query('apollo-details') private details!: ApolloDetails | null;

  private readonly history = new HistoryController(this, () => this.client);
  private readonly viewer = new ViewerController(this, () => this.client, () => this.say('apollo-signed-out'));
  private readonly drawing: Drawing = new Drawing(this, () => this.list.scroller?.clientHeight ?? 0);
  private readonly list = new ListFocus(this, () => this.place.shown !== undefined, () => this.drawing.drawAll());
  private readonly place: DetailsPlace = new DetailsPlace(this, () => this.list, (change) => this.readdress(change));
  private clock: ReturnType<typeof setInterval> | undefined;
  private searchTimer: ReturnType<typeof setTimeout> | undefined;
  private loadedFrom: Client | undefined;

  /** Applies live changes. Visible rows are updated; new ones wait while the user reads. */
  changed(rows: readonly Row[]): void {
    this.history.changed(rows, this.isBeingRead);
    if (rows.some((row) => row.id === this.place.shown?.id)) void this.details?.load();
  }

  archived(ids: readonly string[]): void {
    this.history.list.remove(ids);
    this.history.archiving.gone(ids);
  }

  /** The history was replaced. */
  reload(): void {
    this.history.archiving.forget();
    void this.history.load();
    // A notice has only its row, and no request can tell whether it still exists.
    if (this.place.shown?.row?.type === 'notification') this.place.close();
    void this.details?.load();
  }

  /** The connection is back: retries what failed without it. */
  online(): void {
    if (this.history.error !== undefined) void this.history.load();
    void this.details?.load();
    void this.viewer.load();
  }

  showDetails(id: string): void {
    this.place.open(id, this.history.list.all.find((row) => row.id === id));
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
    const { archiving } = this.history;
    if (!this.viewer.mayArchive && archiving.selected.size > 0) archiving.clearSelection();
    if (this.client === this.loadedFrom) return;
    if (this.loadedFrom !== undefined) {
      archiving.forget();
      this.viewer.forget();
      this.place.shown = undefined;
    }
    this.loadedFrom = this.client;
    const filters = this.noAddress ? NO_FILTERS : fromAddress(new URL(location.href));
    this.filtering = countFilters(filters) > 0;
    void this.history.load(filters);
    void this.viewer.load();
    const id = this.noAddress ? undefined : linkedId(new URL(location.href));
    if (id !== undefined) this.place.begin(id);
  }

  protected override firstUpdated(): void {
    toTopLayer(this);
    this.renderRoot.querySelector<HTMLElement>('.close')?.focus();
  }

  override render() {
    return this.place.shown === undefined ? this.renderHistory() : this.renderDetails(this.place.shown);
  }

  private renderDetails({ id, row }: Shown) {
    const { i18n } = this;
    this.drawing.leave();
    const known = this.history.list.all.find((listed) => listed.id === id) ?? row;
    return html`
      <div class="head inner">
        <button class="icon-button back" aria-label=${i18n.text('back')} @click=${this.place.close}>${icon('back')}</button>
        <h2 tabindex="-1">${i18n.text('details')}</h2>
        ${healthBadge(i18n, this.health, this.transport)} ${this.renderClose()}
      </div>
      ${this.renderTrouble()}
      <div class="scroll" tabindex="0" role="region" aria-label=${i18n.text('details')}>
        <apollo-details .client=${this.client} .i18n=${i18n} .row=${known} .now=${this.now} tx=${id}></apollo-details>
      </div>
    `;
  }

  private renderHistory() {
    const { i18n, history, now } = this;
    const who = this.health === 'signed-out' ? undefined : this.viewer.who;
    return html`
      <div class="head">
        <h2 tabindex="-1">${i18n.text('title')}</h2>
        ${signOutButton(i18n, who, this.signOut)} ${healthBadge(i18n, this.health, this.transport)} ${this.renderClose()}
      </div>
      ${this.renderSearch()}
      ${this.filtering
        ? html`<apollo-filters .filters=${history.filters} .i18n=${i18n}
            @apollo-filters=${(event: CustomEvent<Filters>) => this.filter(event.detail)}></apollo-filters>`
        : nothing}
      ${this.renderTrouble()}
      ${selectionBar(i18n, history.archiving, this.archive)} ${freshBar(i18n, history.list, this.showNew)}
      <div class="scroll" tabindex="-1" @scroll=${this.scrolled}>
        ${historyView({
          i18n,
          history,
          drawing: this.drawing,
          now,
          selectable: this.viewer.mayArchive,
          filter: this.filter,
          open: (row) => this.place.open(row.id, row),
        })}
      </div>
      ${archiveBar(i18n, history.archiving)}
    `;
  }

  private renderSearch() {
    const { i18n, history } = this;
    const set = countFilters(history.filters);
    return html`<div class="bar">
      <div class="search">
        ${icon('search')}
        <input type="search" aria-label=${i18n.text('search')} placeholder=${i18n.text('searchHint')} maxlength="256"
          autocomplete="off" spellcheck="false" .value=${history.filters.search} @input=${this.searched}>
      </div>
      <button class="icon-button filter-button" aria-expanded=${this.filtering}
        aria-label=${set === 0 ? i18n.text('filters') : i18n.plural('filtersOn', set)} @click=${() => (this.filtering = !this.filtering)}>
        ${icon('filter')} ${set === 0 ? nothing : html`<span class="badge" aria-hidden="true">${set}</span>`}
      </button>
    </div>`;
  }

  private renderClose() {
    return html`<button class="icon-button close" aria-label=${this.i18n.text('closePanel')} @click=${this.hide}>${icon('close')}</button>`;
  }

  private renderTrouble() {
    return troubleBar(this.i18n, this.health, this.viewer.signOutFailed, (type) => this.say(type));
  }

  private get isBeingRead(): boolean {
    if (this.place.shown !== undefined) return true;
    return this.history.list.length > 0 && (this.list.isBeingRead || this.history.archiving.selected.size > 0);
  }

  private readonly filter = (filters: Filters): void => {
    this.history.archiving.clearSelection();
    this.readdress((address) => toAddress(address, filters));
    this.list.toTop();
    void this.history.load(filters);
  };

  private readonly searched = (event: Event): void => {
    const search = (event.target as HTMLInputElement).value.trim();
    clearTimeout(this.searchTimer);
    this.searchTimer = setTimeout(() => this.filter({ ...this.history.filters, search }), SEARCH_MS);
  };

  private readonly scrolled = (): void => {
    this.drawing.drawAll();
    const { scroller } = this.list;
    if (scroller === null || this.history.error !== undefined) return;
    if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX) void this.history.more();
  };

  private readonly showNew = (): void => {
    this.drawing.drawAll();
    this.history.showNew();
    this.list.toTop();
    void this.list.focusRow((rows) => rows[0]);
  };

  private readonly archive = (): void => {
    const { archiving } = this.history;
    this.list.expectToLose([...archiving.selected]);
    this.dispatchEvent(new CustomEvent('apollo-archived', { detail: archiving.archiveSelected() }));
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('.undo')?.focus());
  };

  private readonly signOut = async (): Promise<void> => {
    await this.history.archiving.commit(); // not permitted after signing out
    await this.viewer.signOut();
  };

  private readonly hide = (): void => this.say('apollo-hide');

  private say(type: string): void {
    this.dispatchEvent(new CustomEvent(type));
  }

  /** Escape closes the details, or else the panel. */
  private readonly keyed = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    if (this.place.shown !== undefined) this.place.close();
    else this.hide();
  };

  private readdress(change: (address: URL) => URL): void {
    if (!this.noAddress) history.replaceState(history.state, '', change(new URL(location.href)));
  }
}
