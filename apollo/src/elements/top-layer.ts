/**
 * Puts an element into the browser's top layer, above everything of the host page, whatever its z-indexes and
 * transforms. Where there is no popover, fixed position and a z-index have to do.
 */
export function toTopLayer(element: HTMLElement): void {
  if (typeof element.showPopover !== 'function') return;
  element.popover = 'manual';
  if (element.matches(':popover-open')) element.hidePopover();
  element.showPopover();
}
