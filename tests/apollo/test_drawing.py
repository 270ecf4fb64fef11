"""The rows of the panel are drawn in several steps: the visible ones first, then the rest of the page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from tests.apollo.producer import many_finished
from tests.apollo.screen import Screen
from tests.e2e.calls import history, open_tx
from tests.support.server import Athena

PAGE = 50

HELPERS = """
window.frame = () => new Promise(requestAnimationFrame);
window.scroller = () => document.querySelector('athena-notifications').shadowRoot.querySelector('apollo-panel')
  ?.shadowRoot.querySelector('.scroll');
window.rows = () => [...scroller()?.querySelectorAll('apollo-row') ?? []];
// Opens the panel -> in the first frame with rows in it.
window.opened = async () => {
  document.querySelector('athena-notifications').show();
  do await frame(); while (rows().length === 0);
};
"""

WATCHED = """
async page => {
  await opened();
  const seen = [];
  for (;;) {
    const list = scroller().getBoundingClientRect();
    const tops = rows().map(row => row.getBoundingClientRect().top).filter(top => top < list.bottom);
    seen.push({
      ids: rows().map(row => row.dataset.id),
      tops,
      isFilled: rows().at(-1).getBoundingClientRect().bottom >= list.bottom,
      places: scroller().querySelectorAll('li').length,
    });
    if (rows().length >= page) return seen;
    await frame();
  }
}
"""

SCROLLED = """
async () => {
  await opened();
  const before = rows().length;
  scroller().scrollTop = scroller().scrollHeight;
  await frame();
  await frame();
  const { top, bottom } = scroller().getBoundingClientRect();
  const isInSight = one => one.getBoundingClientRect().bottom > top && one.getBoundingClientRect().top < bottom;
  const blank = [...scroller().querySelectorAll('li')].filter(one => isInSight(one) && one.childElementCount === 0);
  return { before, after: rows().length, blank: blank.length, scrolled: scroller().scrollTop };
}
"""

PRESSED = """
async key => {
  await opened();
  const before = rows().length;
  rows()[0].focus();
  rows()[0].dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));
  await frame();
  return { before, focused: scroller().getRootNode().activeElement?.dataset.id };
}
"""


@pytest.fixture
def page_of_rows(athena: Athena, screen: Screen) -> list[str]:
    """A history of exactly one page, in a tab that has not opened the panel; the ids in order.

    Must be requested before `screen`, so that the tab is closed before its server stops.
    """
    many_finished(athena, PAGE - 2)
    open_tx(athena, description="Running one", on_step=1, total_steps=3)
    open_tx(athena, description="Running two")
    screen.page.add_init_script(HELPERS)
    screen.visit(athena.url)
    return [row["id"] for row in history(athena)]


def test_first_what_fits_then_the_rest_and_nothing_moves(page_of_rows: list[str], screen: Screen) -> None:
    seen: Any = screen.page.evaluate(WATCHED, PAGE)
    assert seen[0]["isFilled"]
    assert len(seen[0]["ids"]) < PAGE
    for frame in seen:
        # Always the top of the list: no row twice, none out of order; and placeholders for all rows exist at once.
        assert frame["ids"] == page_of_rows[: len(frame["ids"])]
        assert frame["places"] == PAGE
    assert seen[-1]["ids"] == page_of_rows
    # The first frame measures before anything was painted, when rows are as high as those off screen.
    assert all(frame["tops"] == seen[1]["tops"] for frame in seen[1:])
    expect(screen.panel.get_by_text("That is all")).to_have_count(1)


def test_scrolling_at_once_finds_rows(page_of_rows: list[str], screen: Screen) -> None:
    found: Any = screen.page.evaluate(SCROLLED)
    assert found["before"] < PAGE
    assert found["scrolled"] > 0
    assert (found["after"], found["blank"]) == (PAGE, 0)
    assert screen.row_ids() == page_of_rows


@pytest.mark.parametrize(("key", "at"), [("End", -1), ("Home", 0), ("ArrowDown", 1)])
def test_keys_reach_rows_not_drawn_yet(page_of_rows: list[str], screen: Screen, key: str, at: int) -> None:
    found: Any = screen.page.evaluate(PRESSED, key)
    assert found["before"] < PAGE
    assert found["focused"] == page_of_rows[at]


def test_end_goes_on_page_by_page(athena: Athena, screen: Screen) -> None:
    known = many_finished(athena, PAGE + 20)
    screen.visit(athena.url)
    screen.open_panel()
    screen.rows.first.get_by_role("button").focus()
    screen.page.keyboard.press("End")
    # The next page is near there.
    expect(screen.rows).to_have_count(PAGE + 20)
    screen.page.keyboard.press("End")
    expect(screen.rows.last.get_by_role("button")).to_be_focused()
    expect(screen.rows.last).to_be_in_viewport()
    screen.page.keyboard.press("Home")
    expect(screen.rows.first.get_by_role("button")).to_be_focused()
    expect(screen.rows.first).to_be_in_viewport()
    assert sorted(screen.row_ids()) == known


def test_back_from_the_details_one_is_where_one_was(page_of_rows: list[str], screen: Screen) -> None:
    screen.open_panel()
    expect(screen.rows).to_have_count(PAGE)
    row = screen.rows.nth(PAGE - 5)
    row.get_by_role("button").click()
    expect(screen.panel.get_by_role("heading", name="Details")).to_be_visible()
    screen.panel.get_by_role("button", name="Back to all notifications").click()
    expect(row.get_by_role("button")).to_be_focused()
    expect(row).to_be_in_viewport()
    assert screen.row_ids() == page_of_rows
