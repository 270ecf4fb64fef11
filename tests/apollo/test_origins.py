"""Pages on other origins: those that Athena allows get everything, the others nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from tests.apollo.conftest import Problems
from tests.apollo.host import Host, page, script
from tests.apollo.producer import finished
from tests.apollo.proxy import Proxy
from tests.apollo.screen import PATIENCE_MS, Screen
from tests.e2e.calls import StartAthena, edit, open_tx
from tests.support.server import Athena

ELEMENT = "<athena-notifications></athena-notifications>"

HEAR = """
window.heard = [];
for (const type of ['athena-change', 'athena-archived', 'athena-reset', 'athena-state'])
  addEventListener(type, ({ detail }) => heard.push([type, detail.state ?? detail]));
"""

ASK = """
async base => {
  const outcome = {};
  const history = ['notifications', 'notifications/changes?after=', 'notifications/stream'];
  for (const path of [...history, 'webhooks', 'webhooks/txs/secret'])
    outcome[path] = await fetch(`${base}/api/v3/${path}`).then(answer => answer.text(), () => 'refused');
  outcome.socket = await new Promise(resolve => {
    const socket = new WebSocket(`${base.replace('http', 'ws')}/api/v3/notifications/live?after=`);
    socket.onopen = () => resolve('open');
    socket.onclose = () => resolve('refused');
  });
  return outcome;
}
"""
"""Everything a page can try to read, and the result."""

WRITE = """
base => fetch(`${base}/api/v3/webhooks/txs`, { method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: '{"tx_id":"forged","description":"From elsewhere"}' }).then(answer => answer.status, () => 'refused')
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def athena(host: Host, start_athena: StartAthena) -> Athena:
    """A server that allows pages of `host`, among others."""
    return start_athena("--allow-origin", f"{host.url},https://portal.example")


@pytest.mark.parametrize(
    ("upgrades", "buffered", "transport"),
    [(True, False, "websocket"), (False, False, "sse"), (False, True, "longpoll")],
)
def test_an_allowed_origin_works_over_each_transport(
    athena: Athena,
    host: Host,
    proxy: Proxy,
    screen: Screen,
    problems: Problems,
    upgrades: bool,
    buffered: bool,
    transport: str,
) -> None:
    if not upgrades:
        problems.allow_lost_connections()
    proxy.refuse_upgrade, proxy.buffer_sse = not upgrades, buffered
    finished(athena, "Before")
    screen.visit(host.add("/", page(script(proxy.url) + ELEMENT)), transport)
    tx = open_tx(athena, description="Deploy the shop", on_step=1, total_steps=3)
    expect(screen.toast("Deploy the shop").get_by_role("progressbar")).to_have_attribute("aria-valuetext", "1 of 3")
    screen.open_panel()
    expect(screen.rows).to_have_count(2)
    edit(athena, tx, "error", athena_msg="the disk is full")
    expect(screen.toast("Deploy the shop").get_by_role("alert")).to_contain_text("the disk is full")
    screen.open_row("Deploy the shop")
    expect(screen.panel.get_by_role("listitem")).to_have_count(2)
    screen.panel.get_by_role("button", name="Back to all notifications").click()

    # Another method and content type: the browser sends a preflight request.
    screen.row("Before").get_by_role("checkbox").check()
    screen.panel.get_by_role("button", name="Archive").click()
    with screen.page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        screen.panel.get_by_role("button", name="Close notifications").click()
    assert answered.value.ok


def test_an_origin_that_is_not_listed_gets_nothing(athena: Athena, screen: Screen, problems: Problems) -> None:
    problems.allow_lost_connections()
    problems.allow("blocked by CORS policy|status of 403|Unexpected response code: 403")
    finished(athena, "Secret one")
    running = open_tx(athena, "secret", description="Secret two")
    screen.page.add_init_script(HEAR)
    with Host() as stranger:
        screen.page.goto(stranger.add("/", page(script(athena.url) + ELEMENT)))
        screen.bell.click()
        expect(screen.panel).to_be_visible()
        expect(screen.panel.get_by_text("The history cannot be loaded")).to_be_visible()
        expect(screen.panel.get_by_text("Connecting", exact=True)).to_be_visible(timeout=PATIENCE_MS)
        edit(athena, running, athena_msg="still secret")

        outcome = screen.page.evaluate(ASK, athena.url)
        assert set(outcome.values()) == {"refused"}, outcome
        assert screen.page.evaluate(WRITE, athena.url) == "refused"
        heard = screen.page.evaluate("heard")
        assert {name for name, _ in heard} <= {"athena-state"}
        assert "live" not in [state for _, state in heard]
        expect(screen.rows).to_have_count(0)
        expect(screen.toasts).to_have_count(0)
        expect(screen.page.get_by_text(re.compile("secret", re.IGNORECASE))).to_have_count(0)
    assert athena.request("GET", "/api/v3/webhooks/txs/forged")[0] == 404


def test_a_strict_page_that_allows_only_athena(athena: Athena, host: Host, screen: Screen) -> None:
    """The fixtures fail when the browser blocks anything, since it logs that on the console."""
    there = urlsplit(athena.url).netloc
    policy = f"default-src 'none'; script-src http://{there}; connect-src http://{there} ws://{there}; img-src data:"
    html = (
        f'<!doctype html><html lang="en"><head><title>Strict</title>{script(athena.url)}</head><body>{ELEMENT}</body>'
    )
    screen.visit(host.add("/", html + "</html>", policy))
    finished(athena, "Broken one", "error")
    screen.toast("Broken one").get_by_role("button", name="Show details").click()
    expect(screen.panel.get_by_role("heading", name="Broken one")).to_be_visible()
    assert screen.panel.evaluate("element => getComputedStyle(element).position") == "fixed"
