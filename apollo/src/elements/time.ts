import { html, type TemplateResult } from 'lit';
import type { I18n } from '../i18n/i18n.js';

/** Relative, with the exact local time on hover. */
export function ago(ms: number, now: number, i18n: I18n): TemplateResult {
  return html`<time datetime=${iso(ms)} title=${i18n.exact(ms)}>${i18n.relative(ms, now)}</time>`;
}

/** The time of day, with the date on hover. */
export function clock(ms: number, i18n: I18n): TemplateResult {
  return html`<time datetime=${iso(ms)} title=${i18n.exact(ms)}>${i18n.time(ms)}</time>`;
}

/** Times are external input: one outside the range of Date must not throw. */
function iso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? '' : date.toISOString();
}
