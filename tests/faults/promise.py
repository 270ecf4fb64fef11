"""What a promise is to this suite: rounds with a fault in each, and a broken Athena that must not pass them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple


class PromiseBroken(AssertionError):
    """What was served is not what was promised. Raised by the checkers alone, never by what goes wrong in a test."""


class Round(NamedTuple):
    """One round: a directory of its own, its dice, how many faults it is to make, and what is broken in the server."""

    directory: Path
    dice: Random
    times: int
    broken: str | None


class Promise(NamedTuple):
    """`run` makes a round and raises `PromiseBroken`. `control` is what must fail: one of `broken.VARIANTS`, or
    what `run` itself leaves out then.

    `quick`, `short` and `long` are how many faults there are, in `unit`s, at most `per_round` of them in a round: as a
    part of all tests, by itself, and over hours.
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
    """`failures` are (seed, what went wrong); `times` is how many faults there were, in the promise's unit."""

    times: int
    seconds: float
    failures: list[tuple[int, str]]


CONTROL_ROUNDS = 8
"""Within so many rounds a broken variant has to be found out."""


def hold(condition: object, otherwise: str) -> None:
    """Fail the promise unless `condition`."""
    if not condition:
        raise PromiseBroken(otherwise)


@contextmanager
def promised() -> Iterator[None]:
    """What is asserted inside is part of the promise."""
    try:
        yield
    except AssertionError as broken:
        raise PromiseBroken(str(broken)) from broken


def play(promise: Promise, seed: int, times: int, broken: str | None = None) -> None:
    """One round. Raises `PromiseBroken`."""
    with tempfile.TemporaryDirectory(prefix="athena-faults-") as directory:
        promise.run(Round(Path(directory), Random(seed), times, broken))


def keep(promise: Promise, total: int, seed: int, most_failures: int = 3) -> Result:
    """Rounds until there were `total` faults; the first has this seed, the next `seed` + 1."""
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
    """Play with the broken variant until it is found out -> what the checker said. Fails when it never is."""
    for number in range(CONTROL_ROUNDS):
        try:
            play(promise, seed + number, promise.per_round, promise.control)
        except PromiseBroken as found:
            return str(found)
    raise AssertionError(f"{promise.name}: {promise.control} passed {CONTROL_ROUNDS} rounds; the test proves nothing")
