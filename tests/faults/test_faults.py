"""The short run: each promise a few times, and each control. The long one is `python -m tests.faults --long`."""

from __future__ import annotations

import random

import pytest
from tests.faults.promise import Promise, control_fails, keep
from tests.faults.promises import PROMISES

CONTROLLED = [promise for promise in PROMISES if promise.control is not None]


def name(promise: Promise) -> str:
    return promise.name


@pytest.mark.parametrize("promise", PROMISES, ids=name)
def test_it_is_kept(promise: Promise) -> None:
    result = keep(promise, promise.short, random.SystemRandom().getrandbits(31), most_failures=1)
    for seed, what in result.failures:
        pytest.fail(f"python -m tests.faults --only {promise.name} --seed {seed} --count {promise.per_round}: {what}")


@pytest.mark.parametrize("promise", CONTROLLED, ids=name)
def test_the_control_is_found_out(promise: Promise) -> None:
    assert control_fails(promise, random.SystemRandom().getrandbits(31))
