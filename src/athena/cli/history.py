"""`athena history`: the history as a table or as JSON lines, or one transaction with all its changes."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from athena.cli.credentials import find_key
from athena.cli.text import STATUS_STYLES, duration, harmless, local_time, steps, whole_number
from athena.cli.watch import Row, elapsed
from athena.client import Client
from athena.client.http import Parameter

WIDE = 130
"""Columns that a terminal needs to show all of a row on one line."""

UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}


AGO = re.compile(r"(\d{1,9})\s?([smhdw])")
"""A time ago, or a duration."""


def moment(text: str, now: int) -> int:
    """Parse `2026-01-31`, `2026-01-31 14:00`, `2026-01-31T14:00:00Z` (local time if it has no zone), or a time ago such
    as `90m`, `2h`, `7d`, to Unix ms. `now` is in Unix ms. Raises `ValueError` whose text says what is expected.
    """
    if found := AGO.fullmatch(text.strip()):
        return max(0, now - int(found[1]) * UNITS_MS[found[2]])
    try:
        return max(0, int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"expected 2026-01-31, 2026-01-31T14:00 or a time ago such as 2h or 7d, got {text!r}"
        ) from None


def history(url: str, limit: int, as_json: bool, filters: dict[str, Parameter]) -> None:
    """Print at most `limit` rows of the history, in the API's order. Raises `ClientError`."""
    with Client(url, key=find_key(url)) as client:
        rows = client.history(limit, **filters)
        if as_json:
            for row in rows:
                print_json(row)
        else:
            table = _table(rows, sys.stdout.isatty() and Console().width < WIDE)
            print_table(table if table.row_count else Text("no notifications", "dim"))


def transaction(url: str, tx_id: str, as_json: bool) -> None:
    """Print one transaction and its changes. Raises `ClientError`."""
    with Client(url, key=find_key(url)) as client:
        found = client.transaction(tx_id)
    if as_json:
        print_json(found)
        return
    print_table(_summary(found))
    print()
    print_table(_changes(found))


def print_json(row: Row) -> None:
    """Print one line of JSON in ASCII, which is safe in any terminal and locale."""
    print(json.dumps(row))


def print_table(table: Table | Text) -> None:
    """Fit the table to the terminal; if there is none, cut, wrap and pad nothing."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(highlight=False, width=100_000)
    with wide.capture() as captured:
        wide.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _table(rows: Iterable[Row], narrow: bool) -> Table:
    """`narrow` puts the id and `by` below the message, so that the table fits an ordinary terminal."""
    columns = ("STATUS", "WHEN", "TOOK", "STEP", "MESSAGE", "BY", "ID")
    table = _columns(*(columns[:5] if narrow else columns))
    now = int(time.time() * 1000)
    for row in rows:
        until = whole_number(row.get("ts_completed")) or (now if row.get("ts_started") else None)
        message, by, key = (harmless(row.get(name, "")) for name in ("message", "by", "id"))
        told = (
            [Text.assemble(message, "\n", (key if by == "-" else f"{key} · {by}", "dim"))]
            if narrow
            else [Text(message), Text(by), Text(key)]
        )
        table.add_row(
            _status(row),
            local_time(whole_number(row.get("ts_display"))),
            duration(elapsed(row, until)),
            steps(row),
            *told,
        )
    return table


def _summary(found: dict[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    started, completed = whole_number(found.get("ts_started")), whole_number(found.get("ts_completed"))
    until = completed or int(time.time() * 1000)
    table.add_row("description", Text(harmless(found.get("description", ""))))
    table.add_row("status", _status(found))
    if position := steps(found):
        table.add_row("step", position)
    table.add_row("by", Text(harmless(found.get("by", "-"))))
    table.add_row("started", local_time(started))
    if completed is not None:
        table.add_row("completed", local_time(completed))
    table.add_row("took" if completed is not None else "so far", duration(elapsed(found, until)))
    table.add_row("id", Text(harmless(found.get("tx_id", ""))))
    return table


def _changes(found: dict[str, Any]) -> Table:
    table = _columns("WHEN", "AFTER", "STATUS", "STEP", "MESSAGE")
    changes = found.get("changes")
    for change in changes if isinstance(changes, list) else []:
        if isinstance(change, dict):
            at = whole_number(change.get("ts"))
            table.add_row(
                local_time(at),
                duration(elapsed(found, at)),
                _status(change),
                steps(change),
                Text(harmless(change.get("message", ""))),
            )
    return table


def _columns(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if sys.stdout.isatty() else "")
    for header in headers:
        short = header not in ("MESSAGE", "BY", "ID")
        justify: Literal["left", "right"] = "right" if header in ("TOOK", "AFTER", "STEP") else "left"
        table.add_column(header, justify=justify, no_wrap=short, overflow="fold")
    return table


def _status(row: Row) -> Text:
    return Text(harmless(row.get("status", "")), STATUS_STYLES.get(str(row.get("status")), ""))
