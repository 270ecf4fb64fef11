import { LitElement, css, html, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { I18n } from '../i18n/i18n.js';
import { MOST_TOASTS, type Toasts } from '../state/toasts.js';
import { icon } from './icon.js';
import { base, sealed } from './styles/base.js';
import { toTopLayer } from './top-layer.js';
import './toast.js';

const TICK_MS = 500;
/** On a phone, four toasts would cover the page. */
const MOST_NARROW = 2;
const NARROW = '(max-width: 42rem)';

/**
 * The toasts in their corner. Runs the clock that makes them disappear; the policy is in `Toasts`.
 * Fires `apollo-details` (an id), `apollo-open` and `apollo-empty`.
 */
@customElement('apollo-toasts')
export class ApolloToasts extends LitElement {
  static override styles = [
    sealed,
    base,
    css`
      :host {
        position: fixed;
        inset: auto;
        inset-block-start: 3.5rem;
        inset-inline-end: var(--apollo-toasts-end, 1rem);
        z-index: 9001;
        display: flex;
        flex-direction: column;
        gap: 0.5rem;
        width: 22rem;
        max-width: calc(100vw - 2rem);
        height: auto;
        max-height: calc(100vh - 4.5rem);
        margin: 0;
        padding: 0;
        overflow: visible;
        border: 0;
        background: none;
        pointer-events: none;
      }
      @media (max-width: 66rem) {
        :host {
          inset-inline-end: 1rem;
        }
      }
      @media (max-width: 42rem) {
        :host {
          inset-block: auto 0.5rem;
          inset-inline: 0.5rem;
          width: auto;
          max-width: none;
        }
      }
      /* On a low screen it scrolls, so that everything stays reachable. The padding is for the shadows. */
      .list {
        display: flex;
        flex-direction: column;
        gap: 0.5rem;
        min-height: 0;
        margin: -0.75rem;
        padding: 0.75rem;
        overflow-y: auto;
        scrollbar-width: thin;
      }
      .list > * {
        flex: none;
      }
      .list:empty {
        display: none;
      }
      .summary,
      .more {
        flex: none;
        pointer-events: auto;
        background: var(--apollo-toast);
        box-shadow: var(--apollo-shadow);
        color: var(--cds-text-primary);
        font-size: 0.875rem;
        line-height: 1.25rem;
      }
      .summary {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        padding-inline-start: 1rem;
        border-inline-start: 3px solid var(--cds-support-info);
      }
      .summary > div {
        padding-block: 0.6875rem 0.75rem;
      }
      .summary b {
        font-weight: 600;
      }
      .summary .link {
        margin-block-start: 0.375rem;
      }
      .more {
        display: flex;
        justify-content: space-between;
      }
      .more button {
        min-height: 2.5rem;
        padding-inline: 1rem;
      }
      .more button:hover {
        background: var(--cds-background-hover);
      }
    `,
  ];

  @property({ attribute: false }) toasts!: Toasts;
  @property({ attribute: false }) i18n!: I18n;
  /** Incremented when `toasts` may have changed internally. */
  @property({ type: Number }) revision = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private lastTick = 0;

  private readonly narrow = matchMedia(NARROW);
  private readonly fit = (): void => {
    this.toasts.limit(this.narrow.matches ? MOST_NARROW : MOST_TOASTS);
    this.requestUpdate();
  };

  override connectedCallback(): void {
    super.connectedCallback();
    this.narrow.addEventListener('change', this.fit);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.narrow.removeEventListener('change', this.fit);
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Moves above anything added to the top layer since. */
  lift(): void {
    toTopLayer(this);
  }

  protected override firstUpdated(): void {
    this.setAttribute('role', 'region');
    this.fit();
    this.lift();
  }

  protected override updated(): void {
    this.setAttribute('aria-label', this.i18n.text('toasts'));
    if (this.toasts.isEmpty) {
      clearInterval(this.timer);
      this.timer = undefined;
    } else if (this.timer === undefined) {
      this.lastTick = Date.now();
      this.timer = setInterval(() => this.tick(), TICK_MS);
    }
  }

  override render() {
    const now = Date.now();
    const { i18n, toasts } = this;
    return html`
      ${this.renderSummary()}
      <div class="list">${repeat(
        toasts.visible,
        (toast) => toast.row.id,
        (toast) =>
          html`<apollo-toast data-id=${toast.row.id} data-status=${toast.row.status} .toast=${toast} .i18n=${i18n} .now=${now}
            @apollo-close=${() => this.close(toast.row.id)}></apollo-toast>`,
      )}</div>
      ${toasts.hidden === 0
        ? nothing
        : html`<div class="more">
            <button class="link" @click=${() => this.open()}>${i18n.plural('more', toasts.hidden)}</button>
            <button class="link" @click=${() => this.clear()}>${i18n.text('closeAll')}</button>
          </div>`}
    `;
  }

  private renderSummary() {
    const { i18n } = this;
    const { summary } = this.toasts;
    const parts: string[] = [];
    if (summary !== undefined) {
      if (summary.finished > 0) parts.push(i18n.plural('awayFinished', summary.finished));
      if (summary.failed > 0) parts.push(i18n.plural('awayFailed', summary.failed));
      if (summary.running > 0) parts.push(i18n.plural('awayRunning', summary.running));
    }
    // The live region exists before it is filled, or it would not be read out.
    return html`<div role="status">
      ${summary === undefined
        ? nothing
        : html`<div class="summary">
            <div>
              <p><b>${i18n.text('away')}:</b> ${parts.join(', ')}</p>
              <button class="link" @click=${() => this.open()}>${i18n.text('view')}</button>
            </div>
            <button class="icon-button" aria-label=${`${i18n.text('close')}: ${i18n.text('away')}`} @click=${() => this.closeSummary()}>
              ${icon('close')}
            </button>
          </div>`}
    </div>`;
  }

  private tick(): void {
    const now = Date.now();
    const elapsed = now - this.lastTick;
    this.lastTick = now;
    // In a hidden tab, time does not advance.
    if (document.visibilityState === 'hidden') return;
    this.toasts.tick(now, elapsed, (id) => {
      const toast = this.renderRoot.querySelector<HTMLElement>(`apollo-toast[data-id="${CSS.escape(id)}"]`);
      return toast !== null && (toast.matches(':hover') || toast.matches(':focus-within'));
    });
    this.requestUpdate();
  }

  private close(id: string): void {
    // Focus the first toast's button, so that keyboard focus is not lost.
    const hadFocus = this.shadowRoot?.activeElement != null;
    this.toasts.close(id);
    this.requestUpdate();
    if (hadFocus) void this.updateComplete.then(() => this.focusFirst());
  }

  private focusFirst(): void {
    const toast = this.renderRoot.querySelector('apollo-toast');
    const button = toast?.shadowRoot?.querySelector<HTMLElement>('.icon-button');
    if (button != null) button.focus();
    else this.dispatchEvent(new CustomEvent('apollo-empty'));
  }

  private closeSummary(): void {
    this.toasts.summary = undefined;
    this.requestUpdate();
  }

  private clear(): void {
    this.toasts.clear();
    this.requestUpdate();
  }

  private open(): void {
    this.toasts.summary = undefined;
    this.toasts.clearWaiting();
    this.requestUpdate();
    this.dispatchEvent(new CustomEvent('apollo-open'));
  }
}
