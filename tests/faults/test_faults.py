"""The quick run: each promise a few times, and each control. The others are `python -m tests.faults`.

One class per part, since parts are distributed to parallel workers.
"""

from __future__ import annotations

import random
from typing import ClassVar

import pytest
from tests.faults.promise import Promise, control_fails, keep
from tests.faults.promises import CLIENTS, DECISIONS, DISK


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    promises = metafunc.cls.promises
    if metafunc.definition.name == "test_the_control_is_found_out":
        promises = [promise for promise in promises if promise.control is not None]
    metafunc.parametrize("promise", promises, ids=[promise.name for promise in promises])


class Kept:
    promises: ClassVar[tuple[Promise, ...]]

    def test_it_is_kept(self, promise: Promise) -> None:
        result = keep(promise, promise.quick, random.SystemRandom().getrandbits(31), most_failures=1)
        for seed, what in result.failures:
            count = min(promise.per_round, promise.quick)
            pytest.fail(f"python -m tests.faults --only {promise.name} --seed {seed} --count {count}: {what}")

    def test_the_control_is_found_out(self, promise: Promise) -> None:
        assert control_fails(promise, random.SystemRandom().getrandbits(31))


class TestDisk(Kept):
    promises = DISK


class TestDecisions(Kept):
    promises = DECISIONS


class TestClients(Kept):
    promises = CLIENTS
