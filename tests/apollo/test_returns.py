"""Temporary faults: the page recovers by itself, misses nothing and shows no unnecessary messages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, WebSocket, expect
from tests.apollo.conftest import CHROMIUM, FLAGS, Problems
from tests.apollo.producer import finished
from tests.apollo.proxy import Proxy
from tests.apollo.screen import PATIENCE_MS, Screen
from tests.apollo.tabs import hideable_tabs
from tests.e2e.calls import ARCHIVE, PURGE, edit, history, ok, open_tx
from tests.support.server import PATIENCE, Athena

TO_BE_BACK_MS = 3 * PATIENCE_MS
"""The longest pause between two attempts is 30 s."""

LIVE = re.compile(r"^live ")

RECORD = """
window.states = [];
window.changes = [];
addEventListener('athena-state', ({ detail }) => window.states.push(detail.state));
addEventListener('athena-change', ({ detail }) => window.changes.push([detail.id, detail.status]));
"""
"""The events that the element sent to the page, in order."""


def record(screen: Screen) -> None:
    screen.page.add_init_script(RECORD)


def changes(screen: Screen) -> list[list[str]]:
    """[id, status] of each change that the element reported, in order."""
    told: Any = screen.page.evaluate("changes")
    assert isinstance(told, list)
    return told


def states(screen: Screen) -> set[str]:
    return set(screen.page.evaluate("states"))


@pytest.mark.parametrize(("buffered", "transport"), [(False, "sse"), (True, "longpoll")])
def test_back_on_websocket_when_the_proxy_lets_it_through(
    athena: Athena, proxy: Proxy, screen: Screen, problems: Problems, buffered: bool, transport: str
) -> None:
    problems.allow_lost_connections()
    proxy.refuse_upgrade = True
    proxy.buffer_sse = buffered
    record(screen)
    screen.page.clock.install()
    screen.visit(proxy.url, transport)
    open_tx(athena, "before", description="Before the way back")
    expect(screen.toast("Before the way back")).to_be_visible()

    proxy.refuse_upgrade = False
    screen.page.clock.fast_forward(31_000)
    edit(athena, "before", "success", athena_msg="on the way")
    screen.expect_state("live websocket")
    finished(athena, "After the way back")
    expect(screen.toast("After the way back")).to_be_visible()
    told = [status for tx, status in changes(screen) if tx == "before"]
    assert told == ["pending", "success"], "each change once, none twice"
    assert "reconnecting" not in states(screen)


def test_a_minute_without_network_is_made_up_for(
    athena: Athena, proxy: Proxy, screen: Screen, problems: Problems
) -> None:
    problems.allow_lost_connections()
    record(screen)
    screen.page.clock.install()
    running = open_tx(athena, description="Began before")
    screen.visit(proxy.url)
    screen.open_panel()
    proxy.down = True
    expect(screen.panel.get_by_text("Reconnecting", exact=True)).to_be_visible()
    expected = []
    for number in range(6):
        screen.page.clock.fast_forward(10_000)
        expected.append(finished(athena, f"Missed {number}", "error" if number % 2 else "success"))
    edit(athena, running, "success", athena_msg="ended meanwhile")
    proxy.down = False
    screen.page.clock.fast_forward(31_000)
    expect(screen.page.locator("html")).to_have_attribute("data-athena", LIVE, timeout=TO_BE_BACK_MS)

    expect(screen.page.get_by_text("While you were away: 4 finished, 3 failed")).to_have_count(1)
    for number in range(6):
        expect(screen.row(f"Missed {number}")).to_have_count(1)
    expect(screen.row("Began before")).to_contain_text("ended meanwhile")
    ended = [tx for tx, status in changes(screen) if status in ("success", "error")]
    assert ended == [*expected, running], "the end of each once, in order of change"


def test_idle_cuts_with_default_pings_go_unnoticed(
    athena: Athena, proxy: Proxy, screen: Screen, problems: Problems
) -> None:
    """Athena's pings come every 25 s, too late for this proxy: Apollo must notice and send its own earlier."""
    problems.allow_lost_connections()
    proxy.idle_limit = 10.0
    sockets: list[WebSocket] = []
    screen.page.on("websocket", lambda socket: sockets.append(socket))
    record(screen)
    screen.visit(proxy.url)
    expected = []
    for cut in range(2):
        proxy.wait_for_idle_cut(PATIENCE)
        expected.append(finished(athena, f"After cut {cut}"))
        expect(screen.toast(f"After cut {cut}")).to_be_visible()
    # Two pings on one connection mean that it lived for more than ten seconds.
    for _ in range(2):
        sockets[-1].wait_for_event("framesent", lambda payload: "ping" in str(payload))
    assert not sockets[-1].is_closed()
    assert len(sockets) == 3
    assert [tx for tx, status in changes(screen) if status == "success"] == expected
    assert states(screen) == {"live"}


def test_a_success_waits_for_a_hidden_tab(athena: Athena, playwright: Playwright, tmp_path: Path) -> None:
    with hideable_tabs(playwright, CHROMIUM, FLAGS, tmp_path / "profile") as context:
        context.set_default_timeout(PATIENCE_MS)
        screen, other = Screen(context.new_page()), context.new_page()
        visible = "document.visibilityState === 'visible'"
        screen.page.clock.install()
        screen.page.bring_to_front()
        screen.visit(athena.url)
        other.bring_to_front()
        screen.page.wait_for_function(f"!({visible})", polling=100)
        finished(athena, "While nobody looked")
        toast = screen.toast("While nobody looked")
        expect(toast).to_have_count(1)
        # From here on, the page's clock advances only on request.
        screen.page.clock.pause_at(screen.page.evaluate("Date.now()") / 1000 + 60)
        screen.page.clock.run_for(30_000)
        expect(toast).to_have_count(1)

        screen.page.bring_to_front()
        screen.page.wait_for_function(visible)
        screen.page.clock.run_for(9_000)
        expect(toast).to_be_visible()
        screen.page.clock.run_for(2_000)
        expect(toast).to_have_count(0)


@pytest.mark.parametrize("trouble", ["503", "no answer"])
def test_rows_come_back_when_archiving_fails(
    athena: Athena, proxy: Proxy, screen: Screen, problems: Problems, trouble: str
) -> None:
    problems.allow_lost_connections()
    problems.allow("the server responded with a status of 503")
    for name in ("Alpha", "Beta", "Gamma"):
        finished(athena, name)
    screen.page.clock.install()
    screen.visit(proxy.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(3)
    order = screen.row_ids()
    for name in ("Alpha", "Gamma"):
        screen.row(name).get_by_role("checkbox").check()
    screen.panel.get_by_role("button", name="Archive").click()
    expect(screen.rows).to_have_count(1)
    if trouble == "503":
        proxy.unavailable = b"POST "
    else:
        proxy.down = True
    screen.page.clock.fast_forward(6_000)
    expect(screen.panel.get_by_text("Archiving failed; nothing was changed.")).to_be_visible()
    expect(screen.rows).to_have_count(3)
    assert screen.row_ids() == order
    assert len(history(athena)) == 3

    proxy.unavailable, proxy.down = None, False
    screen.panel.get_by_role("button", name="Close", exact=True).click()
    screen.row("Beta").get_by_role("checkbox").check()
    screen.panel.get_by_role("button", name="Archive").click()
    expect(screen.rows).to_have_count(2)
    with screen.page.expect_response(f"**{ARCHIVE}") as answered:
        screen.panel.get_by_role("button", name="Close notifications").click()
    assert answered.value.ok
    assert {row["message"] for row in history(athena)} == {"Alpha: done", "Gamma: done"}


def test_a_purge_empties_the_open_panel(athena: Athena, screen: Screen) -> None:
    finished(athena, "Long gone")
    open_tx(athena, description="Was running")
    screen.visit(athena.url)
    screen.open_panel()
    expect(screen.rows).to_have_count(2)
    expect(screen.page.get_by_role("button", name="Open notifications, 1 running")).to_be_visible()
    finished(athena, "A toast")
    expect(screen.toast("A toast")).to_be_visible()

    ok(athena, "DELETE", PURGE)
    expect(screen.panel.get_by_text("Nothing has happened yet")).to_be_visible()
    expect(screen.toasts).to_have_count(0)
    expect(screen.page.get_by_role("button", name="Open notifications", exact=True)).to_be_visible()
    finished(athena, "The first of the new ones")
    expect(screen.row("The first of the new ones")).to_be_visible()


def test_a_purge_says_so_in_open_details(athena: Athena, screen: Screen, problems: Problems) -> None:
    problems.allow("the server responded with a status of 404")
    tx = finished(athena, "Long gone")
    screen.visit(f"{athena.url}/#tx={tx}")
    expect(screen.panel.get_by_role("heading", name="Long gone")).to_be_visible()
    ok(athena, "DELETE", PURGE)
    expect(screen.panel.get_by_text("There is no such transaction")).to_be_visible()
    expect(screen.panel.get_by_role("heading", name="Long gone")).to_have_count(0)
    screen.panel.get_by_role("button", name="Back to all notifications").click()
    expect(screen.panel.get_by_text("Nothing has happened yet")).to_be_visible()


def test_another_history_after_a_restart(athena: Athena, screen: Screen, problems: Problems) -> None:
    """The data directory is a different one: the page's cursor is unknown to it."""
    problems.allow_lost_connections()
    record(screen)
    screen.page.add_init_script("window.resets = 0; addEventListener('athena-reset', () => window.resets++)")
    finished(athena, "Of the old history")
    screen.visit(athena.url)
    open_tx(athena, description="Running in the old one")
    expect(screen.toast("Running in the old one")).to_be_visible()
    screen.open_panel()
    expect(screen.rows).to_have_count(2)

    athena.stop()
    shutil.rmtree(athena.data)
    athena.start()
    ids = [finished(athena, f"Of the new history {number}") for number in range(5)]
    expect(screen.rows).to_have_count(5, timeout=TO_BE_BACK_MS)
    assert sorted(screen.row_ids()) == sorted(ids)
    expect(screen.row("old")).to_have_count(0)
    expect(screen.toast("Running in the old one")).to_have_count(0)
    assert screen.page.evaluate("resets") == 1
    screen.expect_state("live websocket", TO_BE_BACK_MS)
    finished(athena, "After all that")
    expect(screen.toast("After all that")).to_be_visible()
