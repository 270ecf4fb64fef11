import { html, nothing, type TemplateResult } from 'lit';
import '@carbon/web-components/es/components/button/button.js';

interface Action {
  readonly label: string;
  readonly run: () => void;
}

/** Shown instead of content: why there is none, and an action. */
export function notice(title: string, hint: string, action?: Action, isError = false): TemplateResult {
  return html`
    <div class="notice" role=${isError ? 'alert' : 'status'}>
      <p class="notice-title">${title}</p>
      <p>${hint}</p>
      ${action === undefined
        ? nothing
        : html`<apollo-cds-button kind="tertiary" size="sm" @click=${action.run}>${action.label}</apollo-cds-button>`}
    </div>
  `;
}
