import { html, svg, type TemplateResult } from 'lit';
import Archive from '@carbon/icons/es/archive/16.js';
import ArrowLeft from '@carbon/icons/es/arrow--left/20.js';
import ArrowUp from '@carbon/icons/es/arrow--up/16.js';
import CheckmarkFilled from '@carbon/icons/es/checkmark--filled/20.js';
import Close from '@carbon/icons/es/close/20.js';
import CloudOffline from '@carbon/icons/es/cloud--offline/20.js';
import ErrorFilled from '@carbon/icons/es/error--filled/20.js';
import Filter from '@carbon/icons/es/filter/20.js';
import InProgress from '@carbon/icons/es/in-progress/20.js';
import Link from '@carbon/icons/es/link/16.js';
import Notification from '@carbon/icons/es/notification/20.js';
import Search from '@carbon/icons/es/search/16.js';
import Undo from '@carbon/icons/es/undo/20.js';
import type { Status } from '../api/types.js';

const icons = {
  archive: Archive,
  back: ArrowLeft,
  bell: Notification,
  close: Close,
  filter: Filter,
  link: Link,
  offline: CloudOffline,
  search: Search,
  up: ArrowUp,
  error: ErrorFilled,
  pending: InProgress,
  success: CheckmarkFilled,
  undoing: Undo,
};

/** One of Carbon's icons. Decoration only: what it means is always also said in text. */
export function icon(name: keyof typeof icons): TemplateResult {
  const { attrs, content } = icons[name];
  // The mark within a filled icon is a path of its own, there for two-coloured icons and invisible (opacity 0) here.
  const paths = content.map(({ attrs: { d, opacity } }) => (d === undefined || opacity === '0' ? undefined : svg`<path d=${d}></path>`));
  return html`<svg aria-hidden="true" viewBox=${attrs.viewBox} width=${attrs.width} height=${attrs.height} fill="currentColor">
    ${paths}
  </svg>`;
}

export function statusIcon(status: Status): TemplateResult {
  return html`<span class="status-icon ${status}">${icon(status)}</span>`;
}
