"""A browser whose tabs can be hidden as a person hides one: by switching to another.

In Playwright's own contexts every tab counts as visible. Here chromium is started normally, and Playwright connects to
it.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

from playwright.sync_api import BrowserContext, Playwright
from tests.e2e.calls import Deadline
from tests.support.server import PATIENCE

ANNOUNCEMENT = "DevTools listening on "


@contextmanager
def hideable_tabs(
    playwright: Playwright, program: str, flags: Sequence[str], profile: Path
) -> Iterator[BrowserContext]:
    """One window; `page.bring_to_front()` hides its other tabs. `profile` is a directory for this browser alone."""
    command = [program, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read_on, args=(process,))
        try:
            endpoint = _endpoint(process)
            reader.start()
            _wait_for_a_tab(endpoint)
            browser = playwright.chromium.connect_over_cdp(endpoint, no_defaults=True)
            yield browser.contexts[0]
            browser.close()
        finally:
            process.terminate()
            process.wait(PATIENCE)
            if reader.ident is not None:
                reader.join()


def _endpoint(process: subprocess.Popen[str]) -> str:
    """The address of its DevTools, which it prints on standard error."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(ANNOUNCEMENT):
            return line.removeprefix(ANNOUNCEMENT).strip()
    raise AssertionError(f"expected a line {ANNOUNCEMENT!r}…, got the end of the browser\n{''.join(said)}")


def _read_on(process: subprocess.Popen[str]) -> None:
    """Later output is discarded; but a full pipe would block the browser."""
    assert process.stderr is not None
    for _ in process.stderr:
        pass


def _wait_for_a_tab(endpoint: str) -> None:
    """A client that connects while the first tab is being created may wait for it forever."""
    listing, deadline = f"http://{urlsplit(endpoint).netloc}/json/list", Deadline()
    while True:
        with urlopen(listing, timeout=PATIENCE) as answer:
            if any(target["type"] == "page" for target in json.load(answer)):
                return
        assert not deadline.passed, "the browser has no tab"
