"""A browser for the tests of Apollo: Debian's chromium, one per module, with a new context for each test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Playwright, expect, sync_playwright
from tests.apollo.proxy import Proxy
from tests.apollo.screen import PATIENCE_MS, Screen
from tests.support.server import Athena

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=PATIENCE_MS)


class Problems:
    """Console errors and uncaught exceptions. A test that provokes some declares them with `allow`."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        self._allowed.append(re.compile(pattern))

    def allow_lost_connections(self) -> None:
        """The browser's own messages when it cannot reach a server."""
        self.allow(r"WebSocket connection to .* failed|Failed to load resource: net::ERR_")

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", self._thrown)

    @property
    def unexpected(self) -> list[str]:
        return [text for text in self._found if not any(pattern.search(text) for pattern in self._allowed)]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._found.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _thrown(self, error: Error) -> None:
        self._found.append(f"not caught: {error}")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def problems() -> Problems:
    return Problems()


NewScreen = Callable[..., Screen]
"""The fixture `new_screen`: options of a browser context -> a tab in it."""


@pytest.fixture
def new_screen(browser: Browser, problems: Problems) -> Iterator[NewScreen]:
    """Opens tabs, each in a context of its own. Fails afterwards when one of them had an error on its console."""
    with ExitStack() as contexts:

        def new(**options: Any) -> Screen:
            options.setdefault("viewport", {"width": 1280, "height": 900})
            options.setdefault("locale", "en-GB")
            context = browser.new_context(timezone_id="Europe/Berlin", **options)
            contexts.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            context.set_default_navigation_timeout(PATIENCE_MS)
            page = context.new_page()
            problems.watch(page)
            return Screen(page)

        yield new
    assert problems.unexpected == []


@pytest.fixture
def screen(new_screen: NewScreen) -> Screen:
    """An empty tab, 1,280 × 900."""
    return new_screen()


@pytest.fixture
def proxy(athena: Athena) -> Iterator[Proxy]:
    """A proxy in front of `athena`, initially without faults."""
    with Proxy(athena.port) as proxy:
        yield proxy
