"""A promise in this suite: rounds with a fault in each, and a broken Athena that must not pass them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple


class PromiseBroken(AssertionError):
    """What was served is not what was promised. Raised only by the checkers, never by other failures in a test."""


class Round(NamedTuple):
    """One round: its directory, its dice, the number of faults to make, and what is broken in the server."""

    directory: Path
    dice: Random
    times: int
    broken: str | None


class Promise(NamedTuple):
    """`run` makes a round and raises `PromiseBroken`. `control` is what must fail: one of `broken.VARIANTS`, or what
    `run` itself leaves out then.

    `quick`, `short` and `long` are numbers of faults, in `unit`s, at most `per_round` of them in a round: as part of
    all tests, in a separate run, and over hours.
    """

    name: str
    text: str
    unit: str
    quick: int
    short: int
    long: int
    per_round: int
    run: Callable[[Round], None]
    control: str | None = None


class Result(NamedTuple):
    """`failures` are (seed, what went wrong); `times` is the number of faults, in the promise's unit."""

    times: int
    seconds: float
    failures: list[tuple[int, str]]


CONTROL_ROUNDS = 8
"""A broken variant must be detected within this many rounds."""


def hold(condition: object, otherwise: str) -> None:
    """Fail the promise unless `condition`."""
    if not condition:
        raise PromiseBroken(otherwise)


@contextmanager
def promised() -> Iterator[None]:
    """Assertions inside are part of the promise."""
    try:
        yield
    except AssertionError as broken:
        raise PromiseBroken(str(broken)) from broken


def play(promise: Promise, seed: int, times: int, broken: str | None = None) -> None:
    """One round. Raises `PromiseBroken`."""
    with tempfile.TemporaryDirectory(prefix="athena-faults-") as directory:
        promise.run(Round(Path(directory), Random(seed), times, broken))


def keep(promise: Promise, total: int, seed: int, most_failures: int = 3) -> Result:
    """Rounds until there have been `total` faults; the first has this seed, the next `seed` + 1."""
    start, done, failures = time.monotonic(), 0, list[tuple[int, str]]()
    while done < total and len(failures) < most_failures:
        times = min(promise.per_round, total - done)
        try:
            play(promise, seed, times)
        except Exception as failure:
            failures.append((seed, f"{type(failure).__name__}: {str(failure)[:2000]}"))
        done += times
        seed += 1
    return Result(done, time.monotonic() - start, failures)


def control_fails(promise: Promise, seed: int) -> str:
    """Play with the broken variant until it is detected -> the checker's message. Fails when it never is."""
    for number in range(CONTROL_ROUNDS):
        try:
            play(promise, seed + number, promise.per_round, promise.control)
        except PromiseBroken as found:
            return str(found)
    raise AssertionError(f"{promise.name}: {promise.control} passed {CONTROL_ROUNDS} rounds; the test proves nothing")
