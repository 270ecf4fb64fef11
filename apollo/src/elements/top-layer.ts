/**
 * Puts an element into the browser's top layer, above everything on the host page, whatever its z-indexes and
 * transforms. Without popover support, fixed position and a z-index must do.
 */
export function toTopLayer(element: HTMLElement): void {
  if (typeof element.showPopover !== 'function') return;
  element.popover = 'manual';
  if (element.matches(':popover-open')) element.hidePopover();
  element.showPopover();
}
