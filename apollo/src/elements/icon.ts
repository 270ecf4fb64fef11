import { html, type TemplateResult } from 'lit';
import { html as fixed, unsafeStatic } from 'lit/static-html.js';
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

type Icon = typeof Archive;

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

type Name = keyof typeof icons;

/** One of the Carbon icons. Decoration only: its meaning is always given in text as well. */
export function icon(name: Name): TemplateResult {
  return drawn[name];
}

export function statusIcon(status: Status): TemplateResult {
  return html`<span class="status-icon ${status}">${icon(status)}</span>`;
}

/** A fully static template: each row has one, and without values it only needs to be cloned. */
function draw({ attrs, content }: Icon): TemplateResult {
  const { viewBox, width, height } = attrs;
  // The inner mark of a filled icon is a separate path for two-coloured icons, invisible here (opacity 0).
  const shown = content.filter(({ attrs: { d, opacity } }) => d !== undefined && opacity !== '0');
  const paths = shown.map(({ attrs: { d } }) => `<path d="${d}"></path>`).join('');
  const markup = `<svg aria-hidden="true" viewBox="${viewBox}" width="${width}" height="${height}" fill="currentColor">${paths}</svg>`;
  return fixed`${unsafeStatic(markup)}`;
}

const drawn = Object.fromEntries(Object.entries(icons).map(([name, one]) => [name, draw(one)])) as Record<Name, TemplateResult>;
