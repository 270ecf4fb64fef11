import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { isActive, type Row } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';
import { split } from '../state/title.js';
import { statusIcon } from './icon.js';
import { steps } from './steps.js';
import { base } from './styles/base.js';
import { steps as stepStyles } from './styles/steps.js';
import { ago } from './time.js';

/** One row of the history. Fires `apollo-details` and `apollo-select`. */
@customElement('apollo-row')
export class ApolloRow extends LitElement {
  static override shadowRootOptions: ShadowRootInit = { ...LitElement.shadowRootOptions, delegatesFocus: true };
  static override styles = [
    base,
    stepStyles,
    css`
      :host {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        border-block-end: 1px solid var(--cds-border-subtle);
        /* Off-screen rows need no layout. */
        content-visibility: auto;
        contain-intrinsic-size: auto 5rem;
      }
      .row {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr);
        column-gap: 0.75rem;
        padding: 0.75rem 0 0.75rem 1rem;
      }
      :host(:hover) {
        background: var(--cds-background-hover);
      }
      :host([selected]) {
        background: var(--cds-layer-selected-01);
      }
      .title,
      .text {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
        font-size: 0.875rem;
        line-height: 1.25rem;
      }
      .title {
        font-weight: 600;
      }
      .text {
        color: var(--cds-text-secondary);
      }
      .error .text {
        color: var(--cds-text-error);
      }
      .steps {
        margin-block-start: 0.375rem;
      }
      .meta {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.5rem;
        margin-block-start: 0.25rem;
        color: var(--cds-text-helper);
        font-size: 0.75rem;
        line-height: 1rem;
      }
      :host([selected]) .meta,
      :host(:hover) .meta {
        color: var(--cds-text-secondary);
      }
      .meta > :not(:first-child)::before {
        content: '·';
        margin-inline-end: 0.5rem;
      }
      .select {
        display: grid;
        place-items: center;
        width: 3rem;
        cursor: pointer;
      }
      input {
        width: 1rem;
        height: 1rem;
        margin: 0;
        accent-color: var(--cds-icon-primary);
        opacity: 0.55;
      }
      .select:hover input,
      input:checked,
      input:focus-visible {
        opacity: 1;
      }
      input:focus-visible {
        outline-offset: 1px;
      }
    `,
  ];

  @property({ attribute: false }) row!: Row;
  @property({ attribute: false }) i18n!: I18n;
  @property({ type: Number }) now = 0;
  @property({ type: Boolean }) selectable = false;
  @property({ type: Boolean, reflect: true }) selected = false;

  override render() {
    const { row, i18n, now } = this;
    const { title, text } = split(row);
    const running = isActive(row.status);
    const began = row.ts_started;
    const took =
      began === undefined
        ? undefined
        : running
          ? i18n.elapsed(now - began)
          : row.ts_completed === undefined
            ? undefined
            : i18n.took(row.ts_completed - began);
    return html`
      <button class="row ${row.status}" @click=${this.open}>
        ${statusIcon(row.status)}
        <span>
          <span class="hidden-text">${i18n.text(`status.${row.status}`)}.</span>
          <span class="title foreign" dir="auto">${title}</span>
          ${text === '' ? nothing : html`<span class="text foreign" dir="auto">${text}</span>`}
          ${running ? steps(row, i18n, title) : nothing}
          <span class="meta">
            ${running ? nothing : html`<span>${ago(row.ts_display, now, i18n)}</span>`}
            ${took === undefined ? nothing : html`<span>${took}</span>`}
            ${row.by === '-' ? nothing : html`<span><bdi class="foreign">${row.by}</bdi></span>`}
            ${row.component_id === undefined
              ? nothing
              : html`<span><bdi class="foreign">${row.component_display_name ?? row.component_id}</bdi></span>`}
          </span>
        </span>
      </button>
      ${this.selectable
        ? html`<label class="select">
            <input type="checkbox" .checked=${this.selected} aria-label=${i18n.text('select', { title })} @change=${this.select}>
          </label>`
        : nothing}
    `;
  }

  private open(): void {
    this.dispatchEvent(new CustomEvent('apollo-details', { detail: this.row, bubbles: true }));
  }

  private select(event: Event): void {
    const selected = (event.target as HTMLInputElement).checked;
    this.dispatchEvent(new CustomEvent('apollo-select', { detail: { id: this.row.id, selected }, bubbles: true }));
  }
}
