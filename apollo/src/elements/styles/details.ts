import { css } from 'lit';
import { notices } from './notices.js';

export const details = [
  notices,
  css`
    :host {
      display: block;
      padding: 1rem;
      color: var(--cds-text-primary);
      font-size: 0.875rem;
      line-height: 1.25rem;
    }
    .state {
      display: flex;
      align-items: center;
      gap: 0.5rem;
      color: var(--cds-text-secondary);
    }
    .head h3 {
      margin-block: 0.5rem;
      font-size: 1.25rem;
      font-weight: 400;
      line-height: 1.75rem;
    }
    dl {
      display: grid;
      gap: 0.5rem;
      margin-block: 1.25rem;
      padding-block: 1rem;
      border-block: 1px solid var(--cds-border-subtle);
    }
    dl > div {
      display: grid;
      grid-template-columns: 7rem minmax(0, 1fr);
      gap: 0.5rem;
    }
    dt,
    .quiet {
      color: var(--cds-text-secondary);
    }
    .quiet {
      font-size: 0.75rem;
      line-height: 1rem;
      font-variant-numeric: tabular-nums;
    }
    .section {
      margin-block-end: 0.75rem;
      font-weight: 600;
    }
    li {
      position: relative;
      display: grid;
      grid-template-columns: auto minmax(0, 1fr);
      gap: 0.75rem;
      padding-block-end: 1rem;
    }
    /* The line that joins the steps. */
    li:not(:last-child)::before {
      content: '';
      position: absolute;
      inset-block: 1.5rem 0.25rem;
      inset-inline-start: 0.59375rem;
      width: 1px;
      background: var(--cds-border-strong-01);
    }
    .foot .link {
      display: inline-flex;
      align-items: center;
      gap: 0.375rem;
      min-height: 2rem;
    }
  `,
];
