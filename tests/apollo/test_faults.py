"""Servers that die and faulty proxies: the page shows its state, recovers, and misses nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.apollo.conftest import Problems
from tests.apollo.producer import finished
from tests.apollo.proxy import Proxy
from tests.apollo.screen import PATIENCE_MS, Screen
from tests.e2e.calls import edit, open_tx
from tests.support.server import PATIENCE, Athena

TO_BE_BACK_MS = 3 * PATIENCE_MS
"""The longest pause between two attempts is 30 s."""


def test_after_kill_9_and_restart_one_summary_says_what_was_missed(
    athena: Athena, proxy: Proxy, screen: Screen, problems: Problems
) -> None:
    problems.allow_lost_connections()
    before = open_tx(athena, description="Began before")
    screen.visit(proxy.url)
    screen.open_panel()
    expect(screen.row("Began before")).to_be_visible()

    athena.kill()
    proxy.down = True  # so that the page reconnects only after everything has happened
    expect(screen.panel.get_by_text("Reconnecting", exact=True)).to_be_visible()
    expect(screen.panel.get_by_role("button", name="Try now")).to_be_visible()

    athena.start()
    edit(athena, before, "success", athena_msg="ended meanwhile")
    for number in range(5):
        finished(athena, f"Missed {number}")
    finished(athena, "Missed failure", "error")
    for number in range(2):
        open_tx(athena, description=f"Still running {number}")

    proxy.down = False
    screen.expect_state("live websocket", TO_BE_BACK_MS)
    expect(screen.panel.get_by_text("Live", exact=True)).to_be_visible()
    expect(screen.page.get_by_text("While you were away: 6 finished, 1 failed, 2 running")).to_have_count(1)
    expect(screen.toasts).to_have_count(0)

    expect(screen.row("Began before")).to_contain_text("ended meanwhile")
    expect(screen.rows).to_have_count(9)
    for missed in ("Missed 0", "Missed 4", "Missed failure", "Still running 0", "Still running 1"):
        expect(screen.row(missed)).to_have_count(1)

    finished(athena, "After all that")
    expect(screen.toast("After all that")).to_be_visible()


def test_few_missed_changes_are_toasts(athena: Athena, proxy: Proxy, screen: Screen, problems: Problems) -> None:
    problems.allow_lost_connections()
    screen.visit(proxy.url)
    proxy.down = True
    expect(screen.bell).to_have_attribute("title", "Reconnecting")
    open_tx(athena, description="Missed one")
    open_tx(athena, description="Missed two")
    proxy.down = False
    screen.expect_state("live websocket", TO_BE_BACK_MS)
    expect(screen.toast("Missed one")).to_be_visible()
    expect(screen.toast("Missed two")).to_be_visible()
    expect(screen.summary).to_have_count(0)


def test_back_at_once_when_the_network_is(athena: Athena, screen: Screen, problems: Problems) -> None:
    problems.allow_lost_connections()
    screen.visit(athena.url)
    athena.kill()
    screen.page.context.set_offline(True)
    screen.open_panel()
    expect(screen.panel.get_by_text("Offline", exact=True)).to_be_visible()
    athena.start()
    finished(athena, "Missed")
    screen.page.context.set_offline(False)
    screen.expect_state("live websocket", TO_BE_BACK_MS)
    expect(screen.row("Missed")).to_have_count(1)


@pytest.mark.parametrize(("buffered", "transport"), [(False, "sse"), (True, "longpoll")])
def test_without_upgrades_live_messages_still_arrive(
    athena: Athena, proxy: Proxy, screen: Screen, problems: Problems, buffered: bool, transport: str
) -> None:
    problems.allow_lost_connections()
    proxy.refuse_upgrade = True
    proxy.buffer_sse = buffered
    screen.visit(proxy.url, transport)
    tx = open_tx(athena, description="Deploy the shop", on_step=1, total_steps=3)
    toast = screen.toast("Deploy the shop")
    expect(toast.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "1 of 3")
    edit(athena, tx, athena_msg="halfway", on_step=2)
    expect(toast.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "2 of 3")
    edit(athena, tx, "error", athena_msg="the disk is full")
    expect(toast.get_by_role("alert")).to_contain_text("the disk is full")
    expect(screen.toasts).to_have_count(1)

    said = {"sse": "Live over Server-Sent Events", "longpoll": "Live over long poll"}
    screen.open_panel()
    expect(screen.panel.get_by_title(said[transport])).to_be_visible()


def test_a_proxy_that_cuts_idle_connections(athena: Athena, proxy: Proxy, screen: Screen, problems: Problems) -> None:
    problems.allow_lost_connections()
    proxy.idle_limit = 4.0
    screen.visit(proxy.url)
    proxy.wait_for_idle_cut(PATIENCE)
    finished(athena, "After a cut")
    expect(screen.toast("After a cut")).to_be_visible(timeout=TO_BE_BACK_MS)
    proxy.wait_for_idle_cut(PATIENCE)
    finished(athena, "After another")
    expect(screen.toast("After another")).to_be_visible(timeout=TO_BE_BACK_MS)
    expect(screen.bell).not_to_have_attribute("title", "Reconnecting")
