"""The elements of Athena's front page: by role, label and text, as far as these are distinct."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

PATIENCE_MS = 30_000
"""A wide margin for busy CI; the events waited for should take a fraction of a second."""

MOST_TOASTS = 4

TELL_STATE = """
addEventListener('athena-state', ({ detail }) => {
  document.documentElement.dataset.athena = `${detail.state} ${detail.transport ?? ''}`;
});
"""
"""Stores the connection state from the element's event where a test can wait for it."""

FRAMES_AT_REST = """
element => new Promise(resolve => {
  let top = NaN, frames = 0;
  const look = () => {
    const now = element.getBoundingClientRect().top;
    frames = now === top ? frames + 1 : 0;
    top = now;
    if (frames < 10) requestAnimationFrame(look);
    else resolve(top);
  };
  look();
})
"""


class Screen:
    """Athena's front page in one tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(TELL_STATE)
        self.bell = page.get_by_role("button", name="Open notifications")
        self.toasts = page.locator("apollo-toast")
        self.summary = page.get_by_text("While you were away")
        self.more = page.get_by_role("button", name=re.compile(r"^and \d+ more$"))
        self.panel = page.get_by_role("dialog", name="Notifications")
        self.rows = self.panel.locator("apollo-row")
        self.undo = self.panel.get_by_role("button", name="Undo")

    def visit(self, url: str, transport: str = "websocket") -> None:
        """Go there, and wait until the page is live: from now on it receives every change."""
        self.page.goto(url)
        self.expect_state(f"live {transport}")

    def expect_state(self, state: str, timeout: float = PATIENCE_MS) -> None:
        expect(self.page.locator("html")).to_have_attribute("data-athena", state, timeout=timeout)

    def toast(self, text: str) -> Locator:
        return self.toasts.filter(has_text=text)

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    def open_panel(self) -> None:
        self.bell.click()
        expect(self.panel).to_be_visible()

    def open_row(self, text: str) -> None:
        self.row(text).get_by_role("button").first.click()
        expect(self.panel.get_by_role("heading", name="Details")).to_be_visible()

    def row_ids(self) -> list[str]:
        ids: Any = self.rows.evaluate_all("rows => rows.map(row => row.dataset.id)")
        assert isinstance(ids, list)
        return ids

    def parameters(self) -> str:
        return urlsplit(self.page.url).query

    def expect_no_sideways_scroll(self) -> None:
        """Neither the document nor any element of ours is wider than the window."""
        width = self.page.evaluate("innerWidth")
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width
        ours = self.page.locator("apollo-toast, apollo-panel, apollo-row, apollo-details, apollo-filters")
        for box in ours.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())"):
            assert box["left"] >= -1, box
            assert box["right"] <= width + 1, box


def top_at_rest(locator: Locator) -> float:
    """Its top in the window, once it has not moved for ten frames."""
    top = locator.evaluate(FRAMES_AT_REST)
    assert isinstance(top, int | float)
    return top
