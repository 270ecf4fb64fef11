import { css, unsafeCSS } from 'lit';

const family = unsafeCSS("'IBM Plex Sans', system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif");

/**
 * For the outermost of our own shadow roots. A page's `* { … }` matches our host element, overrides its `:host` rules
 * and would be inherited, so inheritance stops one level below. Custom properties, and so the tokens, still pass.
 */
export const sealed = css`
  :host {
    all: initial;
    font-family: ${family};
  }
`;

/** Shared by all Apollo elements. */
export const base = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h2,
  h3,
  p,
  ul,
  ol,
  dl,
  dd {
    margin: 0;
    padding: 0;
    font: inherit;
    list-style: none;
  }
  button {
    margin: 0;
    padding: 0;
    border: 0;
    background: none;
    color: inherit;
    font: inherit;
    text-align: start;
    cursor: pointer;
  }
  :focus-visible {
    outline: 2px solid var(--cds-focus);
    outline-offset: -2px;
  }
  svg {
    display: block;
    flex: none;
  }
  .icon-button {
    display: grid;
    place-items: center;
    flex: none;
    width: 2.5rem;
    height: 2.5rem;
    color: var(--cds-icon-primary);
  }
  .icon-button:hover {
    background: var(--cds-background-hover);
  }
  .link {
    color: var(--cds-link-primary);
    font-size: 0.875rem;
    line-height: 1.125rem;
  }
  .link:hover {
    color: var(--cds-link-primary-hover);
    text-decoration: underline;
  }
  /* External text: it has its own direction, and may need to break within 1,024 letters without a space. */
  .foreign {
    unicode-bidi: isolate;
    overflow-wrap: anywhere;
    min-width: 0;
  }
  .pending {
    --status: var(--cds-interactive);
  }
  .undoing {
    --status: var(--cds-support-warning);
  }
  .success {
    --status: var(--cds-support-success);
  }
  .error {
    --status: var(--cds-support-error);
  }
  .status-icon {
    color: var(--status);
  }
  .hidden-text {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
      transition: none !important;
    }
  }
`;
