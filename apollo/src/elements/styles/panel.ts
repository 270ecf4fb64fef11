import { css } from 'lit';

export const panel = css`
  :host {
    position: fixed;
    inset: 0 0 0 auto;
    inset-inline: auto 0;
    z-index: 9000;
    display: flex;
    flex-direction: column;
    width: 30rem;
    max-width: 100vw;
    height: 100vh;
    height: 100dvh;
    max-height: none;
    margin: 0;
    padding: 0;
    overflow: hidden;
    border: 0;
    border-inline-start: 1px solid var(--cds-border-subtle);
    background: var(--cds-background);
    box-shadow: var(--apollo-shadow);
    color: var(--cds-text-primary);
    font-size: 0.875rem;
    line-height: 1.25rem;
  }
  .head {
    display: flex;
    align-items: center;
    flex: none;
    gap: 0.5rem;
    height: 3rem;
    padding-inline: 1rem 0.25rem;
  }
  .head.inner {
    padding-inline-start: 0.25rem;
  }
  h2 {
    flex: 1;
    overflow: hidden;
    font-size: 1rem;
    font-weight: 600;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .sign-out {
    flex: none;
    min-height: 2rem;
    padding-inline: 0.5rem;
  }
  .health {
    display: flex;
    align-items: center;
    gap: 0.375rem;
    color: var(--cds-text-helper);
    font-size: 0.75rem;
  }
  .dot {
    width: 0.5rem;
    height: 0.5rem;
    border-radius: 50%;
    background: var(--cds-support-success);
  }
  .trouble .dot {
    background: var(--cds-support-warning);
  }
  .bar {
    display: flex;
    flex: none;
    border-block: 1px solid var(--cds-border-subtle);
  }
  .search {
    position: relative;
    flex: 1;
    min-width: 0;
  }
  .search svg {
    position: absolute;
    inset: 0.75rem auto auto 1rem;
    inset-inline: 1rem auto;
    color: var(--cds-icon-secondary);
    pointer-events: none;
  }
  .search input {
    width: 100%;
    height: 2.5rem;
    padding-inline: 2.5rem 0.75rem;
    border: 0;
    border-radius: 0;
    background: var(--cds-field-01);
    color: inherit;
    font: inherit;
  }
  .search input::placeholder {
    color: var(--cds-text-placeholder);
    opacity: 1;
  }
  .filter-button {
    position: relative;
    background: var(--cds-field-01);
  }
  .filter-button[aria-expanded='true'] {
    background: var(--cds-layer-selected-01);
  }
  .badge {
    position: absolute;
    inset-block-start: 0.25rem;
    inset-inline-end: 0.25rem;
    min-width: 1rem;
    border-radius: 0.5rem;
    background: #0f62fe;
    color: #ffffff;
    font-size: 0.6875rem;
    line-height: 1rem;
    text-align: center;
  }
  .banner,
  .selection {
    display: flex;
    align-items: center;
    flex: none;
    gap: 0.75rem;
    min-height: 2.5rem;
    padding: 0.25rem 0.25rem 0.25rem 1rem;
    background: var(--cds-layer-01);
    border-block-end: 1px solid var(--cds-border-subtle);
  }
  .banner p,
  .selection p {
    flex: 1;
  }
  .selection {
    background: var(--cds-button-primary);
    border: 0;
    color: #ffffff;
  }
  .selection button,
  .snack button {
    display: flex;
    align-items: center;
    gap: 0.5rem;
    min-height: 2rem;
    padding-inline: 0.75rem;
  }
  .selection button:hover {
    background: var(--cds-button-primary-hover);
  }
  .selection button:focus-visible {
    outline-color: #ffffff;
  }
  .banner .link {
    flex: none;
    min-height: 2rem;
    padding-inline: 0.75rem;
  }
  .scroll {
    position: relative;
    flex: 1;
    min-height: 0;
    overflow: hidden auto;
    overscroll-behavior: contain;
  }
  .scroll:focus-visible {
    outline-offset: -2px;
  }
  .fresh {
    position: absolute;
    z-index: 2;
    inset-inline: 0;
    display: flex;
    justify-content: center;
    height: 0;
    pointer-events: none;
  }
  .fresh button {
    display: flex;
    align-items: center;
    gap: 0.375rem;
    height: 2rem;
    margin-block-start: 0.5rem;
    padding-inline: 0.75rem 1rem;
    border-radius: 1rem;
    background: var(--cds-button-primary);
    box-shadow: var(--apollo-shadow);
    color: #ffffff;
    font-weight: 600;
    pointer-events: auto;
  }
  .fresh button:hover {
    background: var(--cds-button-primary-hover);
  }
  .fresh button:focus-visible {
    outline-offset: 2px;
  }
  h3 {
    position: sticky;
    inset-block-start: 0;
    z-index: 1;
    padding: 0.75rem 1rem 0.375rem;
    background: var(--cds-background);
    border-block-end: 1px solid var(--cds-border-subtle);
    color: var(--cds-text-secondary);
    font-size: 0.75rem;
    font-weight: 600;
    line-height: 1rem;
  }
  li:empty {
    height: 5rem;
  }
  .end {
    display: grid;
    justify-items: center;
    padding: 1rem;
    color: var(--cds-text-helper);
    font-size: 0.75rem;
  }
  .loading {
    padding: 1.5rem 1rem;
  }
  .snack {
    display: flex;
    align-items: center;
    flex: none;
    min-height: 3rem;
    padding-inline: 1rem 0.25rem;
    background: var(--cds-background-inverse);
    color: var(--cds-text-inverse);
  }
  .snack p {
    flex: 1;
  }
  .snack button {
    color: var(--cds-link-inverse);
    font-weight: 600;
  }
  .snack button:focus-visible {
    outline-color: currentColor;
  }
`;
