"""Apollo in a third-party page: two lines of HTML, isolated styles, attributes and events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Route, expect
from tests.apollo import styles
from tests.apollo.conftest import NewScreen
from tests.apollo.host import Host, page, script
from tests.apollo.producer import finished
from tests.apollo.screen import Screen
from tests.e2e.calls import ARCHIVE, PURGE, StartAthena, edit, ok, open_tx
from tests.support.server import Athena

ELEMENT = "<athena-notifications></athena-notifications>"

HOSTILE = """
:root, body, .cds--white { --cds-background: #ff0000; --cds-layer: #00ff00; --cds-layer-01: #00ff00;
  --cds-text-primary: #ff00ff; --cds-focus: #00ffff; --cds-link-primary: #ff0000; --apollo-toast: #ff0000; }
body * { all: revert; color: red !important; font-size: 40px !important; line-height: 3 !important;
  letter-spacing: 5px !important; text-transform: uppercase !important; box-sizing: content-box !important; }
body { font: italic bold 30px/2 fantasy; text-align: right; word-spacing: 9px; }
button, input, h2, h3, ul, li, section, svg { display: none !important; }
div, p { transform: rotate(2deg); filter: blur(1px); margin: 40px; background: lime !important; }
"""

CONTENT = """
<h1>Elsewhere</h1><p id="text">Text with <a href="#here">a link</a> and <code>code</code>.</p>
<button type="button">A button</button><input value="an input"><input type="checkbox"><ul><li>one</li></ul>
<table><tr><td>cell</td></tr></table><dialog open><h2>A dialog</h2><section>of the page's</section></dialog>
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def athena(host: Host, start_athena: StartAthena) -> Athena:
    """A server that allows pages of `host`."""
    return start_athena("--allow-origin", host.url)


def told(screen: Screen, name: str) -> list[Any]:
    """Details of the events with that name that reached the document, in order. See `LISTEN`."""
    details: Any = screen.page.evaluate("name => events.filter(([type]) => type === name).map(event => event[1])", name)
    assert isinstance(details, list)
    return details


LISTEN = """
window.events = [];
for (const type of ['athena-change', 'athena-archived', 'athena-reset', 'athena-state', 'athena-toggle'])
  document.addEventListener(type, event => events.push([type, event.detail, event.target.id]));
"""


def four_things(athena: Athena) -> None:
    """A toast of each kind; they are in the history too."""
    finished(athena, "Import the orders", message="1,204 rows", by="ann", component_id="shop")
    finished(athena, "Renew the certificate", "error", "the name does not resolve")
    open_tx(athena, description="Deploy the shop", by="jane.roe@example.com", on_step=2, total_steps=9)


def all_shown(screen: Screen) -> None:
    """Three toasts and the panel, with nothing hovered or focused but its button."""
    expect(screen.toasts).to_have_count(3)
    screen.page.locator("athena-notifications").evaluate("element => element.show()")
    expect(screen.panel).to_be_visible()
    expect(screen.rows).to_have_count(3)
    expect(screen.panel.get_by_role("button", name="Close notifications")).to_be_focused()
    screen.page.mouse.move(2, 2)


def test_bell_toasts_and_panel_work_in_a_hostile_page(athena: Athena, host: Host, screen: Screen) -> None:
    screen.visit(host.add("/", page(f"{script(athena.url)}{ELEMENT}{CONTENT}", HOSTILE)))
    tx = open_tx(athena, description="Deploy the shop", on_step=1, total_steps=3)
    toast = screen.toast("Deploy the shop")
    expect(toast.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "1 of 3")
    edit(athena, tx, "error", athena_msg="the disk is full")
    expect(toast.get_by_role("alert")).to_contain_text("the disk is full")

    screen.bell.click()
    expect(screen.panel).to_be_visible()
    expect(screen.rows).to_have_count(1)
    screen.open_row("Deploy the shop")
    expect(screen.panel.get_by_role("heading", name="Deploy the shop")).to_be_visible()
    expect(screen.page).to_have_url(f"{host.url}/#tx={tx}")
    screen.panel.get_by_role("button", name="Close notifications").click()
    expect(screen.panel).to_have_count(0)
    expect(screen.page).to_have_url(f"{host.url}/")


def test_no_style_of_the_page_leaks_in(athena: Athena, host: Host, new_screen: NewScreen) -> None:
    looks = []
    body = f"{script(athena.url)}{ELEMENT}{CONTENT}"
    for address in (f"{athena.url}/", host.add("/", page(body, HOSTILE))):
        screen = new_screen(reduced_motion="reduce")
        screen.visit(address)
        ok(athena, "DELETE", PURGE)
        expect(screen.toasts).to_have_count(0)
        four_things(athena)
        all_shown(screen)
        looks.append({part: styles.below(screen.page.locator(part)) for part in ("apollo-toasts", "apollo-panel")})
        bell = screen.page.locator("athena-notifications .bell").bounding_box()
        assert bell is not None
        assert (bell["width"], bell["height"]) == (48, 48)
        screen.page.close()
    for part in looks[0]:
        assert len(looks[0][part]) > 20, "so many elements at least are compared"
        assert styles.differences(looks[0][part], looks[1][part]) == []


def test_no_style_of_apollo_leaks_out(athena: Athena, host: Host, new_screen: NewScreen) -> None:
    """The bell is in a container of fixed size, so that its own size changes nothing."""
    place = '<div style="width: 60px; height: 60px; overflow: hidden">{}</div>' + CONTENT
    without = new_screen()
    without.page.goto(host.add("/without", page(place.format(""))))
    screen = new_screen()
    screen.visit(host.add("/with", page(script(athena.url) + place.format(ELEMENT))))
    four_things(athena)
    all_shown(screen)
    before, after = (styles.below(one.page.locator("body")) for one in (without, screen))
    ours = ("athena-notifications", "> script")
    seen = {path: look for path, look in after.items() if not any(name in path for name in ours)}
    # The script before them counts as a sibling.
    assert len(seen) == len(before) > 15
    values = list(seen.values())
    assert [styles.differences({"": a}, {"": b}) for a, b in zip(before.values(), values, strict=True)] == [[]] * len(
        values
    )
    for outermost in ("html", "body"):
        look = "one => JSON.stringify([...getComputedStyle(one)].map(name => [name, getComputedStyle(one)[name]]))"
        assert screen.page.locator(outermost).evaluate(look) == without.page.locator(outermost).evaluate(look)
    added = "document.head.querySelectorAll('style, link').length + document.adoptedStyleSheets.length"
    assert screen.page.evaluate(added) == without.page.evaluate(added)


def test_attributes(athena: Athena, host: Host, new_screen: NewScreen) -> None:
    def visit(attributes: str, where: str = "") -> Screen:
        screen = new_screen(color_scheme="light")
        body = f"{script(athena.url)}<athena-notifications {attributes}></athena-notifications>"
        screen.visit(host.add(f"/{len(attributes)}", page(body)) + where)
        return screen

    finished(athena, "Broken", "error")
    background = "element => getComputedStyle(element).backgroundColor"
    dark = visit('theme="dark" open')
    expect(dark.row("Broken")).to_be_visible()
    assert dark.panel.evaluate(background) == "rgb(22, 22, 22)"
    element = dark.page.locator("athena-notifications")
    element.evaluate("element => element.setAttribute('theme', 'light')")
    assert dark.panel.evaluate(background) == "rgb(255, 255, 255)"
    element.evaluate("element => element.removeAttribute('open')")
    expect(dark.panel).to_have_count(0)

    german = visit('lang="de"')
    expect(german.page.get_by_role("button", name="Benachrichtigungen öffnen")).to_be_visible()

    aloof = visit("no-toasts no-address", "?apollo-status=success#tx=nobody")
    address = aloof.page.url
    expect(aloof.panel).to_have_count(0)
    finished(athena, "Not announced")
    aloof.open_panel()
    expect(aloof.rows).to_have_count(2)
    expect(aloof.toasts).to_have_count(0)
    aloof.open_row("Broken")
    aloof.panel.get_by_role("button", name="Close notifications").click()
    assert aloof.page.url == address


def test_another_language_in_the_middle(athena: Athena, host: Host, screen: Screen) -> None:
    html = page(f'{script(athena.url)}<athena-notifications lang="de" open></athena-notifications>')
    screen.visit(host.add("/", html))
    expect(screen.page.get_by_role("dialog", name="Benachrichtigungen")).to_be_visible()
    screen.page.locator("athena-notifications").evaluate("element => element.setAttribute('lang', 'en')")
    expect(screen.panel).to_be_visible()
    expect(screen.bell).to_be_visible()


def test_events_and_methods(athena: Athena, host: Host, screen: Screen) -> None:
    screen.page.add_init_script(LISTEN)
    screen.visit(host.add("/", page(f"{script(athena.url)}<main><div>{ELEMENT}</div></main>")))
    assert told(screen, "athena-state") == [{"state": "live", "transport": "websocket"}]

    tx = open_tx(athena, description="Deploy the shop", by="ann", on_step=1, total_steps=3)
    edit(athena, tx, "success", athena_msg="done")
    expect(screen.toast("Deploy the shop")).to_contain_text("done")
    changes = told(screen, "athena-change")
    assert [(change["id"], change["status"]) for change in changes] == [(tx, "pending"), (tx, "success")]
    assert changes[0]["message"] == "Deploy the shop"
    assert (changes[0]["on_step"], changes[0]["total_steps"], changes[0]["by"]) == (1, 3, "ann")
    assert isinstance(changes[1]["ts_completed"], int)

    element = screen.page.locator("athena-notifications")
    element.evaluate("(element, tx) => element.show(tx)", tx)
    expect(screen.panel.get_by_role("heading", name="Deploy the shop")).to_be_visible()
    expect(element).to_have_attribute("open", "")
    element.evaluate("element => element.hide()")
    expect(screen.panel).to_have_count(0)
    element.evaluate("element => element.show()")
    expect(screen.row("Deploy the shop")).to_be_visible()
    assert told(screen, "athena-toggle") == [{"open": True}, {"open": False}, {"open": True}]

    ok(athena, "POST", ARCHIVE, {"notification_ids": [tx]})
    expect(screen.rows).to_have_count(0)
    assert told(screen, "athena-archived") == [{"ids": [tx]}]
    ok(athena, "DELETE", PURGE)
    screen.page.wait_for_function("events.some(([type]) => type === 'athena-reset')")
    assert told(screen, "athena-reset") == [{}]


def test_two_of_them_in_one_page(athena: Athena, host: Host, screen: Screen) -> None:
    screen.page.add_init_script(LISTEN)
    two = ELEMENT.replace(">", ' id="a">', 1) + ELEMENT.replace(">", ' id="b" no-toasts>', 1)
    screen.visit(host.add("/", page(script(athena.url) + two)))
    screen.page.wait_for_function("events.filter(([type]) => type === 'athena-state').length === 2")
    finished(athena, "Heard by both")
    expect(screen.toast("Heard by both")).to_have_count(1)
    screen.page.wait_for_function("events.filter(([type]) => type === 'athena-change').length === 4")
    by: Any = screen.page.evaluate("events.filter(([type]) => type === 'athena-change').map(event => event[2])")
    assert sorted(by) == ["a", "a", "b", "b"]

    screen.page.locator("#b").get_by_role("button").click()
    expect(screen.panel).to_have_count(1)
    expect(screen.row("Heard by both")).to_be_visible()
    expect(screen.page.locator("#a")).not_to_have_attribute("open", "")
    screen.panel.get_by_role("button", name="Close notifications").click()
    expect(screen.page.locator("#b").get_by_role("button")).to_be_focused()


def test_taken_out_and_put_back(athena: Athena, host: Host, screen: Screen) -> None:
    sockets = []
    screen.page.on("websocket", lambda socket: sockets.append(socket))
    screen.page.add_init_script(LISTEN)
    screen.visit(host.add("/", page(f"{script(athena.url)}<nav>{ELEMENT}</nav><footer></footer>")))
    finished(athena, "While it is there")
    expect(screen.toast("While it is there")).to_be_visible()
    screen.open_panel()
    expect(screen.row("While it is there")).to_have_count(1)

    screen.page.evaluate("window.kept = document.querySelector('athena-notifications'); kept.remove()")
    expect(screen.toasts).to_have_count(0)
    expect(screen.panel).to_have_count(0)
    if not sockets[0].is_closed():
        sockets[0].wait_for_event("close")
    missed = finished(athena, "While it is gone")
    assert told(screen, "athena-change")[-1]["id"] != missed

    screen.page.evaluate("document.querySelector('footer').append(kept)")
    expect(screen.toast("While it is gone")).to_be_visible()
    expect(screen.row("While it is gone")).to_have_count(1)
    finished(athena, "Live again")
    expect(screen.toast("Live again")).to_be_visible()
    assert len(sockets) == 2


def test_taken_out_before_the_first_page_is_there(athena: Athena, host: Host, screen: Screen) -> None:
    held: list[Route] = []
    history = re.compile(r"/api/v3/notifications\?(?!.*status=)")
    screen.page.route(history, lambda route: held.append(route))
    screen.visit(host.add("/", page(f"{script(athena.url)}<nav>{ELEMENT}</nav><footer></footer>")))
    finished(athena, "In the history")
    expect(screen.toast("In the history")).to_be_visible()
    screen.open_panel()
    expect(screen.panel.get_by_role("status").filter(has_text="Loading")).to_be_visible()
    assert len(held) == 1

    screen.page.evaluate("window.kept = document.querySelector('athena-notifications'); kept.remove()")
    screen.page.unroute(history)
    screen.page.evaluate("document.querySelector('footer').append(kept)")
    expect(screen.row("In the history")).to_have_count(1)
