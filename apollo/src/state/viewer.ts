import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Client, Viewer } from '../api/client.js';

/** Who is signed in, what that allows, and signing out. */
export class ViewerController implements ReactiveController {
  who: Viewer | undefined;
  signOutFailed = false;
  private request: AbortController | undefined;

  /** @param signedOut Athena knows us no longer */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly client: () => Client,
    private readonly signedOut: () => void,
  ) {
    host.addController(this);
  }

  /** As long as nobody knows, yes: then Athena says no. */
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
      .catch(() => undefined); // asked again after the next connection
    if (request.signal.aborted) return;
    this.who = who ?? this.who; // not forgotten since Athena could not be asked
    this.host.requestUpdate();
  }

  /** Another Athena, or somebody else. */
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
