"""The history panel: pages, filters, links, archiving."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Request, expect
from tests.apollo.producer import finished, many_finished
from tests.apollo.screen import Screen, top_at_rest
from tests.e2e.calls import ARCHIVE, edit, history, open_tx
from tests.support.server import Athena


def test_rows_do_not_jump_while_new_ones_arrive(athena: Athena, screen: Screen) -> None:
    known = many_finished(athena, 170)
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(50)

    screen.rows.nth(49).scroll_into_view_if_needed()
    expect(screen.rows).to_have_count(100)
    row = screen.rows.nth(40)
    row.scroll_into_view_if_needed()
    before = top_at_rest(row)
    text = row.inner_text()
    new = [finished(athena, f"Brand new {number}") for number in range(3)]
    fresh = screen.panel.get_by_role("button", name="3 new")
    expect(fresh).to_be_visible()
    assert top_at_rest(row) == pytest.approx(before, abs=1)
    assert row.inner_text() == text
    expect(screen.row("Brand new")).to_have_count(0)

    # Later pages continue where the last one ended, whatever was added at the top.
    for loaded in (150, 170):
        screen.rows.last.scroll_into_view_if_needed()
        expect(screen.rows).to_have_count(loaded)
    expect(screen.panel.get_by_text("That is all")).to_be_visible()
    assert sorted(screen.row_ids()) == known

    fresh.click()
    expect(screen.row("Brand new")).to_have_count(3)
    expect(fresh).to_have_count(0)
    ids = screen.row_ids()
    assert sorted(ids[:3]) == sorted(new)
    assert sorted(ids[3:]) == known


def test_the_button_loads_the_next_page(athena: Athena, screen: Screen) -> None:
    known = many_finished(athena, 60)
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(50)
    screen.panel.get_by_role("button", name="Load more").focus()
    screen.page.keyboard.press("Enter")
    expect(screen.rows).to_have_count(60)
    assert sorted(screen.row_ids()) == known


def test_the_panel_has_the_order_of_the_history(athena: Athena, screen: Screen) -> None:
    finished(athena, "First")
    open_tx(athena, description="Running one")
    finished(athena, "Second", "error")
    open_tx(athena, description="Running two")
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(4)
    assert screen.row_ids() == [row["id"] for row in history(athena)]


def test_filters_and_search_are_kept_in_the_address(athena: Athena, screen: Screen) -> None:
    finished(athena, "Import orders", "error", component_id="shop")
    finished(athena, "Import invoices", "success", component_id="shop")
    finished(athena, "Backup", "error", component_id="disk")
    screen.visit(f"{athena.url}/?mine=1")
    screen.open_panel()
    expect(screen.rows).to_have_count(3)

    screen.panel.get_by_role("button", name="Filters").click()
    screen.panel.get_by_role("button", name="Failed", exact=True).click()
    expect(screen.rows).to_have_count(2)
    screen.panel.get_by_label("Component").fill("shop")
    screen.panel.get_by_label("Component").press("Enter")
    expect(screen.rows).to_have_count(1)
    expect(screen.rows).to_contain_text("Import orders")
    screen.panel.get_by_role("searchbox").fill("orders")
    expect(screen.page).to_have_url(re.compile("apollo-search=orders"))
    assert parse_qs(screen.parameters()) == {
        "mine": ["1"],
        "apollo-status": ["error"],
        "apollo-component-id": ["shop"],
        "apollo-search": ["orders"],
    }

    screen.page.reload()
    expect(screen.panel).to_be_visible()
    expect(screen.rows).to_have_count(1)
    expect(screen.rows).to_contain_text("Import orders")
    expect(screen.panel.get_by_role("searchbox")).to_have_value("orders")
    expect(screen.panel.get_by_label("Component")).to_have_value("shop")
    expect(screen.panel.get_by_role("button", name="Failed", exact=True)).to_have_attribute("aria-pressed", "true")

    screen.panel.get_by_role("searchbox").fill("nothing is called so")
    expect(screen.panel.get_by_text("Nothing matches")).to_be_visible()
    screen.panel.get_by_role("button", name="Clear filters").last.click()
    expect(screen.rows).to_have_count(3)
    assert parse_qs(screen.parameters()) == {"mine": ["1"]}


@pytest.mark.parametrize(
    ("label", "value", "found"),
    [("Sub-type", "template", "Templated"), ("Who", "ann", "By Ann"), ("Component", "disk", "Of the disk")],
)
def test_each_filter_finds_its_own(athena: Athena, screen: Screen, label: str, value: str, found: str) -> None:
    finished(athena, "Templated", sub_type="template")
    finished(athena, "By Ann", by="ann")
    finished(athena, "Of the disk", component_id="disk")
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(3)
    screen.panel.get_by_role("button", name="Filters").click()
    field = screen.panel.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    expect(screen.rows).to_have_count(1)
    expect(screen.rows).to_contain_text(found)


def test_dates_filter_by_local_days(athena: Athena, screen: Screen) -> None:
    finished(athena, "Today's")
    screen.visit(athena.url)
    screen.open_panel()
    screen.panel.get_by_role("button", name="Filters").click()
    screen.panel.get_by_label("To", exact=True).fill("2020-01-01")
    screen.panel.get_by_label("To", exact=True).press("Tab")
    expect(screen.panel.get_by_text("Nothing matches")).to_be_visible()
    screen.panel.get_by_label("To", exact=True).fill("")
    screen.panel.get_by_label("From", exact=True).fill("2020-01-01")
    screen.panel.get_by_label("From", exact=True).press("Tab")
    expect(screen.rows).to_have_count(1)


def test_new_rows_that_do_not_match_stay_out(athena: Athena, screen: Screen) -> None:
    finished(athena, "Old failure", "error")
    screen.visit(f"{athena.url}/?apollo-status=error")
    expect(screen.rows).to_have_count(1)
    finished(athena, "A success")
    finished(athena, "New failure", "error")
    expect(screen.row("New failure").or_(screen.panel.get_by_role("button", name="1 new"))).to_be_visible()
    expect(screen.row("A success")).to_have_count(0)


def test_new_ones_are_counted_by_the_filters(athena: Athena, screen: Screen) -> None:
    """The status is in each live message; the component is not, so the page must query the server for that filter."""
    finished(athena, "Old failure", "error", component_id="shop")
    screen.visit(f"{athena.url}/?apollo-status=error")
    expect(screen.rows).to_have_count(1)
    screen.rows.first.hover()
    new = screen.panel.get_by_role("button", name=re.compile(r"^\d+ new$"))
    running = open_tx(athena, description="Fails later", component_id="shop")
    finished(athena, "A success", component_id="shop")
    finished(athena, "Failure of the disk", "error", component_id="disk")
    expect(new).to_have_text("1 new")
    edit(athena, running, "error", athena_msg="too late")
    expect(new).to_have_text("2 new")
    expect(screen.rows).to_have_count(1)
    new.click()
    expect(screen.rows).to_have_count(3)
    expect(screen.row("A success")).to_have_count(0)

    screen.panel.get_by_label("Component").fill("shop")
    screen.panel.get_by_label("Component").press("Enter")
    expect(screen.rows).to_have_count(2)
    screen.rows.first.hover()
    finished(athena, "Another of the disk", "error", component_id="disk")
    finished(athena, "Another of the shop", "error", component_id="shop")
    expect(new).to_have_text("1 new")
    new.click()
    expect(screen.row("Another of the shop")).to_be_visible()
    expect(screen.rows).to_have_count(3)


def test_a_link_opens_the_details_with_their_steps(athena: Athena, screen: Screen) -> None:
    tx = open_tx(athena, description="Deploy the shop", by="jane.roe@example.com", on_step=1, total_steps=3)
    edit(athena, tx, athena_msg="Pulling the images", on_step=2)
    edit(athena, tx, athena_msg="Starting", on_step=3)
    screen.visit(f"{athena.url}/#tx={tx}")
    expect(screen.panel.get_by_role("heading", name="Deploy the shop")).to_be_visible()
    expect(screen.panel).to_contain_text("j******e@example.com")
    changes = screen.panel.get_by_role("listitem")
    expect(changes).to_have_count(3)
    expect(changes.nth(1)).to_contain_text("Pulling the images")
    expect(changes.nth(1)).to_contain_text("2 of 3")
    expect(changes.nth(2)).to_contain_text("Starting")

    edit(athena, tx, "error", athena_msg="the disk is full")
    expect(changes).to_have_count(4)
    expect(changes.nth(3)).to_contain_text("the disk is full")
    expect(screen.panel.get_by_role("definition").filter(has_text="j******e")).to_be_visible()

    screen.panel.get_by_role("button", name="Back to all notifications").click()
    expect(screen.row("Deploy the shop")).to_be_visible()
    expect(screen.page).to_have_url(re.compile(r"^[^#]*$"))
    screen.open_row("Deploy the shop")
    expect(screen.page).to_have_url(re.compile(f"#tx={tx}$"))


def test_archiving_undone_sends_nothing(athena: Athena, screen: Screen) -> None:
    finished(athena, "To be kept")
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.url)

    screen.page.on("request", note)
    screen.page.clock.install()
    screen.visit(athena.url)
    screen.open_panel()
    screen.row("To be kept").get_by_role("checkbox").check()
    expect(screen.panel.get_by_text("1 selected")).to_be_visible()
    screen.panel.get_by_role("button", name="Archive").click()
    expect(screen.rows).to_have_count(0)
    screen.undo.click()
    expect(screen.row("To be kept")).to_be_visible()
    screen.page.clock.fast_forward(60_000)
    screen.page.reload()
    screen.open_panel()
    expect(screen.row("To be kept")).to_be_visible()
    assert sent == []


def test_archived_rows_leave_the_history(athena: Athena, screen: Screen) -> None:
    for name in ("Gone one", "Gone two", "To be kept"):
        finished(athena, name)
    screen.page.clock.install()
    screen.visit(athena.url)
    screen.open_panel()
    for name in ("Gone one", "Gone two"):
        screen.row(name).get_by_role("checkbox").check()
    screen.panel.get_by_role("button", name="Archive").click()
    expect(screen.rows).to_have_count(1)
    expect(screen.panel.get_by_text("2 archived")).to_be_visible()
    assert len(history(athena)) == 3
    with screen.page.expect_response(f"**{ARCHIVE}") as answered:
        screen.page.clock.fast_forward(6_000)
    assert answered.value.ok
    expect(screen.undo).to_have_count(0)
    assert len(history(athena)) == 1
    screen.page.reload()
    screen.open_panel()
    expect(screen.rows).to_have_count(1)
    expect(screen.rows).to_contain_text("To be kept")


def test_an_empty_history_says_so(athena: Athena, screen: Screen) -> None:
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.panel.get_by_text("Nothing has happened yet")).to_be_visible()
    finished(athena, "The first")
    expect(screen.row("The first")).to_be_visible()
