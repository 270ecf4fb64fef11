import { LitElement, css, html } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { STATUSES, type Status } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';
import { NO_FILTERS, countFilters, type Filters } from '../state/filters.js';
import { statusIcon } from './icon.js';
import { base } from './styles/base.js';
import '@carbon/web-components/es/components/button/button.js';

/** The panel's filters. Fires `apollo-filters` with the new filters. */
@customElement('apollo-filters')
export class ApolloFilters extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: block;
        padding: 0.75rem 1rem 1rem;
        border-block-end: 1px solid var(--cds-border-subtle);
        background: var(--cds-layer-01);
        color: var(--cds-text-primary);
      }
      fieldset {
        display: flex;
        flex-wrap: wrap;
        gap: 0.375rem;
        margin: 0 0 0.75rem;
        padding: 0;
        border: 0;
      }
      legend {
        padding: 0;
        margin-block-end: 0.375rem;
      }
      legend,
      .field > span {
        color: var(--cds-text-secondary);
        font-size: 0.75rem;
        line-height: 1rem;
      }
      .chip {
        display: flex;
        align-items: center;
        gap: 0.375rem;
        padding: 0 0.75rem 0 0.5rem;
        border: 1px solid var(--cds-border-strong-01);
        border-radius: 1rem;
        font-size: 0.8125rem;
        line-height: 1.875rem;
      }
      .chip svg {
        width: 1rem;
        height: 1rem;
      }
      .chip:hover {
        background: var(--cds-background-hover);
      }
      .chip[aria-pressed='true'] {
        border-color: var(--cds-background-inverse);
        background: var(--cds-background-inverse);
        color: var(--cds-text-inverse);
      }
      .chip[aria-pressed='true'] .status-icon {
        color: inherit;
      }
      .chip:focus-visible {
        outline-offset: 1px;
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: 0.75rem;
      }
      .field {
        display: grid;
        gap: 0.25rem;
      }
      .field :is(input, select) {
        width: 100%;
        height: 2rem;
        padding-inline: 0.75rem;
        border: 0;
        border-block-end: 1px solid var(--cds-border-strong-01);
        border-radius: 0;
        background: var(--cds-background);
        color: var(--cds-text-primary);
        font: inherit;
        font-size: 0.875rem;
      }
      input::placeholder {
        color: var(--cds-text-placeholder);
        opacity: 1;
      }
      .clear {
        margin-block-start: 0.75rem;
      }
    `,
  ];

  @property({ attribute: false }) filters: Filters = NO_FILTERS;
  @property({ attribute: false }) i18n!: I18n;

  override render() {
    const { i18n, filters } = this;
    return html`
      <fieldset>
        <legend>${i18n.text('filter.status')}</legend>
        ${STATUSES.map(
          (status) => html`<button class="chip" aria-pressed=${filters.status.includes(status)} @click=${() => this.toggle(status)}>
            ${statusIcon(status)} ${i18n.text(`status.${status}`)}
          </button>`,
        )}
      </fieldset>
      <div class="grid">
        <label class="field">
          <span>${i18n.text('filter.type')}</span>
          <select name="type" .value=${filters.type} @change=${this.typed}>
            <option value="">${i18n.text('filter.type.all')}</option>
            <option value="webhook_tx" ?selected=${filters.type === 'webhook_tx'}>${i18n.text('filter.type.webhook_tx')}</option>
            <option value="notification" ?selected=${filters.type === 'notification'}>${i18n.text('filter.type.notification')}</option>
          </select>
        </label>
        ${this.field('sub_type')} ${this.field('component_id')} ${this.field('by', i18n.text('filter.byHint'))}
        ${this.field('from', '', 'date')} ${this.field('to', '', 'date')}
      </div>
      ${countFilters(filters) === 0
        ? ''
        : html`<apollo-cds-button class="clear" kind="ghost" size="sm" @click=${this.clear}>${i18n.text('clearFilters')}</apollo-cds-button>`}
    `;
  }

  private field(name: 'sub_type' | 'component_id' | 'by' | 'from' | 'to', hint = '', type = 'text') {
    return html`
      <label class="field">
        <span>${this.i18n.text(`filter.${name}`)}</span>
        <input name=${name} type=${type} .value=${this.filters[name]} placeholder=${hint} maxlength="256" autocomplete="off" @change=${this.typed}>
      </label>
    `;
  }

  private toggle(status: Status): void {
    const set = new Set(this.filters.status);
    if (!set.delete(status)) set.add(status);
    this.say({ ...this.filters, status: STATUSES.filter((known) => set.has(known)) });
  }

  private typed(event: Event): void {
    const input = event.target as HTMLInputElement | HTMLSelectElement;
    this.say({ ...this.filters, [input.name]: input.value.trim() });
  }

  private clear(): void {
    this.say({ ...NO_FILTERS, search: this.filters.search });
  }

  private say(filters: Filters): void {
    this.dispatchEvent(new CustomEvent('apollo-filters', { detail: filters }));
  }
}
