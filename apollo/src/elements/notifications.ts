import { LitElement, css, html, nothing, type PropertyValues } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { LiveMessage, Row } from '../api/types.js';
import { ConnectionController, type Health } from '../connection/controller.js';
import type { TransportName } from '../connection/transport.js';
import { I18n } from '../i18n/i18n.js';
import { ActiveSet } from '../state/active.js';
import { FrameBatch } from '../state/batch.js';
import { NO_FILTERS, fromAddress, isFiltered, toAddress } from '../state/filters.js';
import { linkedId, withLink } from '../state/link.js';
import { Toasts } from '../state/toasts.js';
import { icon } from './icon.js';
import type { ApolloPanel } from './panel.js';
import { base } from './styles/base.js';
import { tokens } from './styles/tokens.js';
import type { ApolloToasts } from './toast-stack.js';
import './panel.js';
import './toast-stack.js';

interface Received {
  readonly message: LiveMessage;
  readonly replay: boolean;
}

const MOST_COUNTED = 99;

/**
 * Bell, toasts and panel for one Athena. See docs/apollo.md.
 *
 * @fires athena-change - a transaction or notice changed (detail: the message)
 * @fires athena-archived - detail: `{ids}`
 * @fires athena-reset - the history is another one
 * @fires athena-state - detail: `{state, transport}`
 * @fires athena-toggle - detail: `{open}`
 */
@customElement('athena-notifications')
export class AthenaNotifications extends LitElement {
  static override styles = [
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
        inset-inline-start: 1.5rem;
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

  /** Where Athena is. Default: where this script came from. */
  @property() src = '';
  /** `auto` (as the system), `light` or `dark`. */
  @property({ reflect: true }) theme = 'auto';
  /** Whether the panel is open. */
  @property({ type: Boolean, reflect: true }) open = false;
  /** Leave the page's address alone: no filters and no links in it. */
  @property({ type: Boolean, attribute: 'no-address' }) noAddress = false;
  /** Speak the browser's language, not that of the page. */
  @property({ type: Boolean, attribute: 'browser-language' }) browserLanguage = false;
  /** No popups. */
  @property({ type: Boolean, attribute: 'no-toasts' }) noToasts = false;

  @state() private i18n = new I18n('en');
  @state() private revision = 0;
  @query('apollo-panel') private panel!: ApolloPanel | null;
  @query('apollo-toasts') private stack!: ApolloToasts | null;
  @query('.bell') private bell!: HTMLElement;

  private readonly toasts = new Toasts();
  private readonly active = new ActiveSet();
  private readonly batch = new FrameBatch<Received>((items) => this.apply(items));
  private replayed: Row[] = [];
  private counted = false;
  private focusBefore: HTMLElement | null = null;
  private readonly connection = new ConnectionController(this, {
    received: (message, replay) => this.batch.add({ message, replay }),
    healthChanged: (state, transport) => this.healthChanged(state, transport),
  });

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.connection.connect(this.address); // moved within the page
    window.addEventListener('hashchange', this.followLink);
    window.addEventListener('popstate', this.followLink);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('hashchange', this.followLink);
    window.removeEventListener('popstate', this.followLink);
    this.toasts.clear();
  }

  /** Opens the panel; with an id, at the details of that transaction. */
  async show(id?: string): Promise<void> {
    this.focusBefore ??= deepActive();
    this.open = true;
    await this.updateComplete;
    if (id !== undefined) this.panel?.showDetails(id);
  }

  hide(): void {
    this.open = false;
  }

  protected override willUpdate(changed: PropertyValues): void {
    const { language } = this;
    if (language !== this.i18n.language) this.i18n = new I18n(language);
    if (changed.has('src') || !this.hasUpdated) {
      this.toasts.clear(); // another Athena, another history
      this.active.remove([...this.active.ids]);
      this.counted = false;
      this.connection.connect(this.address);
    }
    if (!this.hasUpdated && !this.noAddress) {
      if (linkedId(here()) !== undefined || isFiltered(fromAddress(here()))) this.open = true;
    }
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('open') || (changed.get('open') === undefined && !this.open)) return;
    if (this.open) {
      this.toasts.clearWaiting();
      this.stack?.lift();
    } else {
      if (!this.noAddress) history.replaceState(history.state, '', withLink(toAddress(here(), NO_FILTERS), undefined));
      (this.focusBefore?.isConnected === true ? this.focusBefore : this.bell).focus();
      this.focusBefore = null;
    }
    this.emit('athena-toggle', { open: this.open });
  }

  override render() {
    const { i18n, active, connection } = this;
    const n = active.size;
    const { health } = connection;
    const client = connection.client;
    const label = n === 0 ? i18n.text('open') : i18n.plural('openRunning', n);
    const hint = health === 'live' ? '' : i18n.text(health);
    return html`
      <button class="bell" part="bell" aria-label=${label} aria-expanded=${this.open} title=${hint || nothing} @click=${() => this.toggle()}>
        ${icon('bell')}
        ${n === 0 ? nothing : html`<span class="count" aria-hidden="true">${n > MOST_COUNTED ? `${MOST_COUNTED}+` : n}</span>`}
        ${health === 'live' ? nothing : html`<span class="trouble"></span>`}
      </button>
      ${this.noToasts
        ? nothing
        : html`<apollo-toasts .toasts=${this.toasts} .i18n=${i18n} .revision=${this.revision} class=${this.open ? 'beside' : ''}
            @apollo-open=${() => this.show()} @apollo-details=${(event: CustomEvent<string>) => this.show(event.detail)}
            @apollo-empty=${() => this.bell.focus()}></apollo-toasts>`}
      ${this.open && client !== undefined
        ? html`<apollo-panel .client=${client} .i18n=${i18n} .health=${health} .transport=${connection.transport}
            .noAddress=${this.noAddress} @apollo-hide=${() => this.hide()} @apollo-wake=${() => this.connection.wake()}
            @apollo-archived=${(event: CustomEvent<readonly string[]>) => this.toasts.remove(event.detail)}></apollo-panel>`
        : nothing}
    `;
  }

  /** The element's own, else the page's, else the browser's; in the browser's region, where the language is the same. */
  private get language(): string {
    const page = this.browserLanguage ? '' : (this.closest<HTMLElement>('[lang]')?.lang ?? '');
    const language = this.lang || page || navigator.language || 'en';
    return navigator.languages.find((known) => known.startsWith(`${language}-`)) ?? language;
  }

  private get address(): string {
    // A script inlined or bundled by somebody else has no address of Athena's: then the page's own is the best guess.
    const from = this.src || import.meta.url.replace(/[^/]*$/, '');
    const url = new URL(from, document.baseURI);
    if (!url.protocol.startsWith('http')) return new URL('/', location.href).href;
    return url.href.endsWith('/') ? url.href : `${url.href}/`;
  }

  private toggle(): void {
    if (this.open) this.hide();
    else void this.show();
  }

  private readonly followLink = (): void => {
    const id = this.noAddress ? undefined : linkedId(here());
    if (id !== undefined) void this.show(id);
  };

  private apply(items: readonly Received[]): void {
    const now = Date.now();
    const rows: Row[] = [];
    for (const { message, replay } of items) {
      if (message.kind === 'change') {
        this.active.apply(message.row);
        rows.push(message.row);
        if (replay) this.replayed.push(message.row);
        else if (!this.noToasts) this.toasts.apply(message.row, now);
        this.emit('athena-change', message.row);
      } else if (message.kind === 'archived') {
        this.active.remove(message.ids);
        this.toasts.remove(message.ids);
        this.panel?.archived(message.ids);
        this.emit('athena-archived', { ids: message.ids });
      } else if (message.kind === 'ready') {
        if (!this.noToasts && this.replayed.length > 0) this.toasts.replay(this.replayed, now);
        this.replayed = [];
        if (!this.counted) void this.countActive();
      } else if (message.kind === 'reset') {
        this.replayed = [];
        this.toasts.clear();
        this.panel?.reload();
        void this.countActive();
        this.emit('athena-reset', {});
      }
    }
    if (rows.length > 0) this.panel?.changed(rows);
    this.revision += 1;
  }

  /** What is running was there before us, so it has to be asked for once. */
  private async countActive(): Promise<void> {
    this.counted = true;
    this.active.mark();
    try {
      const query = new URLSearchParams({ status: 'pending,undoing' });
      const page = await this.connection.client!.history(query, MOST_COUNTED + 1);
      this.active.load(page.rows);
      this.requestUpdate();
    } catch {
      this.counted = false; // asked again after the next connection
    }
  }

  private healthChanged(state: Health, transport: TransportName | undefined): void {
    if (state === 'live') this.panel?.online();
    this.emit('athena-state', { state, transport });
  }

  private emit(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

const here = (): URL => new URL(location.href);

/** What has the focus, also within shadow roots. */
function deepActive(): HTMLElement | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement != null) element = element.shadowRoot.activeElement;
  return element instanceof HTMLElement ? element : null;
}

declare global {
  interface HTMLElementTagNameMap {
    'athena-notifications': AthenaNotifications;
  }
}
