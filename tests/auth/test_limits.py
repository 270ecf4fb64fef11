import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.auth import limits
from athena.auth.limits import AddressLimit, TokenBucket

pauses = st.lists(st.floats(0, 10), min_size=1, max_size=200)


@given(pauses, st.floats(0.1, 100), st.floats(1, 50))
def test_never_more_than_the_rate_and_one_burst(pauses: list[float], rate: float, burst: float) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    now, allowed = 0.0, 0
    for pause in pauses:
        now += pause
        allowed += bucket.take(now) == 0
        assert allowed <= rate * now + burst + 1e-6


@given(st.floats(0.1, 100), st.floats(1, 50))
def test_whoever_waits_as_told_is_let_in(rate: float, burst: float) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    while not (wait := bucket.take(0.0)):
        pass
    assert 0 < wait <= 1 / rate + 1e-9
    assert bucket.take(wait + 1e-6) == 0


def test_addresses_do_not_share() -> None:
    limit = AddressLimit(1.0, 2, lambda: 0.0)
    assert [limit.take("a") for _ in range(3)] == [0, 0, 1]
    assert limit.take("b") == 0


def test_an_address_is_let_in_again() -> None:
    now = 0.0
    limit = AddressLimit(0.5, 1, lambda: now)
    assert limit.take("a") == 0
    assert limit.take("a") == 2
    now = 2.0
    assert limit.take("a") == 0


def test_memory_is_bounded_and_those_seen_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_ADDRESSES", 3)
    limit = AddressLimit(1.0, 1, lambda: 0.0)
    for address in ("a", "b", "c", "a", "d"):  # b was seen least recently
        limit.take(address)
    assert len(limit._buckets) == 3
    assert limit.take("a") == 1
    assert limit.take("b") == 0
