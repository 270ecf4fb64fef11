import type { LitElement, ReactiveController } from 'lit';
import type { Row } from '../api/types.js';
import { withLink } from '../state/link.js';
import type { ListFocus } from './list-focus.js';

export interface Shown {
  readonly id: string;
  /** The row when the details were opened; undefined if a link opened them. */
  readonly row: Row | undefined;
}

/** Navigates from the list to the details of one row, and back to the same place in the list. */
export class DetailsPlace implements ReactiveController {
  shown: Shown | undefined;
  private leftFrom: string | undefined;

  /** @param readdress changes the page's URL, unless the page forbids that */
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

  /** Shows the details that the page's URL already links to. */
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
