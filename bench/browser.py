"""A real browser showing Athena's front page, and measurements that the page makes itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

from bench.servers import Server, Unavailable

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PATIENCE_MS = 60_000
TASKS = "disabled-by-default-devtools.timeline"
"""The trace category that contains the tasks of threads."""

OBSERVE = """
window.received = new Map();
window.live = false;
addEventListener('athena-state', ({ detail }) => (window.live = detail.state === 'live'));
const Native = WebSocket;
window.WebSocket = class extends Native {
  constructor(...given) {
    super(...given);
    // Before Apollo's own listener: the moment in which the page gets the message.
    this.addEventListener('message', event => {
      const { id } = JSON.parse(event.data);
      if (id !== undefined) window.received.set(id, event.timeStamp);
    });
  }
};
// When the frame with this element in it was given away for painting, by the clock of events; `find` looks for it.
window.painted = find => new Promise(resolve => {
  const look = () => {
    if (find()?.offsetHeight > 0) setTimeout(() => resolve(performance.now()));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
window.part = (name, rest) => document.querySelector('athena-notifications').shadowRoot
  .querySelector(name)?.shadowRoot?.querySelector(rest);
"""
"""Injected into the page before anything else runs."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless. Raises `Unavailable` if it is not installed."""
    if not Path(CHROMIUM).exists():
        raise Unavailable("chromium is not installed (make chromium)")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        except Error as error:
            raise Unavailable(f"chromium: {error.message.splitlines()[0]}") from error
        yield browser
        browser.close()


@contextmanager
def front_page(browser: Browser, server: Server) -> Iterator[Page]:
    """Athena's own page, live, in a separate browser context."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.add_init_script(OBSERVE)
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.wait_for_function("live")
        yield page


def open_panel(page: Page) -> None:
    page.locator("athena-notifications .bell").click()
    page.wait_for_function("part('apollo-panel', '.end, .scroll *') !== undefined")


def heap_bytes(page: Page) -> int:
    """The size of the page's JavaScript heap after a garbage collection."""
    session = page.context.new_cdp_session(page)
    try:
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        told: dict[str, Any] = session.send("Performance.getMetrics")
    finally:
        session.detach()
    return int(next(metric["value"] for metric in told["metrics"] if metric["name"] == "JSHeapUsedSize"))


def renderer_bytes(browser: Browser) -> int:
    """Private memory of the page's renderer process: the largest one, since a browser keeps a spare renderer."""
    session = browser.new_browser_cdp_session()
    try:
        told: dict[str, Any] = session.send("SystemInfo.getProcessInfo")
    finally:
        session.detach()
    renderers = [Server(process["id"], 0) for process in told["processInfo"] if process["type"] == "renderer"]
    return max(renderer.private_bytes() for renderer in renderers)


def longest_task_ms(trace: bytes) -> float:
    """The longest task of a page's main thread in a trace with the category `TASKS`."""
    events = json.loads(trace)["traceEvents"]
    main = {(one["pid"], one["tid"]) for one in events if one.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [
        one["dur"] / 1000
        for one in events
        if one["name"] == "RunTask" and (one["pid"], one["tid"]) in main and "dur" in one
    ]
    if not tasks:
        raise Unavailable("the trace has no tasks of a main thread")
    return float(max(tasks))
