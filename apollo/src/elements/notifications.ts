import { LitElement, html, nothing, type PropertyValues } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { Credentials } from '../api/session.js';
import { ConnectionController, type Health } from '../connection/controller.js';
import type { TransportName } from '../connection/transport.js';
import { I18n } from '../i18n/i18n.js';
import { Feed, MOST_COUNTED } from '../state/feed.js';
import { NO_FILTERS, fromAddress, isFiltered, toAddress } from '../state/filters.js';
import { linkedId, withLink } from '../state/link.js';
import { baseAddress, signInAddress, signOutAddress } from '../state/addresses.js';
import { icon } from './icon.js';
import type { ApolloPanel } from './panel.js';
import { bell } from './styles/bell.js';
import type { ApolloToasts } from './toast-stack.js';
import './panel.js';
import './toast-stack.js';

/**
 * Bell, toasts and panel for one Athena. See docs/apollo.md.
 *
 * @fires athena-change - a transaction or notice changed (detail: the message)
 * @fires athena-archived - detail: `{ids}`
 * @fires athena-reset - the history was replaced
 * @fires athena-state - detail: `{state, transport}`
 * @fires athena-toggle - detail: `{open}`
 * @fires athena-sign-in-required - signed out, and the page must sign in (detail: `{base}`)
 */
@customElement('athena-notifications')
export class AthenaNotifications extends LitElement {
  static override styles = bell;

  /** The URL of Athena. Default: where this script was loaded from. */
  @property() src = '';
  /** `auto` (follows the system), `light` or `dark`. */
  @property({ reflect: true }) theme = 'auto';
  /** Whether the panel is open. */
  @property({ type: Boolean, reflect: true }) open = false;
  /** Do not change the page's URL: no filters and no links in it. */
  @property({ type: Boolean, attribute: 'no-address' }) noAddress = false;
  /** The language of the texts. Not reflected: an empty attribute would hide the page's language. */
  @property() override lang = '';
  /** Use the browser's language, not the page's. */
  @property({ type: Boolean, attribute: 'browser-language' }) browserLanguage = false;
  /** No popups. */
  @property({ type: Boolean, attribute: 'no-toasts' }) noToasts = false;

  /** A single-use ticket that the page's backend obtained from Athena. Exchanged once, before connecting. */
  @property() ticket = '';
  /** A bearer token that the page already has. Kept in memory only. */
  @property() token = '';
  /** Send cookies to an Athena on another origin. */
  @property({ type: Boolean }) credentials = false;

  @state() private i18n = new I18n('en');
  @query('apollo-panel') private panel!: ApolloPanel | null;
  @query('apollo-toasts') private stack!: ApolloToasts | null;
  @query('.bell') private bell!: HTMLElement;

  private focusBefore: HTMLElement | null = null;
  private readonly connection: ConnectionController = new ConnectionController(this, {
    received: (message, replay) => this.feed.receive(message, replay),
    healthChanged: (health, transport) => this.healthChanged(health, transport),
  });
  private readonly feed: Feed = new Feed({
    wantsToasts: () => !this.noToasts,
    running: (query, limit) => this.connection.client!.history(query, limit),
    changed: (rows) => this.panel?.changed(rows),
    archived: (ids) => this.panel?.archived(ids),
    reset: () => this.panel?.reload(),
    updated: () => this.requestUpdate(),
    emit: (type, detail) => this.emit(type, detail),
  });

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.connection.connect(this.base, this.given); // moved within the page
    window.addEventListener('hashchange', this.followLink);
    window.addEventListener('popstate', this.followLink);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('hashchange', this.followLink);
    window.removeEventListener('popstate', this.followLink);
    this.feed.toasts.clear();
  }

  /** Opens the panel; with an id, the details of that transaction. */
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
    if (changed.has('src') || !this.hasUpdated) this.feed.clear(); // another Athena, another history
    if (!this.hasUpdated || CONNECTING.some((name) => changed.has(name))) this.connection.connect(this.base, this.given);
    if (!this.hasUpdated && !this.noAddress) {
      if (linkedId(here()) !== undefined || isFiltered(fromAddress(here()))) this.open = true;
    }
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('open') || (changed.get('open') === undefined && !this.open)) return;
    if (this.open) {
      this.feed.toasts.clearWaiting();
      this.stack?.lift();
    } else {
      if (!this.noAddress) history.replaceState(history.state, '', withLink(toAddress(here(), NO_FILTERS), undefined));
      (this.focusBefore?.isConnected === true ? this.focusBefore : this.bell).focus();
      this.focusBefore = null;
    }
    this.emit('athena-toggle', { open: this.open });
  }

  override render() {
    const { i18n, feed, connection } = this;
    const n = feed.active.size;
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
        : html`<apollo-toasts .toasts=${feed.toasts} .i18n=${i18n} .revision=${feed.revision} class=${this.open ? 'beside' : ''}
            @apollo-open=${() => this.show()} @apollo-details=${(event: CustomEvent<string>) => this.show(event.detail)}
            @apollo-empty=${() => this.bell.focus()}></apollo-toasts>`}
      ${this.open && client !== undefined
        ? html`<apollo-panel .client=${client} .i18n=${i18n} .health=${health} .transport=${connection.transport}
            .noAddress=${this.noAddress} @apollo-hide=${() => this.hide()} @apollo-wake=${() => this.connection.wake()}
            @apollo-sign-in=${() => this.signIn()} @apollo-signed-out=${() => this.signedOut()}
            @apollo-archived=${(event: CustomEvent<readonly string[]>) => feed.toasts.remove(event.detail)}></apollo-panel>`
        : nothing}
    `;
  }

  /** The element's language, else the page's, else the browser's; with the browser's region for the same language. */
  private get language(): string {
    const page = this.browserLanguage ? '' : (this.closest<HTMLElement>('[lang]')?.lang ?? '');
    const language = this.lang || page || navigator.language || 'en';
    return navigator.languages.find((known) => known.startsWith(`${language}-`)) ?? language;
  }

  private get base(): string {
    return baseAddress(this.src, import.meta.url);
  }

  private get given(): Credentials {
    return { ticket: this.ticket, token: this.token, cookies: this.credentials };
  }

  /** The page signs in if it gives us the credentials, or if Athena is on another origin. */
  private get isSignedInByPage(): boolean {
    return this.ticket !== '' || this.token !== '' || new URL(this.base).origin !== location.origin;
  }

  private toggle(): void {
    if (this.open) this.hide();
    else void this.show();
  }

  private readonly followLink = (): void => {
    const id = this.noAddress ? undefined : linkedId(here());
    if (id !== undefined) void this.show(id);
  };

  private signIn(): void {
    if (this.isSignedInByPage) this.emit('athena-sign-in-required', { base: this.base });
    else location.assign(signInAddress(this.base, here()));
  }

  private signedOut(): void {
    if (this.isSignedInByPage) this.connection.verifySession();
    else location.assign(signOutAddress(this.base));
  }

  private healthChanged(state: Health, transport: TransportName | undefined): void {
    if (state === 'live') this.panel?.online();
    this.emit('athena-state', { state, transport });
    if (state === 'signed-out' && this.isSignedInByPage) this.signIn();
  }

  private emit(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}

/** Properties that a connection depends on. */
const CONNECTING = ['src', 'ticket', 'token', 'credentials'] as const;

const here = (): URL => new URL(location.href);

/** The focused element, including those within shadow roots. */
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
