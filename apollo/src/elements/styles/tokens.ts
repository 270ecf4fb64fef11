import { css, unsafeCSS, type CSSResult } from 'lit';

/**
 * The tokens of Carbon's White and Gray 100 themes that Apollo uses, all set at Apollo's root: otherwise the host
 * page's styles could reach in through inherited custom properties.
 */
const light = `
  color-scheme: light;
  --cds-background: #ffffff;
  --cds-layer-01: #f4f4f4;
  --cds-layer-02: #ffffff;
  --cds-layer: #f4f4f4;
  --cds-layer-hover-01: #e8e8e8;
  --cds-layer-selected-01: #e0e0e0;
  --cds-field-01: #f4f4f4;
  --cds-text-primary: #161616;
  --cds-text-secondary: #525252;
  --cds-text-helper: #6f6f6f;
  --cds-text-placeholder: #6f6f6f;
  --cds-text-error: #a2191f;
  --cds-text-on-color: #ffffff;
  --cds-icon-primary: #161616;
  --cds-icon-secondary: #525252;
  --cds-border-subtle: #e0e0e0;
  --cds-border-strong-01: #8d8d8d;
  --cds-support-error: #da1e28;
  --cds-support-success: #24a148;
  --cds-support-info: #0043ce;
  --cds-support-warning: #8e6a00;
  --cds-interactive: #0f62fe;
  --cds-link-primary: #0f62fe;
  --cds-link-primary-hover: #0043ce;
  --cds-focus: #0f62fe;
  --cds-focus-inset: #ffffff;
  --cds-button-primary: #0f62fe;
  --cds-button-primary-hover: #0050e6;
  --cds-button-primary-active: #002d9c;
  --cds-button-tertiary: #0f62fe;
  --cds-button-tertiary-hover: #0050e6;
  --cds-button-tertiary-active: #002d9c;
  --cds-background-inverse: #393939;
  --cds-text-inverse: #ffffff;
  --cds-link-inverse: #78a9ff;
  --cds-background-hover: rgba(141, 141, 141, 0.12);
  --cds-background-active: rgba(141, 141, 141, 0.5);
  --apollo-toast: #ffffff;
  --apollo-track: #c6c6c6;
  --apollo-shadow: 0 2px 6px rgba(0, 0, 0, 0.2), 0 0 1px rgba(0, 0, 0, 0.3);
`;
const dark = `
  color-scheme: dark;
  --cds-background: #161616;
  --cds-layer-01: #262626;
  --cds-layer-02: #393939;
  --cds-layer: #262626;
  --cds-layer-hover-01: #333333;
  --cds-layer-selected-01: #393939;
  --cds-field-01: #262626;
  --cds-text-primary: #f4f4f4;
  --cds-text-secondary: #c6c6c6;
  --cds-text-helper: #a8a8a8;
  --cds-text-placeholder: #a8a8a8;
  --cds-text-error: #ff8389;
  --cds-text-on-color: #ffffff;
  --cds-icon-primary: #f4f4f4;
  --cds-icon-secondary: #c6c6c6;
  --cds-border-subtle: #393939;
  --cds-border-strong-01: #6f6f6f;
  --cds-support-error: #fa4d56;
  --cds-support-success: #42be65;
  --cds-support-info: #4589ff;
  --cds-support-warning: #f1c21b;
  --cds-interactive: #4589ff;
  --cds-link-primary: #78a9ff;
  --cds-link-primary-hover: #a6c8ff;
  --cds-focus: #ffffff;
  --cds-focus-inset: #161616;
  --cds-button-primary: #0f62fe;
  --cds-button-primary-hover: #0050e6;
  --cds-button-primary-active: #002d9c;
  --cds-button-tertiary: #ffffff;
  --cds-button-tertiary-hover: #f4f4f4;
  --cds-button-tertiary-active: #c6c6c6;
  --cds-background-inverse: #f4f4f4;
  --cds-text-inverse: #161616;
  --cds-link-inverse: #0f62fe;
  --cds-background-hover: rgba(141, 141, 141, 0.16);
  --cds-background-active: rgba(141, 141, 141, 0.4);
  --apollo-toast: #262626;
  --apollo-track: #6f6f6f;
  --apollo-shadow: 0 2px 6px rgba(0, 0, 0, 0.8), 0 0 0 1px #393939;
`;

/** `!important`, because a page rule such as `* { --cds-… }` would otherwise override `:host`. If both are important,
 * the inner one wins (CSS Cascading Level 4, section 6.1). */
const firm = (theme: string): CSSResult => unsafeCSS(theme.replaceAll(';\n', ' !important;\n'));

export const tokens = css`
  :host {
    ${firm(light)}
  }
  @media (prefers-color-scheme: dark) {
    :host {
      ${firm(dark)}
    }
  }
  :host([theme='light']) {
    ${firm(light)}
  }
  :host([theme='dark']) {
    ${firm(dark)}
  }
`;
