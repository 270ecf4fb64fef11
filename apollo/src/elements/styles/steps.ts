import { css } from 'lit';

/** For elements that render `steps`. */
export const steps = css`
  .steps {
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
    display: block;
    width: 100%;
    height: 100%;
    background: var(--status);
    transform-origin: left;
    transition: transform 240ms cubic-bezier(0.2, 0, 0.38, 0.9);
  }
  .track:dir(rtl) .bar {
    transform-origin: right;
  }
  @media (forced-colors: active) {
    .track {
      outline: 1px solid CanvasText;
    }
    .bar {
      background: Highlight;
      forced-color-adjust: none;
    }
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
`;
