"""Texts from outside are shown verbatim, and break neither the page nor its layout."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.apollo.conftest import NewScreen, Problems
from tests.e2e.calls import edit, open_tx
from tests.support.server import Athena

MARKUP = "<img src=x onerror=document.title='broken'><script>document.title='broken'</script><b>&amp;"
RIGHT_TO_LEFT = "\u202eexe.gnp\u202c \u200fשלום עולם\u200f \u2067مرحبا\u2069 \u061c end"
LONG = "W" * 1_024
EMOJI = "🚀👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 Z̷͍̈́a̶͇͝l̸̰̊g̵͖̿o̷ 𝕏 𠜎"

TEXTS = {"markup": MARKUP, "right to left": RIGHT_TO_LEFT, "no space": LONG, "emoji": EMOJI}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("width", [360, 1280])
def test_bad_text_is_shown_as_text(athena: Athena, new_screen: NewScreen, name: str, width: int) -> None:
    text = TEXTS[name]
    short = text[:200]
    screen = new_screen(viewport={"width": width, "height": 740}, reduced_motion="reduce")
    page = screen.page
    screen.visit(athena.url)
    running = open_tx(athena, description=short, by=short[:60], component_id=short[:60], on_step=1, total_steps=2)
    edit(athena, running, athena_msg=text)
    failed = open_tx(athena, description=short, by=short[:60])
    edit(athena, failed, "error", athena_msg=text)

    expect(screen.toasts).to_have_count(2)
    alert = screen.toasts.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_have_text(short)
    expect(alert.get_by_role("paragraph")).to_have_text(text)
    screen.expect_no_sideways_scroll()

    # Closed, since on a phone they cover the rows.
    for _ in range(2):
        screen.toasts.first.get_by_role("button", name="Close").click()
    expect(screen.toasts).to_have_count(0)
    screen.open_panel()
    expect(screen.rows).to_have_count(2)
    for row in screen.rows.all():
        expect(row).to_contain_text(short)
        expect(row).to_contain_text(text)
    screen.expect_no_sideways_scroll()

    screen.rows.first.get_by_role("button").first.click()
    expect(screen.panel.get_by_role("listitem").filter(has_text=text)).to_have_count(1)
    screen.expect_no_sideways_scroll()

    assert page.title() == "Athena"
    assert page.locator("img").count() == 0


def test_the_longest_id_is_shown_whole(athena: Athena, new_screen: NewScreen) -> None:
    screen = new_screen(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    tx = open_tx(athena, "W" * 128, description="A long id")
    screen.visit(f"{athena.url}/#tx={tx}")
    expect(screen.panel).to_contain_text("A long id")
    expect(screen.panel).to_contain_text(tx)
    screen.expect_no_sideways_scroll()


@pytest.mark.parametrize("text", [MARKUP, "%", "%zz", "../../../docs", "🚀"])
def test_a_link_to_an_impossible_id_says_so(
    athena: Athena, new_screen: NewScreen, problems: Problems, text: str
) -> None:
    problems.allow("the server responded with a status of 40[04]")
    screen = new_screen(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    screen.visit(f"{athena.url}/#tx={quote(text, safe='')}")
    expect(screen.panel.get_by_role("alert")).to_be_visible()
    screen.expect_no_sideways_scroll()
    assert screen.page.locator("img").count() == 0
    assert screen.page.title() == "Athena"
