import pytest

from athena.auth import tickets
from athena.auth.identity import Identity
from athena.auth.tickets import Tickets


class Clock:
    """Milliseconds, advanced by the test."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Identity:
    return Identity("key", "abc", "backend", "reporter")


def test_once(clock: Clock, issuer: Identity) -> None:
    made = Tickets("att_", 30, clock)
    secret, until = made.issue("ann", "viewer", issuer)
    assert secret.startswith("att_")
    assert until == clock.now + 30_000
    ticket = made.redeem(secret)
    assert ticket is not None
    assert (ticket.name, ticket.role, ticket.issuer) == ("ann", "viewer", issuer)
    assert made.redeem(secret) is None


def test_not_after_its_time(clock: Clock, issuer: Identity) -> None:
    made = Tickets("att_", 30, clock)
    early, late = (made.issue("ann", "viewer", issuer)[0] for _ in range(2))
    clock.now += 29_999
    assert made.redeem(early) is not None
    clock.now += 1
    assert made.redeem(late) is None


def test_not_when_its_issuer_has_ended(clock: Clock, issuer: Identity) -> None:
    made = Tickets("att_", 30, clock)
    secret, _ = made.issue("ann", "viewer", issuer)
    issuer.end()
    assert made.redeem(secret) is None


def test_what_was_never_issued(clock: Clock) -> None:
    assert Tickets("att_", 30, clock).redeem("att_") is None


def test_memory_is_bounded(clock: Clock, issuer: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MOST", 3)
    made = Tickets("att_", 30, clock)
    secrets = [made.issue("ann", "viewer", issuer)[0] for _ in range(5)]
    assert [made.redeem(secret) is not None for secret in secrets] == [False, False, True, True, True]


def test_old_ones_are_forgotten(clock: Clock, issuer: Identity) -> None:
    made = Tickets("att_", 30, clock)
    for _ in range(10):
        made.issue("ann", "viewer", issuer)
    clock.now += 30_000
    made.issue("ann", "viewer", issuer)
    assert len(made._open) == 1
