import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Client, Viewer } from '../api/client.js';

/** The signed-in user, their permissions, and signing out. */
export class ViewerController implements ReactiveController {
  who: Viewer | undefined;
  signOutFailed = false;
  private request: AbortController | undefined;

  /** @param signedOut called when the session has ended */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly client: () => Client,
    private readonly signedOut: () => void,
  ) {
    host.addController(this);
  }

  /** True while the role is unknown: then Athena decides. */
  get mayArchive(): boolean {
    return this.who === undefined || this.who.role === 'manager';
  }

  hostDisconnected(): void {
    this.request?.abort();
  }

  async load(): Promise<void> {
    this.request?.abort();
    const request = (this.request = new AbortController());
    const who = await this.client()
      .viewer(request.signal)
      .catch(() => undefined); // retried after the next connection
    if (request.signal.aborted) return;
    this.who = who ?? this.who; // a failed request does not discard what we know
    this.host.requestUpdate();
  }

  /** Another Athena or another user. */
  forget(): void {
    this.who = undefined;
  }

  async signOut(): Promise<void> {
    this.signOutFailed = false;
    try {
      await this.client().signOut();
      this.who = undefined;
      this.signedOut();
    } catch {
      this.signOutFailed = true;
    }
    this.host.requestUpdate();
  }
}
