"""The first minutes in a browser: the printed link, the sign-in page, and signing out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, Playwright, expect
from tests.access.conftest import StartGuarded
from tests.access.guarded import Guarded, ask
from tests.apollo.conftest import (
    CHROMIUM,
    FLAGS,
    NewScreen,
    Problems,
    browser,
    new_screen,
    playwright,
    problems,
    screen,
)
from tests.apollo.screen import Screen
from tests.apollo.test_access import violations
from tests.e2e.calls import TXS

from athena.auth.roles import Role
from athena.auth.secrets import new_key

__all__ = ["browser", "new_screen", "playwright", "problems", "screen"]


@pytest.fixture(autouse=True)
def no_icon(problems: Problems) -> None:
    """The sign-in page names no icon, so the browser requests one."""
    problems.allow(r"404 .*/favicon\.ico")


def link(server: Guarded) -> str:
    return server.printed[1].partition(": ")[2]


def key_field(page: Page) -> Any:
    return page.get_by_label("API key")


def sign_in_by_form(page: Page, key: str) -> None:
    key_field(page).fill(key)
    page.get_by_role("button", name="Sign in").click()


def expect_signed_out(screen: Screen) -> None:
    expect(screen.page.locator("html")).to_have_attribute("data-athena", re.compile("^signed-out"))


def opened(server: Guarded, description: str) -> str:
    tx_id = ask(server, "POST", TXS, {"description": description}, key=server.manager).body["tx_id"]
    assert isinstance(tx_id, str)
    return tx_id


def test_the_link_leads_to_a_page_that_is_live(start_guarded: StartGuarded, screen: Screen, problems: Problems) -> None:
    server = start_guarded()
    screen.visit(link(server))
    expect(screen.page).to_have_url(f"{server.url}/")
    opened(server, "Deploy the shop")
    expect(screen.toast("Deploy the shop")).to_be_visible()

    problems.allow("401")  # the browser's own message about the response
    screen.page.goto("about:blank")
    screen.page.goto(link(server))
    expect(screen.page.get_by_role("alert")).to_contain_text("This link was used or is too old")
    assert "atl_" not in screen.page.url
    assert "atl_" not in str(screen.page.evaluate("JSON.stringify(history.state) + location.href"))


def test_a_link_for_a_tab_that_is_there_to_sign_in(
    start_guarded: StartGuarded, screen: Screen, problems: Problems
) -> None:
    """Pasted into its address bar, the link loads nothing: only the part after the # differs."""
    server = start_guarded()
    screen.page.goto(server.url)
    expect(screen.page).to_have_url(f"{server.url}/sign-in")
    problems.allow("401")
    screen.page.goto(f"{server.url}/sign-in#atl_bad")
    expect(screen.page.get_by_role("alert")).to_contain_text("This link was used or is too old")
    assert "atl_" not in screen.page.url
    screen.page.goto(link(server))
    expect(screen.page).to_have_url(f"{server.url}/")


def test_who_signs_in_gets_to_where_the_link_led(guarded: Guarded, screen: Screen, problems: Problems) -> None:
    problems.allow("401")
    screen.page.goto(f"{guarded.url}/?apollo-status=error&apollo-by=%C5%BC#below")
    sign_in_by_form(screen.page, guarded.keys["viewer"])
    expect(screen.page).to_have_url(f"{guarded.url}/?apollo-status=error&apollo-by=%C5%BC#below")


def test_a_key_by_the_form(guarded: Guarded, screen: Screen, problems: Problems) -> None:
    problems.allow("401")
    screen.page.goto(guarded.url)
    expect(screen.page).to_have_url(f"{guarded.url}/sign-in")
    expect(key_field(screen.page)).to_be_focused()
    sign_in_by_form(screen.page, str(new_key()))
    expect(screen.page.get_by_role("alert")).to_contain_text("That key is not good here")
    expect(key_field(screen.page)).to_be_focused()
    sign_in_by_form(screen.page, f"  {guarded.keys['viewer']} ")
    screen.expect_state("live websocket")
    assert screen.page.evaluate("document.cookie") == ""


def test_to_sign_in_and_back_to_where_one_wanted(guarded: Guarded, screen: Screen) -> None:
    tx_id = opened(guarded, "Deploy the shop")
    screen.page.goto(f"{guarded.url}/#tx={tx_id}")
    expect(screen.page).to_have_url(re.compile(r"/sign-in(\?.*)?#tx="))
    sign_in_by_form(screen.page, guarded.keys["viewer"])
    screen.expect_state("live websocket")
    expect(screen.page).to_have_url(re.compile(f"^{guarded.url}/#tx={tx_id}"))
    expect(screen.panel.get_by_role("heading", name="Deploy the shop")).to_be_visible()


def test_only_who_may_archive_can_select_rows(guarded: Guarded, screen: Screen) -> None:
    opened(guarded, "Deploy the shop")
    expected: dict[Role, int] = {"viewer": 0, "reporter": 0, "manager": 1}
    for role, boxes in expected.items():
        screen.page.context.clear_cookies()
        screen.page.goto(f"{guarded.url}/sign-in")
        sign_in_by_form(screen.page, guarded.keys[role])
        screen.expect_state("live websocket")
        screen.open_panel()
        expect(screen.panel.get_by_role("button", name="Sign out")).to_be_visible()  # then it knows the user
        expect(screen.row("Deploy the shop").first.get_by_role("checkbox")).to_have_count(boxes)


def test_signing_out(start_guarded: StartGuarded, screen: Screen, problems: Problems) -> None:
    """This tab goes to the sign-in page, and another tab says what happened."""
    server = start_guarded()
    problems.allow("401|WebSocket connection")
    screen.visit(link(server))
    other = Screen(screen.page.context.new_page())
    other.visit(server.url)
    other.open_panel()
    screen.open_panel()
    screen.panel.get_by_role("button", name="Sign out").click()
    expect(screen.page).to_have_url(re.compile(r"/sign-in"))
    expect_signed_out(other)
    expect(other.panel.get_by_text("Signed out", exact=True)).to_be_visible()
    other.page.reload()
    expect(other.page).to_have_url(re.compile(r"/sign-in"))


def test_a_key_that_is_revoked_signs_its_tabs_out(
    start_guarded: StartGuarded, screen: Screen, problems: Problems
) -> None:
    server = start_guarded()
    problems.allow("401|WebSocket connection")
    screen.page.goto(server.url)
    sign_in_by_form(screen.page, server.keys["viewer"])
    screen.expect_state("live websocket")
    server.revoke(server.keys["viewer"])
    expect_signed_out(screen)


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        ".//evil.example/",
        "http://[",
    ],
)
def test_no_link_leads_elsewhere_after_signing_in(
    guarded: Guarded, screen: Screen, problems: Problems, wanted: str
) -> None:
    problems.allow("404")  # `//evil.example/` is a path on this server, where nothing exists
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.page.route("**://evil.example/**", lambda route: route.fulfill(body="phishing"))
    screen.page.goto(f"{guarded.url}/sign-in?next={wanted.replace('/', '%2F')}")
    sign_in_by_form(screen.page, guarded.keys["viewer"])
    expect(screen.page).not_to_have_url(re.compile("/sign-in"))
    assert [url for url in asked if not url.startswith(f"{guarded.url}/")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_to_sign_in_with(
    guarded: Guarded, new_screen: NewScreen, problems: Problems, scheme: Literal["light", "dark"]
) -> None:
    problems.allow("401")
    screen = new_screen(bypass_csp=True, color_scheme=scheme)  # only axe itself needs the policy disabled
    screen.page.goto(f"{guarded.url}/sign-in")
    assert violations(screen) == []
    sign_in_by_form(screen.page, str(new_key()))
    expect(screen.page.get_by_role("alert")).to_contain_text("not good here")
    assert violations(screen) == []
    if folder := os.environ.get("ATHENA_SCREENSHOTS"):
        screen.page.screenshot(path=Path(folder) / f"sign-in-{scheme}.png")


def test_by_plain_http_beyond_this_machine(start_guarded: StartGuarded, playwright: Playwright) -> None:
    """As in a company network, with --insecure: by a host name other than this machine's loopback names."""
    server = start_guarded("--host", "0.0.0.0", "--insecure")
    opened(server, "Deploy the shop")
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, args=[*FLAGS, "--host-resolver-rules=MAP athena.test 127.0.0.1"]
    )
    try:
        screen = Screen(browser.new_page())
        screen.page.goto(f"http://athena.test:{server.port}/")
        sign_in_by_form(screen.page, server.keys["viewer"])
        screen.expect_state("live websocket")
        with screen.page.expect_response(re.compile("/notifications[?]")) as answered:
            screen.open_panel()
        assert answered.value.status == 200
    finally:
        browser.close()
