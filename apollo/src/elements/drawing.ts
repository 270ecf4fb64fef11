import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Row } from '../api/types.js';
import { afterPaint } from './after-paint.js';

/** The least height of a row: a title, the line of facts below it, and their padding. */
const LEAST_ROW_PX = 64;

/**
 * Draws a long list in steps: first as many rows as fit on the screen, then as many again after each paint. A row once
 * drawn stays, and space is reserved for rows not drawn yet, so that nothing moves.
 */
export class Drawing implements ReactiveController {
  private drawn: ReadonlySet<string> = new Set();
  private isPartial = false;
  private isRushed = false;
  /** Cancels the next step; set until the last rows are painted. */
  private callOff: (() => void) | undefined;

  /** @param height of the scrolling element, in pixels */
  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly height: () => number,
  ) {
    host.addController(this);
  }

  hostUpdated(): void {
    if (this.isPartial) this.callOff ??= afterPaint(this.painted);
  }

  hostDisconnected(): void {
    this.callOff?.();
    this.callOff = undefined;
  }

  /** Which of these rows to draw in this update. Call it once per update. */
  next(rows: readonly Row[]): ReadonlySet<string> {
    const { drawn } = this;
    let room = this.isRushed ? Infinity : this.room;
    const ids = rows.map(({ id }) => id).filter((id) => drawn.has(id) || room-- > 0);
    this.drawn = new Set(ids);
    this.isPartial = ids.length < rows.length;
    this.isRushed = false;
    return this.drawn;
  }

  /** Draws all rows with the next update, because the user may go where nothing is drawn yet. */
  drawAll(): void {
    if (!this.isPartial) return;
    this.isRushed = true;
    this.host.requestUpdate();
  }

  /** The list is hidden. It is drawn at once when it returns, since its scroll position is restored. */
  leave(): void {
    this.isPartial = false;
    this.isRushed = true;
  }

  /** The number of further rows that may be drawn now. */
  private get room(): number {
    return this.callOff === undefined ? 1 + Math.floor(this.height() / LEAST_ROW_PX) : 0;
  }

  private readonly painted = (): void => {
    this.callOff = undefined;
    if (this.isPartial) this.host.requestUpdate();
  };
}
