"""Accessibility: the keyboard alone, assistive technology, small windows, strict pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, expect
from tests.apollo.conftest import NewScreen
from tests.apollo.producer import finished, many_finished
from tests.apollo.screen import Screen
from tests.e2e.calls import edit, open_tx
from tests.support.server import Athena

AXE = Path(__file__).parents[2] / "apollo/node_modules/axe-core/axe.min.js"
MOST_TABS = 30


def tab_to(screen: Screen, target: Locator, key: str = "Tab") -> None:
    """Press the key until the target has the focus."""
    for _ in range(MOST_TABS):
        if target.evaluate("element => element.getRootNode().activeElement === element"):
            break
        screen.page.keyboard.press(key)
    expect(target).to_be_focused()


def four_kinds(athena: Athena) -> None:
    """One toast of each kind."""
    finished(athena, "Import the orders", message="1,204 rows", by="ann", component_id="shop")
    finished(athena, "Renew the certificate", "error", "the name does not resolve")
    open_tx(athena, description="Deploy the shop", by="jane.roe@example.com", on_step=2, total_steps=9)
    edit(athena, open_tx(athena, description="Move the archive"), "undoing", athena_msg="Going back")


def violations(screen: Screen) -> list[str]:
    """The violations of any axe-core rule on the page in its current state."""
    screen.page.evaluate(AXE.read_text())
    found: Any = screen.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node.get('failureSummary')}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def test_the_keyboard_alone_reaches_all(athena: Athena, screen: Screen) -> None:
    for name in ("One", "Two", "Three"):
        finished(athena, name)
    screen.visit(athena.url)
    press = screen.page.keyboard.press
    tab_to(screen, screen.bell)
    press("Enter")
    expect(screen.panel).to_be_visible()
    expect(screen.rows).to_have_count(3)

    rows = [screen.rows.nth(at).get_by_role("button") for at in range(3)]
    tab_to(screen, rows[0])
    press("ArrowDown")
    expect(rows[1]).to_be_focused()
    press("ArrowDown")
    expect(rows[2]).to_be_focused()
    press("ArrowUp")
    expect(rows[1]).to_be_focused()
    press("Enter")
    expect(screen.panel.get_by_role("heading", name="Two")).to_be_visible()
    expect(screen.panel.get_by_role("button", name="Back to all notifications")).to_be_focused()
    press("Escape")
    expect(rows[1]).to_be_focused()

    press("Tab")
    box = screen.row("Two").get_by_role("checkbox")
    expect(box).to_be_focused()
    press("Space")
    archive = screen.panel.get_by_role("button", name="Archive")
    tab_to(screen, archive, "Shift+Tab")
    press("Enter")
    expect(screen.undo).to_be_focused()
    press("Enter")
    expect(screen.row("Two")).to_be_visible()

    tab_to(screen, screen.panel.get_by_role("searchbox"), "Shift+Tab")
    tab_to(screen, screen.panel.get_by_role("button", name="Filters"))
    press("Enter")
    tab_to(screen, screen.panel.get_by_role("button", name="Failed", exact=True))
    press("Space")
    expect(screen.panel.get_by_text("Nothing matches")).to_be_visible()

    press("Escape")
    expect(screen.panel).to_have_count(0)
    expect(screen.bell).to_be_focused()


def test_the_keyboard_opens_a_row_and_closes_the_panel_from_there(athena: Athena, screen: Screen) -> None:
    finished(athena, "One")
    screen.visit(athena.url)
    tab_to(screen, screen.bell)
    screen.page.keyboard.press("Space")
    expect(screen.rows).to_have_count(1)
    tab_to(screen, screen.rows.get_by_role("button"))
    screen.page.keyboard.press("Enter")
    expect(screen.panel.get_by_role("heading", name="One")).to_be_visible()
    expect(screen.panel.get_by_role("button", name="Back to all notifications")).to_be_focused()
    tab_to(screen, screen.panel.get_by_role("button", name="Close notifications"))
    screen.page.keyboard.press("Enter")
    expect(screen.panel).to_have_count(0)
    expect(screen.bell).to_be_focused()


def test_the_arrows_reach_rows_out_of_sight(athena: Athena, screen: Screen) -> None:
    many_finished(athena, 60)
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(50)
    tab_to(screen, screen.rows.first.get_by_role("button"))
    for at in range(1, 30):
        screen.page.keyboard.press("ArrowDown")
        expect(screen.rows.nth(at).get_by_role("button")).to_be_focused()
    expect(screen.rows.nth(29)).to_be_in_viewport()


def test_toasts_are_in_the_reach_of_the_keyboard(athena: Athena, screen: Screen) -> None:
    screen.visit(athena.url)
    finished(athena, "Broken one", "error")
    finished(athena, "Broken two", "error")
    expect(screen.toasts).to_have_count(2)
    tab_to(screen, screen.toast("Broken two").get_by_role("button", name="Close"))
    screen.page.keyboard.press("Enter")
    expect(screen.toasts).to_have_count(1)
    expect(screen.toast("Broken one").get_by_role("button", name="Close")).to_be_focused()
    tab_to(screen, screen.toast("Broken one").get_by_role("button", name="Show details"), "Shift+Tab")
    tab_to(screen, screen.toast("Broken one").get_by_role("button", name="Close"))
    screen.page.keyboard.press("Enter")
    expect(screen.toasts).to_have_count(0)
    expect(screen.bell).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(athena: Athena, new_screen: NewScreen, scheme: Literal["light", "dark"], width: int) -> None:
    # Only axe itself needs the policy disabled.
    screen = new_screen(
        bypass_csp=True, color_scheme=scheme, reduced_motion="reduce", viewport={"width": width, "height": 900}
    )
    screen.visit(athena.url)
    assert violations(screen) == []
    four_kinds(athena)
    expect(screen.toasts).to_have_count(4 if width > 1_000 else 2)
    assert violations(screen) == []
    while screen.toasts.count() > 0:
        screen.toasts.first.get_by_role("button", name="Close").click()

    screen.open_panel()
    expect(screen.rows).to_have_count(4)
    assert violations(screen) == []
    screen.panel.get_by_role("button", name="Filters").click()
    screen.panel.get_by_role("button", name="Failed", exact=True).click()
    expect(screen.rows).to_have_count(1)
    screen.rows.first.get_by_role("checkbox").check()
    assert violations(screen) == []
    screen.open_row("Renew the certificate")
    expect(screen.panel.get_by_role("listitem")).to_have_count(2)
    assert violations(screen) == []


@pytest.mark.parametrize("width", [360, 768, 2560])
def test_every_width_works(athena: Athena, new_screen: NewScreen, width: int) -> None:
    screen = new_screen(viewport={"width": width, "height": 740}, reduced_motion="reduce")
    screen.visit(athena.url)
    four_kinds(athena)
    expect(screen.toasts.first).to_be_visible()
    screen.expect_no_sideways_scroll()
    while screen.toasts.count() > 0:
        screen.toasts.first.get_by_role("button", name="Close").click()
    screen.open_panel()
    expect(screen.rows).to_have_count(4)
    screen.expect_no_sideways_scroll()
    screen.panel.get_by_role("button", name="Filters").click()
    screen.panel.get_by_role("button", name="Failed", exact=True).click()
    expect(screen.rows).to_have_count(1)
    screen.expect_no_sideways_scroll()
    screen.open_row("Renew the certificate")
    expect(screen.panel.get_by_role("listitem")).to_have_count(2)
    screen.expect_no_sideways_scroll()
    screen.panel.get_by_role("button", name="Close notifications").click()
    expect(screen.panel).to_have_count(0)


def test_nothing_breaks_the_strict_policy(athena: Athena, screen: Screen) -> None:
    """A policy violation is an error on the console, and each test here fails on those."""
    answer = screen.page.goto(athena.url)
    assert answer is not None
    policy = answer.header_value("content-security-policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    screen.visit(athena.url)
    four_kinds(athena)
    expect(screen.toasts).to_have_count(4)
    screen.open_panel()
    expect(screen.rows).to_have_count(4)
    screen.panel.get_by_role("button", name="Filters").click()
    screen.row("Renew the certificate").get_by_role("checkbox").check()
    screen.open_row("Deploy the shop")
    expect(screen.panel.get_by_role("listitem")).to_have_count(1)


def test_german_is_spoken(athena: Athena, new_screen: NewScreen) -> None:
    screen = new_screen(locale="de-DE")
    screen.visit(athena.url)
    finished(athena, "Import", "error")
    expect(screen.toast("Import").get_by_role("alert")).to_contain_text("Fehlgeschlagen")
