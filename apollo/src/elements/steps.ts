import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { isActive, type Row } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';
import { base } from './styles/base.js';

/** The step bar of one transaction: "2 of 9". Without a total, a bar that only says that something is going on. */
@customElement('apollo-steps')
export class ApolloSteps extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 0.5rem;
        color: var(--cds-text-secondary);
        font-size: 0.75rem;
        line-height: 1rem;
        font-variant-numeric: tabular-nums;
      }
      .track {
        flex: 1;
        height: 0.25rem;
        overflow: hidden;
        background: var(--apollo-track);
      }
      .bar {
        width: 100%;
        height: 100%;
        background: var(--status);
        transform-origin: left;
        transition: transform 240ms cubic-bezier(0.2, 0, 0.38, 0.9);
      }
      .track:dir(rtl) .bar {
        transform-origin: right;
      }
      .unknown .bar {
        width: 30%;
        animation: pass 1.6s ease-in-out infinite;
      }
      @keyframes pass {
        from {
          transform: translateX(-100%);
        }
        to {
          transform: translateX(340%);
        }
      }
    `,
  ];

  @property({ attribute: false }) row!: Row;
  @property({ attribute: false }) i18n!: I18n;
  @property() label = '';
  @query('.bar') private bar!: HTMLElement | null;

  /** Through the CSSOM: a style attribute, which styleMap begins with, is inline style to a Content-Security-Policy. */
  protected override updated(): void {
    const { on_step: step, total_steps: total, status } = this.row;
    if (this.bar === null || total === undefined || total <= 0) return;
    const done = status === 'success' ? total : (step ?? 0);
    this.bar.style.transform = `scaleX(${Math.min(1, Math.max(0, done / total))})`;
  }

  override render() {
    const { on_step: step, total_steps: total, status } = this.row;
    if (total === undefined || total <= 0) {
      const said = step === undefined ? nothing : html`<span>${this.i18n.text('stepOnly', { step })}</span>`;
      if (!isActive(status)) return said;
      return html`<div class="track unknown ${status}" role="progressbar" aria-label=${this.name}><div class="bar"></div></div>${said}`;
    }
    const done = status === 'success' ? total : (step ?? 0);
    const words = this.i18n.text('steps', { step: done, total });
    return html`
      <div class="track ${status}" role="progressbar" aria-label=${this.name} aria-valuemin="0" aria-valuemax=${total}
        aria-valuenow=${done} aria-valuetext=${words}>
        <div class="bar"></div>
      </div>
      <span aria-hidden="true">${words}</span>
    `;
  }

  private get name(): string {
    return this.i18n.text('progress', { title: this.label });
  }
}
