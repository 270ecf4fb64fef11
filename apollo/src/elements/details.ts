import { LitElement, html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import type { Client } from '../api/client.js';
import { ApiError } from '../api/session.js';
import { isActive, type Change, type Details, type Row } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';
import { withLink } from '../state/link.js';
import { split } from '../state/title.js';
import { icon, statusIcon } from './icon.js';
import { notice } from './notice.js';
import { hint } from './trouble.js';
import { steps } from './steps.js';
import { base } from './styles/base.js';
import { details as styles } from './styles/details.js';
import { steps as stepStyles } from './styles/steps.js';
import { clock } from './time.js';

/** There is no such transaction (404), or the id is invalid (400). */
const isUnknown = (error: ApiError): boolean => error.status === 404 || error.status === 400;

/** One transaction, change by change. For a notice, only the contents of its row. */
@customElement('apollo-details')
export class ApolloDetails extends LitElement {
  static override styles = [base, stepStyles, styles];

  @property() tx = '';
  /** The row, if it is known already. */
  @property({ attribute: false }) row: Row | undefined;
  @property({ attribute: false }) client!: Client;
  @property({ attribute: false }) i18n!: I18n;
  @property({ type: Number }) now = 0;
  @state() private details: Details | undefined;
  @state() private error: ApiError | undefined;
  @state() private copied = false;
  private request: AbortController | undefined;

  /** Fetches the details. A newer request aborts an older one. */
  async load(): Promise<void> {
    if (this.row?.type === 'notification') return;
    this.request?.abort();
    const request = (this.request = new AbortController());
    try {
      this.details = await this.client.details(this.tx, request.signal);
      this.error = undefined;
    } catch (error) {
      if (request.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(0, 'unknown', String(error));
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.request?.abort();
  }

  protected override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has('tx')) return;
    this.details = this.error = undefined;
    void this.load();
  }

  override render() {
    const { i18n, error } = this;
    const row = this.details ?? this.row;
    if (error !== undefined && isUnknown(error)) {
      return notice(i18n.text('unknownTx'), i18n.text('unknownTxHint'), undefined, true); // also right after a purge
    }
    if (row === undefined) {
      if (error === undefined) return html`<p class="quiet" role="status">${i18n.text('loading')} …</p>`;
      const retry = { label: i18n.text('retry'), run: () => void this.load() };
      return notice(i18n.text('detailsFailed'), hint(error, i18n), error.status === 401 ? undefined : retry, true);
    }
    const { title, text } = split(row);
    return html`
      <div class="head ${row.status}">
        <p class="state">${statusIcon(row.status)} ${i18n.text(`status.${row.status}`)}</p>
        <h3 class="foreign" dir="auto">${title}</h3>
        ${row.type === 'notification' && text !== '' ? html`<p class="foreign" dir="auto">${text}</p>` : nothing}
        ${row.type === 'webhook_tx' ? steps(row, i18n, title) : nothing}
      </div>
      ${this.renderFacts(row)} ${this.details === undefined ? nothing : this.renderChanges(this.details)}
      ${row.type === 'webhook_tx' ? this.renderLink() : nothing}
    `;
  }

  private renderFacts(row: Row) {
    const { i18n } = this;
    const began = row.ts_started;
    const ended = row.ts_completed ?? (isActive(row.status) ? this.now : undefined);
    const facts: [string, unknown][] = [
      [i18n.text('by'), row.by === '-' ? undefined : html`<bdi>${row.by}</bdi>`],
      [i18n.text('when'), row.type === 'notification' ? i18n.exact(row.ts_display) : undefined],
      [i18n.text('started'), began === undefined ? undefined : i18n.exact(began)],
      [i18n.text('completed'), row.ts_completed === undefined ? undefined : i18n.exact(row.ts_completed)],
      [i18n.text('duration'), began === undefined || ended === undefined ? undefined : row.ts_completed === undefined ? i18n.duration(ended - began) : i18n.took(ended - began)],
      [i18n.text('component'), row.component_id === undefined ? undefined : html`<bdi>${row.component_display_name ?? row.component_id}</bdi>`],
      [i18n.text('subType'), row.sub_type == null ? undefined : html`<bdi>${row.sub_type}</bdi>`],
      [i18n.text('id'), html`<bdi>${row.id}</bdi>`],
    ];
    return html`<dl>
      ${facts.map(([name, value]) => (value === undefined ? nothing : html`<div><dt>${name}</dt><dd class="foreign">${value}</dd></div>`))}
    </dl>`;
  }

  private renderChanges(details: Details) {
    const { i18n } = this;
    return html`
      <h3 class="section">${i18n.text('changes')}</h3>
      <ol>
        ${details.changes.map((change, at) => html`<li class=${change.status}>
          ${statusIcon(change.status)}
          <div>
            <p class="foreign" dir="auto">${change.message ?? i18n.text(at === 0 ? 'opened' : `status.${change.status}`)}</p>
            <p class="quiet">
              ${clock(change.ts, i18n)}${at === 0 ? nothing : html` · +${i18n.took(change.ts - details.changes[at - 1]!.ts)}`}${this.step(change)}
            </p>
          </div>
        </li>`)}
      </ol>
    `;
  }

  private step(change: Change) {
    const { on_step: step, total_steps: total } = change;
    if (step === undefined) return nothing;
    return html` · ${total === undefined ? this.i18n.text('stepOnly', { step }) : this.i18n.text('steps', { step, total })}`;
  }

  private renderLink() {
    const label = this.i18n.text(this.copied ? 'linkCopied' : 'copyLink');
    return html`<p class="foot"><button class="link" @click=${this.copy}>${icon('link')} <span role="status">${label}</span></button></p>`;
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(withLink(new URL(location.href), this.tx).href);
      this.copied = true;
    } catch {
      // Not permitted, or not a secure context: the address bar has the link too.
    }
  }
}
