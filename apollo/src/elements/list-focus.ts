import type { LitElement, ReactiveController } from 'lit';
import type { ApolloRow } from './row.js';

/** These disappear by themselves or by their own button; the focus must not be lost with them. */
const PASSING = '.snack, .selection, .banner, apollo-row';

/** How many rows each key moves by. */
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

/**
 * The user's place in the list: scroll position, reading, focused row. Arrow keys go from row to row, Home and End to
 * the first and last.
 */
export class ListFocus implements ReactiveController {
  private scrolledTo = 0;
  private passing: Element | null = null;
  private at = 0;

  /**
   * @param isInDetails whether details are shown instead of the list
   * @param drawAll draws all rows with the next update
   */
  constructor(
    private readonly host: LitElement,
    private readonly isInDetails: () => boolean,
    private readonly drawAll: () => void,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    this.host.addEventListener('keydown', this.keyed);
  }

  hostDisconnected(): void {
    this.host.removeEventListener('keydown', this.keyed);
  }

  hostUpdate(): void {
    const active = this.host.shadowRoot?.activeElement ?? null;
    this.passing = active?.closest(PASSING) === null ? null : active;
    const at = this.rows.findIndex((row) => row === active);
    if (at >= 0) this.at = at;
  }

  hostUpdated(): void {
    const { passing } = this;
    this.passing = null;
    if (passing !== null && !passing.isConnected && !this.isInDetails()) void this.refocus();
  }

  get scroller(): HTMLElement | null {
    return this.host.renderRoot.querySelector('.scroll');
  }

  get rows(): ApolloRow[] {
    return [...this.host.renderRoot.querySelectorAll<ApolloRow>('apollo-row')];
  }

  /** Whether the user is looking at the rows, so that nothing may move. */
  get isBeingRead(): boolean {
    const { scroller } = this;
    if (scroller === null) return false;
    return scroller.scrollTop > 0 || scroller.matches(':hover') || scroller.matches(':focus-within');
  }

  toTop(): void {
    if (this.scroller !== null) this.scroller.scrollTop = 0;
  }

  remember(): void {
    this.scrolledTo = this.scroller?.scrollTop ?? 0;
  }

  /** Restores the scroll position, and focuses the row. */
  comeBack(id: string): void {
    if (this.scroller !== null) this.scroller.scrollTop = this.scrolledTo;
    void this.focusRow((rows) => rows.find((row) => row.row.id === id));
  }

  /** If the focus is lost with these rows, it goes to the row that takes the place of the first one. */
  expectToLose(ids: readonly string[]): void {
    const rows = this.rows;
    const first = rows.findIndex((row) => ids.includes(row.row.id));
    this.at = Math.max(0, first);
  }

  /** Focuses the row after it has rendered (before, it has nothing to focus), or else the close button. */
  async focusRow(find: (rows: readonly ApolloRow[]) => ApolloRow | undefined): Promise<void> {
    await this.host.updateComplete;
    const row = find(this.rows);
    await row?.updateComplete;
    (row ?? this.host.renderRoot.querySelector<HTMLElement>('.close'))?.focus();
  }

  /** The focused element is gone: focuses the undo bar, or else the row in its place, or else the heading. */
  private async refocus(): Promise<void> {
    const said = this.host.renderRoot.querySelector<HTMLElement>('.snack button');
    const rows = this.rows;
    const row = rows[Math.min(this.at, rows.length - 1)];
    await row?.updateComplete;
    // Other code may have set the focus meanwhile.
    if (this.host.shadowRoot?.activeElement != null) return;
    (said ?? row ?? this.host.renderRoot.querySelector<HTMLElement>('h2'))?.focus();
  }

  private readonly keyed = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const { rows } = this;
    const at = rows.findIndex((row) => row.matches(':focus-within') || row === this.host.shadowRoot?.activeElement);
    if (step === undefined || at < 0) return;
    event.preventDefault();
    this.drawAll();
    void this.focusRow((drawn) => drawn[Math.min(drawn.length - 1, Math.max(0, at + step))]);
  };
}
