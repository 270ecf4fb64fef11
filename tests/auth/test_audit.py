import pytest

from athena.auth import audit
from athena.auth.audit import WINDOW_MS, AuditLog


class Clock:
    """Milliseconds, advanced by the test."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_done_is_told_each_time() -> None:
    log = AuditLog(Clock())
    log.record("key 1 (ann)", "10.0.0.1", "purge", "deleted 3")
    log.record("key 1 (ann)", "10.0.0.1", "purge", "deleted 0")
    first, second = log.take()
    assert first == (1_000_000, "key 1 (ann)", "10.0.0.1", "purge", "ok", "deleted 3")
    assert second.detail == "deleted 0"
    assert log.take() == []


def test_a_flood_of_denials_is_one_entry_and_a_count() -> None:
    clock = Clock()
    log = AuditLog(clock)
    for _ in range(5_000):
        log.deny("somebody", "10.0.0.1", "sign in")
    assert [entry.outcome for entry in log.take()] == ["denied"]
    clock.now += WINDOW_MS
    (count,) = log.take()
    assert (count.who, count.address, count.action) == ("somebody", "10.0.0.1", "sign in")
    assert count.detail.startswith("4999 more times")


def test_different_denials_are_told_apart() -> None:
    log = AuditLog(Clock())
    for address in ("10.0.0.1", "10.0.0.2"):
        for action in ("manage", "report"):
            log.deny("somebody", address, action)
    assert len(log.take()) == 4


def test_many_kinds_of_denials_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_KINDS", 10)
    clock = Clock()
    log = AuditLog(clock)
    for number in range(1_000):
        log.deny("somebody", f"10.0.0.{number}", "sign in")
    assert len(log.take()) == 11
    clock.now += WINDOW_MS
    assert [entry.detail.split()[0] for entry in log.take()] == ["989"]


def test_the_end_tells_the_counts() -> None:
    log = AuditLog(Clock())
    log.deny("somebody", "", "sign in")
    log.deny("somebody", "", "sign in")
    log.close()
    assert [entry.detail for entry in log.take()] == ["", "1 more times within a minute"]


def test_what_could_not_be_written_keeps_its_place() -> None:
    log = AuditLog(Clock())
    log.record("a", "", "first")
    taken = log.take()
    log.record("a", "", "second")
    log.give_back(taken)
    assert [entry.action for entry in log.take()] == ["first", "second"]
