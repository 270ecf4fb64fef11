"""A browser whose tabs can be hidden, as a person hides one: by looking at another.

Playwright's own contexts tell every tab that it is looked at. Here chromium is started as people start it, and
Playwright only joins in.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Playwright
from tests.support.server import PATIENCE

ANNOUNCEMENT = "DevTools listening on "


@contextmanager
def hideable_tabs(
    playwright: Playwright, program: str, flags: Sequence[str], profile: Path
) -> Iterator[BrowserContext]:
    """One window; `page.bring_to_front()` hides its other tabs. `profile` is a directory of its own."""
    command = [program, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        browser = playwright.chromium.connect_over_cdp(_endpoint(process), no_defaults=True)
        yield browser.contexts[0]
        browser.close()
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def _endpoint(process: subprocess.Popen[str]) -> str:
    """Where its tools listen; it says so on its standard error."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(ANNOUNCEMENT):
            return line.removeprefix(ANNOUNCEMENT).strip()
    raise AssertionError(f"expected a line {ANNOUNCEMENT!r}…, got the end of the browser\n{''.join(said)}")
