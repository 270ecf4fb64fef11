"""Apollo in a real browser: how soon something is visible, what it costs the page, and how much there is to load.

Everything is measured in the page, by its own clock: no figure includes the network or the tool that drives the
browser, except where that is intended (the panel's first page includes the request and its response).
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page

from athena.store.seed import seed
from bench import browser as chrome
from bench import servers, traffic
from bench.calls import Http
from bench.context import Context
from bench.report import Figure, Target
from bench.servers import Server, Unavailable

GROUP = "apollo"
ROWS = 1_000_000
CHANGES = 10_000
PART = 250
"""Changes pushed before checking that the page has received them all, so that none is overtaken by the next."""

TOASTS = 20
RATE = 500
"""Changes per second, in bulks of ten."""

MB = 1_000_000
KB = 1_000

PAGE = 50
"""Rows on one of Apollo's pages."""

OPEN = """
async page => {
  const bell = document.querySelector('athena-notifications').shadowRoot.querySelector('.bell');
  performance.clearResourceTimings();
  let begun;
  bell.addEventListener('click', event => (begun = event.timeStamp), { once: true, capture: true });
  setTimeout(() => bell.click());
  const rows = () => {
    const drawn = part('apollo-panel', '.scroll')?.querySelectorAll('apollo-row') ?? [];
    return [...drawn].filter(row => row.shadowRoot?.querySelector('.title'));
  };
  const isFilled = () => {
    const list = rows(), below = part('apollo-panel', '.scroll')?.getBoundingClientRect().bottom;
    return list.length > 0 && list.at(-1).getBoundingClientRect().bottom >= below;
  };
  const frame = () => new Promise(requestAnimationFrame);
  // A frame's callbacks run before its painting, so the next one's are the first that come after it.
  const since = async isThere => {
    do await frame(); while (!isThere());
    await frame();
    return performance.now() - begun;
  };
  const seen = await Promise.all([since(isFilled), since(() => rows().length >= page)]);
  const answer = performance.getEntriesByType('resource').findLast(({ name }) => name.includes('/notifications?'));
  return [...seen, answer.responseEnd - answer.startTime];
}
"""
"""Opens the panel -> ms from the click until the visible part of the list is full of rows and painted, ms until the
whole page is, and ms that the request took."""

TOAST = (
    "id => painted(() => part('apollo-toasts', `apollo-toast[data-id='${id}']`)).then(seen => seen - received.get(id))"
)


def measure(context: Context) -> list[Figure]:
    with chrome.chromium() as browser:
        figures = [_size(context)]
        for one in (_first_page, _toasts, _tasks, _memory):
            figures += one(context, browser)
    return figures


def _size(context: Context) -> Figure:
    with servers.athena(context.fresh("apollo")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/apollo.js", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        size = len(answer.read())
        connection.close()
        if answer.getheader("Content-Encoding") != "gzip":
            raise Unavailable("expected apollo.js, compressed; was Apollo built? (make apollo)")
    return Figure(group=GROUP, name="apollo.js, gzipped", unit="KB", samples=[size / KB], target=Target("≤", 150))


def _first_page(context: Context, browser: Browser) -> list[Figure]:
    """From the click on the bell until the rows are painted, on a long history; twice per round, in a new page."""
    data = context.fresh("apollo")
    rows = ROWS // 100 if context.quick else ROWS
    seed(data, rows, days=30, now=time.time_ns() // 1_000_000, told=lambda _: None)
    first, again = [], []
    with servers.athena(data) as server:
        for _ in range(context.rounds):
            with chrome.front_page(browser, server) as page:
                first.append(_open_panel(page))
                page.keyboard.press("Escape")
                page.wait_for_function("part('apollo-panel', '.close') === undefined")
                again.append(_open_panel(page))
    figures = []
    for times, when in ((first, "first time in a page"), (again, "opened again")):
        seen, whole, answered = (list(one) for one in zip(*times, strict=True))
        name = f"click on the bell → rows in sight painted, {rows:,} rows, {when}"
        figures += [
            Figure(group=GROUP, name=name, unit="ms", samples=seen, target=Target("≤", 300)),
            Figure(group=GROUP, name=f"the same → all {PAGE} rows of the page painted", unit="ms", samples=whole),
            Figure(group=GROUP, name="of which the request until its answer is there", unit="ms", samples=answered),
        ]
    return figures


def _open_panel(page: Page) -> tuple[float, float, float]:
    """ms until the visible rows are painted, until all rows of the page are, and that the request took."""
    seen, whole, answered = page.evaluate(OPEN, PAGE)
    return float(seen), float(whole), float(answered)


def _toasts(context: Context, browser: Browser) -> list[Figure]:
    """From a message's arrival in the page until its toast is painted; per round the median and the worst of a few."""
    middle, worst = [], []
    with servers.athena(context.fresh("apollo")) as server, chrome.front_page(browser, server) as page:
        _one_toast(server, page, "warm-up")
        for turn in range(context.rounds):
            times = [_one_toast(server, page, f"toast-{turn}-{number}") for number in range(TOASTS)]
            middle.append(median(times))
            worst.append(max(times))
    target = Target("≤", 100)
    return [
        Figure(group=GROUP, name="message → toast painted, median", unit="ms", samples=middle, target=target),
        Figure(group=GROUP, name=f"the same, the worst of {TOASTS}", unit="ms", samples=worst),
    ]


def _one_toast(server: Server, page: Page, tx_id: str) -> float:
    _push(server, [_open(tx_id)])
    seen = float(page.evaluate(TOAST, tx_id))
    page.locator("apollo-toasts").get_by_role("button", name="Close").first.click()
    page.wait_for_function("part('apollo-toasts', 'apollo-toast') == null")
    return seen


def _tasks(context: Context, browser: Browser) -> list[Figure]:
    """The longest task of the main thread while 500 changes arrive within a second; toasts and panel are shown."""
    samples = []
    with servers.athena(context.fresh("apollo")) as server:
        ids = traffic.ids(RATE, "task")
        traffic.open_all(server.port, ids)
        with chrome.front_page(browser, server) as page:
            chrome.open_panel(page)
            for turn in range(context.rounds):
                browser.start_tracing(page=page, categories=[chrome.TASKS])
                _second(server, ids, turn)
                _await(page, f"turn-{turn}", server)
                samples.append(chrome.longest_task_ms(browser.stop_tracing()))
    name = f"{RATE} changes in a second, panel open: longest task"
    return [Figure(group=GROUP, name=name, unit="ms", samples=samples)]


def _second(server: Server, ids: list[str], turn: int) -> None:
    """Edit each transaction once, spread over a second."""
    begun = time.monotonic()
    with Http(server.port) as http_client:
        for start in range(0, len(ids), 10):
            http_client.send(traffic.bulk(ids[start : start + 10], turn))
            http_client.answer()
            time.sleep(max(0.0, begun + (start + 10) / RATE - time.monotonic()))


def _memory(context: Context, browser: Browser) -> list[Figure]:
    """The memory after 10,000 changes: 5,000 transactions that begin and end while the page is open."""
    figures = []
    for name, prepare in (("closed", _nothing), ("open", chrome.open_panel)):
        heap, private = [], []
        for _ in range(1 if context.quick else 2):
            before, after = _growth(context, browser, prepare)
            heap.append((after[0] - before[0]) / MB)
            private.append((after[1] - before[1]) / MB)
        target = Target("≤", 50)
        what = f"{CHANGES:,} changes, panel {name}"
        figures += [
            Figure(group=GROUP, name=f"{what}: JavaScript heap grows by", unit="MB", samples=heap, target=target),
            Figure(group=GROUP, name=f"{what}: private memory grows by", unit="MB", samples=private, target=target),
        ]
    return figures


def _growth(
    context: Context, browser: Browser, prepare: Callable[[Page], None]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(heap, private memory of the page's process) before and after, bytes."""
    with servers.athena(context.fresh("apollo")) as server, chrome.front_page(browser, server) as page:
        prepare(page)
        before = chrome.heap_bytes(page), chrome.renderer_bytes(browser)
        ids = traffic.ids(CHANGES // 2, "growth")
        for start in range(0, len(ids), PART // 2):
            part = ids[start : start + PART // 2]
            _push(server, [_open(tx_id) for tx_id in part] + [_end(tx_id) for tx_id in part])
            page.wait_for_function("id => received.has(id)", arg=part[-1])
        _await(page, "the-end", server)
        return before, (chrome.heap_bytes(page), chrome.renderer_bytes(browser))


def _nothing(page: Page) -> None:
    """The panel stays closed."""


def _await(page: Page, marker: str, server: Server) -> None:
    """Return when everything pushed so far has arrived, and two more frames have been rendered."""
    _push(server, [_open(marker)])
    page.wait_for_function("id => received.has(id)", arg=marker)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _push(server: Server, items: list[dict[str, Any]]) -> None:
    with Http(server.port) as client:
        lines = b"\n".join(json.dumps(item).encode() for item in items)
        client.call("POST", f"{traffic.API}/webhooks/txs/bulk", lines, traffic.NDJSON)


def _open(tx_id: str) -> dict[str, Any]:
    return {"op": "open", "tx_id": tx_id, "description": f"Deploy web to production, {tx_id}", "by": "nadia"}


def _end(tx_id: str) -> dict[str, Any]:
    return {"op": "edit", "tx_id": tx_id, "status": "success", "athena_msg": "all pods are up"}
