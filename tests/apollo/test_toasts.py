"""Popups for current events."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from tests.apollo.producer import bulk, finished
from tests.apollo.screen import MOST_TOASTS, Screen
from tests.e2e.calls import edit, open_tx
from tests.support.server import Athena


def test_a_toast_appears_and_is_updated_in_place(athena: Athena, screen: Screen) -> None:
    screen.visit(athena.url)
    tx = open_tx(athena, description="Deploy the shop", by="jane.roe@example.com", on_step=1, total_steps=9)
    toast = screen.toast("Deploy the shop")
    expect(toast).to_be_visible()
    expect(toast.get_by_role("status")).to_contain_text("Running")
    bar = toast.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuetext", "1 of 9")
    element = toast.element_handle()

    edit(athena, tx, athena_msg="Pulling the images", on_step=2)
    expect(toast).to_contain_text("Pulling the images")
    expect(bar).to_have_attribute("aria-valuetext", "2 of 9")
    expect(bar).to_have_attribute("aria-valuenow", "2")
    expect(bar).to_have_attribute("aria-valuemax", "9")

    edit(athena, tx, "undoing", athena_msg="Going back", on_step=1)
    expect(toast.get_by_role("status")).to_contain_text("Undoing")
    expect(bar).to_have_attribute("aria-valuetext", "1 of 9")
    expect(screen.toasts).to_have_count(1)
    assert element is not None
    assert element.evaluate("toast => toast.isConnected"), "another toast in its place"


def test_success_is_a_status_and_failure_an_alert(athena: Athena, screen: Screen) -> None:
    screen.visit(athena.url)
    finished(athena, "Import the orders", "success", "1,204 rows")
    finished(athena, "Renew the certificate", "error", "the name does not resolve")
    good, bad = screen.toast("Import the orders"), screen.toast("Renew the certificate")
    expect(good.get_by_role("status")).to_contain_text("Finished")
    expect(good).to_contain_text("1,204 rows")
    expect(good.get_by_role("alert")).to_have_count(0)
    expect(bad.get_by_role("alert")).to_contain_text("Failed")
    expect(bad.get_by_role("alert")).to_contain_text("the name does not resolve")

    bad.get_by_role("button", name="Close").click()
    expect(bad).to_have_count(0)
    expect(good).to_be_visible()


def test_success_leaves_by_itself_unless_hovered_and_failure_stays(athena: Athena, screen: Screen) -> None:
    clock = screen.page.clock
    clock.install()
    screen.visit(athena.url)
    finished(athena, "Renew the certificate", "error")
    finished(athena, "Import the orders", "success")
    good, bad = screen.toast("Import the orders"), screen.toast("Renew the certificate")
    expect(bad).to_be_visible()
    good.hover()
    clock.fast_forward(30_000)
    expect(good).to_be_visible()
    screen.page.mouse.move(5, 5)
    clock.fast_forward(30_000)
    expect(good).to_have_count(0)
    expect(bad).to_be_visible()


def test_what_is_past_at_page_load_is_in_the_panel_alone(athena: Athena, screen: Screen) -> None:
    finished(athena, "Yesterday's import", "success")
    finished(athena, "Broken deployment", "error")
    open_tx(athena, description="Long backup", on_step=3, total_steps=4)
    screen.visit(athena.url)
    # A live one proves that the page is ready to show toasts; past ones would have appeared before it.
    finished(athena, "Something new")
    expect(screen.toast("Something new")).to_be_visible()
    expect(screen.toasts).to_have_count(1)

    screen.open_panel()
    expect(screen.rows).to_have_count(4)
    expect(screen.rows.first).to_contain_text("Long backup")
    expect(screen.rows.first.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "3 of 4")
    expect(screen.panel.get_by_role("heading", level=3)).to_have_text(["Running", "Today"])
    expect(screen.rows.nth(1)).to_contain_text("Something new")


def test_the_panel_shows_live_progress(athena: Athena, screen: Screen) -> None:
    tx = open_tx(athena, description="Long backup", on_step=1, total_steps=4)
    screen.visit(athena.url)
    screen.open_panel()
    row = screen.row("Long backup")
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "1 of 4")
    edit(athena, tx, athena_msg="copying", on_step=2)
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "2 of 4")
    expect(row).to_contain_text("copying")


def test_a_flood_is_four_toasts_and_a_number(athena: Athena, screen: Screen) -> None:
    screen.visit(athena.url)
    bulk(athena, [{"op": "open", "tx_id": f"flood-{n}", "description": f"Flood {n}"} for n in range(500)])
    expect(screen.more).to_have_text(f"and {500 - MOST_TOASTS} more")
    expect(screen.toasts).to_have_count(MOST_TOASTS)
    assert screen.page.evaluate("1 + 1") == 2

    bulk(athena, [{"op": "edit", "tx_id": f"flood-{n}", "status": "success"} for n in range(500)])
    expect(screen.toasts.filter(has_text=re.compile("Finished"))).to_have_count(MOST_TOASTS)
    assert screen.page.evaluate("1 + 1") == 2

    screen.more.click()
    expect(screen.panel).to_be_visible()
    expect(screen.more).to_have_count(0)
    expect(screen.rows.first).to_contain_text("Flood")


def test_on_a_low_screen_everything_stays_in_reach(athena: Athena, screen: Screen) -> None:
    screen.page.set_viewport_size({"width": 1366, "height": 500})
    screen.visit(athena.url)
    for number in range(MOST_TOASTS + 2):
        finished(
            athena, f"Move the archive of the old shop to the new region, part {number}", "error", "no route " * 30
        )
    expect(screen.toasts).to_have_count(MOST_TOASTS)
    expect(screen.more).to_be_in_viewport(ratio=1)
    for _ in range(MOST_TOASTS + 2):
        close = screen.toasts.last.get_by_role("button", name="Close")
        close.scroll_into_view_if_needed()
        expect(close).to_be_in_viewport(ratio=1)
        close.click()
    expect(screen.toasts).to_have_count(0)


def test_details_of_a_toast_open_the_panel(athena: Athena, screen: Screen) -> None:
    screen.visit(athena.url)
    finished(athena, "Broken one", "error")
    screen.toast("Broken one").get_by_role("button", name="Show details").click()
    expect(screen.panel.get_by_role("heading", name="Broken one")).to_be_visible()
