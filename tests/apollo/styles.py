"""The computed styles of a page, element by element."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

INSIDE = """
host => {
  // Sizes follow from texts, such as times; places from where the page put the bell.
  const free = /^(width|height|(inline|block)-size|(perspective|transform)-origin|x|y|top|left|right|bottom)$|inset/;
  const found = {};
  const visit = (node, path) => {
    [...node.children].forEach((element, at) => {
      const style = getComputedStyle(element);
      const here = `${path} > ${element.localName}[${at}]`;
      found[here] = Object.fromEntries([...style].filter(name => !free.test(name)).map(name => [name, style[name]]));
      if (element.shadowRoot) visit(element.shadowRoot, `${here} #`);
      visit(element, here);
    });
  };
  visit(host.shadowRoot ?? host, host.localName);
  return found;
}
"""

Styles = dict[str, dict[str, str]]
"""Path of an element -> property -> value."""


def below(element: Locator) -> Styles:
    """The styles of everything in its shadow root, or in itself if it has none, including nested shadow roots."""
    found: Any = element.evaluate(INSIDE)
    assert isinstance(found, dict)
    return found


def differences(one: Styles, other: Styles) -> list[str]:
    """The differences between the two, as text."""
    missing = [f"{path}: in one of them alone" for path in sorted(one.keys() ^ other.keys())]
    return missing + [
        f"{path}: {name}: {one[path].get(name)} / {other[path].get(name)}"
        for path in one.keys() & other.keys()
        for name in sorted(one[path].keys() | other[path].keys())
        if one[path].get(name) != other[path].get(name)
    ]
