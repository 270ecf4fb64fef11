import { html, noChange, nothing, type TemplateResult } from 'lit';
import { Directive, directive, type ElementPart } from 'lit/directive.js';
import { isActive, type Row } from '../api/types.js';
import type { I18n } from '../i18n/i18n.js';

/**
 * The step bar of one transaction: "2 of 9". Without a total, an indeterminate bar. A template, not an element: each
 * running row has one, and a shadow root would cost more than everything in it.
 * @param title whose progress it is
 */
export function steps(row: Row, i18n: I18n, title: string): TemplateResult | typeof nothing {
  const { on_step: step, total_steps: total, status } = row;
  const name = i18n.text('progress', { title });
  if (total === undefined || total <= 0) {
    const said = step === undefined ? nothing : html`<span>${i18n.text('stepOnly', { step })}</span>`;
    if (!isActive(status)) return said === nothing ? nothing : html`<span class="steps">${said}</span>`;
    return html`<span class="steps">
      <span class="track unknown ${status}" role="progressbar" aria-label=${name}><span class="bar"></span></span>${said}
    </span>`;
  }
  const done = status === 'success' ? total : (step ?? 0);
  const words = i18n.text('steps', { step: done, total });
  return html`<span class="steps">
    <span class="track ${status}" role="progressbar" aria-label=${name} aria-valuemin="0" aria-valuemax=${total}
      aria-valuenow=${done} aria-valuetext=${words}>
      <span class="bar" ${filled(done / total)}></span>
    </span>
    <span aria-hidden="true">${words}</span>
  </span>`;
}

/** Through the CSSOM: styleMap first renders a style attribute, which is inline style to a Content-Security-Policy. */
class Filled extends Directive {
  render(_share: number): typeof noChange {
    return noChange;
  }

  override update({ element }: ElementPart, [share]: [number]): typeof noChange {
    (element as HTMLElement).style.transform = `scaleX(${Math.min(1, Math.max(0, share))})`;
    return noChange;
  }
}

/** @param share 0 to 1 */
const filled = directive(Filled);
