"""A few inputs for each target; Hypothesis searches for small failing ones. The long run is `python -m tests.fuzz`."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.runner import Target, targets

NAMES = [
    "JSON bodies",
    "cursors and ids",
    "places (next)",
    "WebSocket frames",
    "server: handshakes",
    "server: bodies",
    "server: bulks",
    "server: parameters",
    "server: positions",
]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    with targets(tmp_path_factory.mktemp("fuzz")) as found:
        yield {target.name: target for target in found}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_sent_breaks_it(name: str, every: dict[str, Target]) -> None:
    target = every[name]

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(random: Random) -> None:
        target.check(target.make(random))

    check()


def test_every_target_is_tried(every: dict[str, Target]) -> None:
    assert list(every) == NAMES
    assert sum(target.share for target in every.values()) == pytest.approx(1)
