#!/usr/bin/env python3
"""Makes the pictures of toasts and panel, light and dark, in docs/images from the running product.

    .venv/bin/python scripts/screenshots.py

Needs chromium, and Apollo built (`make apollo`).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, expect, sync_playwright  # noqa: E402
from tests.apollo.conftest import CHROMIUM, FLAGS  # noqa: E402
from tests.apollo.producer import finished  # noqa: E402
from tests.apollo.screen import Screen  # noqa: E402
from tests.e2e.calls import edit, open_tx  # noqa: E402
from tests.support.server import Athena  # noqa: E402

IMAGES = ROOT / "docs/images"
MOST_BYTES = 200_000
VIEWPORT = ViewportSize(width=1100, height=720)
TOASTS = FloatRect(x=712, y=0, width=388, height=564)
PANEL = FloatRect(x=612, y=0, width=488, height=720)


def report_the_past(athena: Athena) -> None:
    """What the panel lists beneath the running ones."""
    finished(
        athena, "Nightly backup of the orders database", message="41 GB in 3 files", by="scheduler", component_id="db-1"
    )
    finished(athena, "Import of the price list", message="12,408 rows", by="ann.lee@example.com", component_id="shop")
    finished(
        athena,
        "Resize volume data-07",
        "error",
        "the volume is attached to two hosts",
        by="joan@example.com",
        component_id="storage",
    )
    finished(athena, "Rotate the signing keys", message="3 keys renewed", by="scheduler")


def report_the_present(athena: Athena) -> None:
    """One toast of each kind."""
    finished(
        athena,
        "Renew certificate for api.example.com",
        "error",
        "DNS challenge failed: no TXT record found",
        by="scheduler",
    )
    undoing = open_tx(
        athena, description="Upgrade PostgreSQL on db-2", by="max.roth@example.com", on_step=4, total_steps=6
    )
    edit(athena, undoing, "undoing", athena_msg="Restoring the snapshot", on_step=3)
    finished(athena, "Create environment staging-4", message="ready at staging-4.example.com", by="ann.lee@example.com")
    deploy = open_tx(
        athena, description="Deploy shop 4.12.0", by="jane.roe@example.com", component_id="shop", total_steps=9
    )
    edit(athena, deploy, athena_msg="Rolling out to eu-central", on_step=5, total_steps=9)


def shoot(page: Page, name: str, clip: FloatRect) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, clip=clip, animations="disabled")
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")
    if size >= MOST_BYTES:
        raise SystemExit(f"{path}: expected less than {MOST_BYTES:,} bytes, got {size:,}")


def shoot_all(browser: Browser, scheme: Literal["light", "dark"]) -> None:
    with tempfile.TemporaryDirectory() as folder, Athena(Path(folder) / "data") as athena:
        report_the_past(athena)
        context = browser.new_context(viewport=VIEWPORT, color_scheme=scheme, reduced_motion="reduce", locale="en-GB")
        screen = Screen(context.new_page())
        screen.visit(athena.url)
        report_the_present(athena)
        expect(screen.toasts).to_have_count(4)
        shoot(screen.page, f"toasts-{scheme}", TOASTS)
        while screen.toasts.count() > 0:
            screen.toasts.first.get_by_role("button", name="Close").click()
        screen.open_panel()
        expect(screen.rows).to_have_count(8)
        screen.page.mouse.move(5, 700)
        shoot(screen.page, f"panel-{scheme}", PANEL)
        context.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        shoot_all(browser, "light")
        shoot_all(browser, "dark")
        browser.close()


if __name__ == "__main__":
    main()
