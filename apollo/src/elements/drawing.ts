import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { Row } from '../api/types.js';
import { afterPaint } from './after-paint.js';

/** No row is lower: a title, the line of facts beneath it, and the space around them. */
const LEAST_ROW_PX = 64;

/**
 * A long list in several goes: first as many rows as can be seen at once, then, each time what is there has been
 * painted, as many again. A row once drawn stays; the place of one to come is kept for it, so that nothing moves.
 */
export class Drawing implements ReactiveController {
  private drawn: ReadonlySet<string> = new Set();
  private isPartial = false;
  private isRushed = false;
  /** Set while the last rows are not painted yet: calls the next ones off. */
  private callOff: (() => void) | undefined;

  /** @param height of what shows the list, in pixels */
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

  /** To be asked once an update: which of these rows it draws. */
  next(rows: readonly Row[]): ReadonlySet<string> {
    const { drawn } = this;
    let room = this.isRushed ? Infinity : this.room;
    const ids = rows.map(({ id }) => id).filter((id) => drawn.has(id) || room-- > 0);
    this.drawn = new Set(ids);
    this.isPartial = ids.length < rows.length;
    this.isRushed = false;
    return this.drawn;
  }

  /** Somebody goes where nothing may be drawn yet: the next update draws all. */
  rush(): void {
    if (!this.isPartial) return;
    this.isRushed = true;
    this.host.requestUpdate();
  }

  /** The list gives way to something else. One comes back to a place in it, so it is then drawn at once. */
  leave(): void {
    this.isPartial = false;
    this.isRushed = true;
  }

  /** So many more rows may be drawn now. */
  private get room(): number {
    return this.callOff === undefined ? 1 + Math.floor(this.height() / LEAST_ROW_PX) : 0;
  }

  private readonly painted = (): void => {
    this.callOff = undefined;
    if (this.isPartial) this.host.requestUpdate();
  };
}
