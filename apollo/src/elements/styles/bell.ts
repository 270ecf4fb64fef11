import { css } from 'lit';
import { base } from './base.js';
import { tokens } from './tokens.js';

/** The outermost element: inherited properties, and the bell. */
export const bell = [
  css`
    :host {
      all: initial;
      display: inline-block;
      color: inherit;
      font-family: 'IBM Plex Sans', system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif;
      font-size: 1rem;
    }
    :host([hidden]) {
      display: none;
    }
  `,
  tokens,
  base,
  css`
    apollo-toasts.beside {
      --apollo-toasts-end: 31rem;
    }
    .bell {
      position: relative;
      display: grid;
      place-items: center;
      width: 3rem;
      height: 3rem;
      color: inherit;
    }
    .bell:hover,
    .bell[aria-expanded='true'] {
      background: rgba(141, 141, 141, 0.24);
    }
    .bell:focus-visible {
      outline-color: currentColor;
    }
    .count {
      position: absolute;
      inset-block-start: 0.375rem;
      inset-inline-end: 0.125rem;
      min-width: 1.125rem;
      padding-inline: 0.25rem;
      border-radius: 0.5625rem;
      background: #0f62fe;
      color: #ffffff;
      font-size: 0.6875rem;
      font-weight: 600;
      line-height: 1.125rem;
      text-align: center;
    }
    .trouble {
      position: absolute;
      inset-block-end: 0.5rem;
      inset-inline-end: 0.625rem;
      width: 0.625rem;
      height: 0.625rem;
      border: 2px solid #161616;
      border-radius: 50%;
      background: #f1c21b;
    }
  `,
];
