from __future__ import annotations

import pytest

from athena.histogram import POWERS_OF_TWO, SECONDS, Histogram


def counts(histogram: Histogram) -> list[int]:
    return [count for _, count in histogram.cumulative()]


def test_a_new_one_has_all_its_buckets_and_nothing_in_them() -> None:
    histogram = Histogram((1.0, 2.0))
    assert list(histogram.cumulative()) == [(1.0, 0), (2.0, 0), (float("inf"), 0)]
    assert histogram.sum == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, [1, 1, 1]),
        (1.0, [1, 1, 1]),  # a bound belongs to its own bucket: `le` is "less or equal"
        (1.0001, [0, 1, 1]),
        (2.0, [0, 1, 1]),
        (2.0001, [0, 0, 1]),
        (1e9, [0, 0, 1]),
    ],
)
def test_a_value_counts_in_each_bucket_that_is_not_below_it(value: float, expected: list[int]) -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(value)
    assert counts(histogram) == expected
    assert histogram.sum == value


def test_values_add_up() -> None:
    histogram = Histogram(POWERS_OF_TWO)
    for size in (1, 1, 2, 3, 64, 20_000):
        histogram.observe(size)
    assert counts(histogram) == [2, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6]
    assert histogram.sum == 20_071


@pytest.mark.parametrize("bounds", [SECONDS, POWERS_OF_TWO])
def test_bounds_rise(bounds: tuple[float, ...]) -> None:
    assert list(bounds) == sorted(set(bounds))
