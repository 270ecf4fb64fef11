import type { LitElement, ReactiveController } from 'lit';
import type { Row } from '../api/types.js';
import { withLink } from '../state/link.js';
import type { ListFocus } from './list-focus.js';

export interface Shown {
  readonly id: string;
  /** As it was when it was opened; undefined when a link led to it. */
  readonly row: Row | undefined;
}

/** Going from the list to the details of one row, and back to where one was. */
export class DetailsPlace implements ReactiveController {
  shown: Shown | undefined;
  private leftFrom: string | undefined;

  /** @param readdress changes the page's address, where that is ours to change */
  constructor(
    private readonly host: LitElement,
    private readonly list: () => ListFocus,
    private readonly readdress: (change: (address: URL) => URL) => void,
  ) {
    host.addController(this);
  }

  hostUpdated(): void {
    const id = this.leftFrom;
    this.leftFrom = undefined;
    if (id !== undefined && this.shown === undefined) this.list().comeBack(id);
  }

  /** The page's address says so already. */
  begin(id: string): void {
    this.shown = { id, row: undefined };
  }

  open(id: string, row: Row | undefined): void {
    if (this.shown === undefined) this.list().remember();
    this.shown = { id, row };
    if (row?.type !== 'notification') this.readdress((address) => withLink(address, id));
    this.host.requestUpdate();
    void this.host.updateComplete.then(() => this.host.renderRoot.querySelector<HTMLElement>('.back')?.focus());
  }

  readonly close = (): void => {
    this.leftFrom = this.shown?.id;
    this.shown = undefined;
    this.readdress((address) => withLink(address, undefined));
    this.host.requestUpdate();
  };
}
