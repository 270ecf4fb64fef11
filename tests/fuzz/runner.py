"""Runs a target on many inputs, each with its own seed, so that the seed of a failing one repeats it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import frames, inside, outside
from tests.support.server import Athena

MAX_FAILURES = 5
"""After this many failures a target is abandoned: they are likely to have the same cause."""


class Target(NamedTuple):
    """`share` is its fraction of all inputs."""

    name: str
    share: float
    make: Callable[[Random], Any]
    check: Callable[[Any], None]


class Outcome(NamedTuple):
    """`failures` are (seed, what went wrong)."""

    inputs: int
    seconds: float
    failures: list[tuple[int, str]]


@contextmanager
def targets(directory: Path) -> Iterator[list[Target]]:
    """All of them, with a server of their own whose data is in `directory`. Leaving it reads the server's log."""
    with ExitStack() as opened:
        endpoint = opened.enter_context(closing(inside.Endpoint()))
        athena = opened.enter_context(Athena(directory / "athena-data", "--handshake-timeout", "5"))
        server = opened.enter_context(closing(outside.Outside(athena)))
        yield [
            Target("JSON bodies", 0.30, inside.json_input, inside.check_json),
            Target("cursors and ids", 0.20, inside.cursor_input, inside.check_cursor),
            Target("places (next)", 0.10, inside.page_input, inside.check_page),
            Target("WebSocket frames", 0.25, frames.conversation, endpoint.check),
            Target("server: handshakes", 0.03, outside.handshake_input, server.handshake),
            Target("server: bodies", 0.05, outside.body_input, server.body),
            Target("server: bulks", 0.02, outside.bulk_input, server.bulk),
            Target("server: parameters", 0.02, outside.query_input, server.query),
            Target("server: positions", 0.03, outside.position_input, server.position),
        ]


def run(target: Target, inputs: int, seed: int) -> Outcome:
    """`inputs` inputs; the first is made from `seed`, the next from `seed` + 1."""
    start = time.monotonic()
    failures: list[tuple[int, str]] = []
    done = 0
    while done < inputs and len(failures) < MAX_FAILURES:
        value = target.make(Random(seed + done))
        try:
            target.check(value)
        except Exception as error:
            failures.append((seed + done, f"{type(error).__name__}: {str(error)[:300]} with {str(value)[:300]}"))
        done += 1
    return Outcome(done, time.monotonic() - start, failures)
