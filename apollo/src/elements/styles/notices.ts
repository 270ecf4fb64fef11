import { css } from 'lit';

export const notices = css`
  .notice {
    display: grid;
    justify-items: start;
    gap: 0.25rem;
    padding: 2rem 1rem;
    color: var(--cds-text-secondary);
    font-size: 0.875rem;
    line-height: 1.25rem;
  }
  .notice-title {
    color: var(--cds-text-primary);
    font-size: 1rem;
    font-weight: 600;
  }
  .notice apollo-cds-button {
    margin-block-start: 0.75rem;
  }
`;
