import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import { isActive } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';
import type { Toast } from '../state/toasts.js';
import { icon, statusIcon } from './icon.js';
import { steps } from './steps.js';
import { base } from './styles/base.js';
import { steps as stepStyles } from './styles/steps.js';

/** One toast. Fires `apollo-close` and `apollo-details`. */
@customElement('apollo-toast')
export class ApolloToast extends LitElement {
  static override styles = [
    base,
    stepStyles,
    css`
      :host {
        display: block;
        pointer-events: auto;
        animation: arrive 240ms cubic-bezier(0, 0, 0.3, 1);
      }
      @keyframes arrive {
        from {
          opacity: 0;
          transform: translateY(-0.5rem);
        }
      }
      @media (prefers-reduced-motion: reduce) {
        :host {
          animation: none;
        }
      }
      .toast {
        display: grid;
        grid-template-columns: auto minmax(0, 1fr) auto;
        column-gap: 0.75rem;
        padding-inline-start: 0.8125rem;
        border-inline-start: 3px solid var(--status);
        background: var(--apollo-toast);
        box-shadow: var(--apollo-shadow);
        color: var(--cds-text-primary);
      }
      .status-icon {
        padding-block: 0.75rem;
      }
      .words {
        padding-block: 0.8125rem 0.75rem;
      }
      h3 {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
        font-size: 0.875rem;
        font-weight: 600;
        line-height: 1.125rem;
      }
      .text {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 3;
        margin-block-start: 0.125rem;
        color: var(--cds-text-secondary);
        font-size: 0.875rem;
        line-height: 1.25rem;
      }
      .steps {
        margin-block-start: 0.5rem;
      }
      .foot {
        display: flex;
        gap: 0.75rem;
        justify-content: space-between;
        margin-block-start: 0.5rem;
        color: var(--cds-text-helper);
        font-size: 0.75rem;
        line-height: 1rem;
        font-variant-numeric: tabular-nums;
      }
      .foot .link {
        font-size: 0.75rem;
        line-height: 1rem;
      }
    `,
  ];

  @property({ attribute: false }) toast!: Toast;
  @property({ attribute: false }) i18n!: I18n;
  @property({ type: Number }) now = 0;

  override render() {
    const { row, title, text } = this.toast;
    const { i18n } = this;
    const began = row.ts_started ?? row.ts_display;
    const elapsed = isActive(row.status)
      ? i18n.elapsed(this.now - began)
      : row.ts_completed === undefined || row.ts_started === undefined
        ? i18n.text(`status.${row.status}`)
        : i18n.text('took', { duration: i18n.took(row.ts_completed - began) });
    // Only the text is a live region: the clock below would be read out every second. It is re-created when the toast
    // becomes a failure, because changing the role of an existing element announces nothing.
    const words = html`
      <div role=${row.status === 'error' ? 'alert' : 'status'} aria-atomic="true">
        <span class="hidden-text">${i18n.text(`status.${row.status}`)}.</span>
        <h3 class="foreign" dir="auto">${title}</h3>
        ${text === '' ? nothing : html`<p class="text foreign" dir="auto">${text}</p>`}
      </div>
    `;
    return html`
      <div class="toast ${row.status}">
        ${statusIcon(row.status)}
        <div class="words">
          ${keyed(row.status === 'error', words)}
          ${row.type === 'webhook_tx' ? steps(row, i18n, title) : nothing}
          <div class="foot">
            <span>${elapsed}</span>
            ${row.type === 'webhook_tx'
              ? html`<button class="link" aria-label=${i18n.text('showDetails', { title })} @click=${() => this.say('apollo-details')}>
                  ${i18n.text('details')}
                </button>`
              : nothing}
          </div>
        </div>
        <button class="icon-button" aria-label=${i18n.text('closeToast', { title })} @click=${() => this.say('apollo-close')}>
          ${icon('close')}
        </button>
      </div>
    `;
  }

  private say(type: string): void {
    // Composed, because the element that opens the details is outside the stack.
    this.dispatchEvent(new CustomEvent(type, { detail: this.toast.row.id, bubbles: true, composed: true }));
  }
}
