import { html, nothing, type TemplateResult } from 'lit';
import type { Viewer } from '../api/client.js';
import type { Health } from '../connection/controller.js';
import type { TransportName } from '../connection/transport.js';
import type { I18n } from '../i18n/i18n.js';
import type { Archiving } from '../state/archiving.js';
import { MOST_NEW, type HistoryList } from '../state/history.js';
import { icon } from './icon.js';

/** The bars around the list. Their live regions exist before they are filled, or they would not be read out. */

type Rendered = TemplateResult | typeof nothing;

export function healthBadge(i18n: I18n, health: Health, transport: TransportName | undefined): Rendered {
  const live = health === 'live';
  if (live && transport === undefined) return nothing; // not connected yet; an interruption is shown after 2 s
  const hint = live && transport !== undefined ? i18n.text(`via.${transport}`) : '';
  return html`<span class="health ${live ? '' : 'trouble'}" title=${hint} data-transport=${transport ?? ''}>
    <span class="dot"></span>${i18n.text(health)}
  </span>`;
}

export function signOutButton(i18n: I18n, who: Viewer | undefined, signOut: () => void): Rendered {
  if (who?.hasSession !== true) return nothing;
  const name = [who.name, who.role].filter((part) => part !== '').join(', ');
  return html`<button class="link sign-out" title=${name} @click=${signOut}>${i18n.text('signOut')}</button>`;
}

/** @param say fires an event of the panel */
export function troubleBar(i18n: I18n, health: Health, signOutFailed: boolean, say: (type: string) => void): Rendered {
  const out = health === 'signed-out';
  const button = html`<button class="link" @click=${() => say(out ? 'apollo-sign-in' : 'apollo-wake')}>
    ${i18n.text(out ? 'signIn' : 'tryNow')}
  </button>`;
  return html`<div role="status">
    ${health !== 'live'
      ? html`<div class="banner"><p>${i18n.text(`${health}Hint`)}</p>${button}</div>`
      : signOutFailed
        ? html`<div class="banner"><p>${i18n.text('signOutFailed')}</p></div>`
        : nothing}
  </div>`;
}

export function selectionBar(i18n: I18n, archiving: Archiving, archive: () => void): Rendered {
  const n = archiving.selected.size;
  if (n === 0) return nothing;
  return html`<div class="selection">
    <p role="status">${i18n.plural('selected', n)}</p>
    <button @click=${archive}>${icon('archive')} ${i18n.text('archive')}</button>
    <button @click=${() => archiving.clearSelection()}>${i18n.text('cancelSelection')}</button>
  </div>`;
}

export function freshBar(i18n: I18n, list: HistoryList, show: () => void): Rendered {
  const label = list.overflow
    ? i18n.text('freshMany', { n: MOST_NEW })
    : list.newCount > 0
      ? i18n.plural('fresh', list.newCount)
      : list.cutAbove
        ? i18n.text('toNewest')
        : '';
  return html`<div class="fresh-place" role="status">
    ${label === '' ? nothing : html`<div class="fresh"><button @click=${show}>${icon('up')} ${label}</button></div>`}
  </div>`;
}

export function archiveBar(i18n: I18n, archiving: Archiving): Rendered {
  const bar = archiving.pending.length > 0 ? undoBar(i18n, archiving) : failureBar(i18n, archiving);
  return html`<div role="status">${bar}</div>`;
}

function undoBar(i18n: I18n, archiving: Archiving): Rendered {
  return html`<div class="snack">
    <p>${i18n.plural('archived', archiving.pending.length)}</p>
    <button class="undo" @click=${() => archiving.undo()}>${i18n.text('undo')}</button>
  </div>`;
}

function failureBar(i18n: I18n, archiving: Archiving): Rendered {
  const { failure } = archiving;
  if (failure === undefined) return nothing;
  return html`<div class="snack">
    <p>${i18n.text(failure.isForbidden ? 'archiveForbidden' : 'archiveFailed')}</p>
    ${failure.isForbidden ? nothing : html`<button @click=${() => archiving.retry()}>${i18n.text('retry')}</button>`}
    <button @click=${() => archiving.dismissFailure()}>${i18n.text('close')}</button>
  </div>`;
}
