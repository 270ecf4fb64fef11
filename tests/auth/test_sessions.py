import pytest

from athena.auth import sessions as sessions_
from athena.auth.identity import Identity
from athena.auth.keys import KeyRing
from athena.auth.local import make_key
from athena.auth.sessions import Sessions
from athena.auth.store import AuthStore

HOUR = 3_600_000


class Clock:
    """Milliseconds, advanced by the test."""

    now = 1_700_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sessions_, "now_ms", clock)
    monkeypatch.setattr(Identity.ended, "__defaults__", (clock,))
    return clock


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(idle=8 * 3600, lifetime=24 * 3600)


def test_a_session_stands_for_somebody(sessions: Sessions) -> None:
    secret, stored, identity = sessions.create("ann", "reporter", None)
    assert secret.startswith("ats_")
    assert secret.encode() not in stored.fingerprint
    assert sessions.find(secret) is identity
    assert (identity.kind, identity.name, identity.role) == ("session", "ann", "reporter")
    assert sessions.find(secret + "x") is None


def test_use_keeps_it_until_its_absolute_end(sessions: Sessions, clock: Clock) -> None:
    secret, _, identity = sessions.create("ann", "viewer", None)
    for _ in range(3):
        clock.now += 7.9 * HOUR
        assert sessions.find(secret) is identity
    clock.now += 0.4 * HOUR
    assert identity.ended()
    assert sessions.find(secret) is None


def test_without_use_it_ends_earlier(sessions: Sessions, clock: Clock) -> None:
    secret, _, identity = sessions.create("ann", "viewer", None)
    clock.now += 8 * HOUR
    assert identity.ended()
    assert sessions.find(secret) is None


def test_signing_out_ends_it_wherever_it_is_in_use(sessions: Sessions) -> None:
    secret, stored, identity = sessions.create("ann", "viewer", None)
    assert sessions.remove(secret) == stored.fingerprint
    assert identity.ended()
    assert sessions.remove(secret) is None


def test_it_ends_with_the_key_that_vouched_for_it(sessions: Sessions) -> None:
    key = Identity("key", "abc", "backend", "manager")
    link = Identity("session", "def", "backend", "manager", parent=key)
    secret, stored, identity = sessions.create("ann", "viewer", link)
    assert stored.key_id == "abc"
    key.end()
    assert identity.ended()
    assert sessions.find(secret) is None


def test_a_restart_keeps_them_but_for_those_whose_key_is_gone(
    store: AuthStore, sessions: Sessions, clock: Clock
) -> None:
    good, gone = make_key(store, "ann", "viewer"), make_key(store, "bob", "viewer")
    ring = KeyRing()
    ring.replace(store.keys())
    kept, lost = (sessions.create("x", "viewer", ring.find(key)) for key in (good, gone))
    for _, stored, _ in (kept, lost):
        store.add_session(stored)
    store.revoke_key(gone.id, 1)

    ring, again = KeyRing(), Sessions(8 * 3600, 24 * 3600)
    ring.replace(store.keys())
    again.load(store.sessions(int(clock.now)), ring)
    found = again.find(kept[0])
    assert found is not None
    assert found.parent is ring.by_id(good.id)
    assert again.find(lost[0]) is None


@pytest.mark.parametrize("gone", ["nobody", "parent", "grandparent"])
def test_a_restart_keeps_those_of_a_session_only_as_long_as_that(
    store: AuthStore, sessions: Sessions, clock: Clock, gone: str
) -> None:
    key = make_key(store, "ann", "viewer")
    ring = KeyRing()
    ring.replace(store.keys())
    secret = {}
    identity = ring.find(key)
    for name in ("grandparent", "parent", "child"):  # each except the first created with a ticket of the previous one
        secret[name], stored, identity = sessions.create(name, "viewer", identity)
        store.add_session(stored)
    if gone != "nobody":
        ended = sessions.remove(secret[gone])
        assert ended is not None
        store.remove_session(ended)

    again = Sessions(8 * 3600, 24 * 3600)
    again.load(store.sessions(int(clock.now)), ring)
    kept = {name for name in secret if again.find(secret[name]) is not None}
    assert kept == {"nobody": {*secret}, "parent": {"grandparent"}, "grandparent": set()}[gone]


def test_a_session_for_a_token_does_not_outlive_it_over_a_restart(sessions: Sessions, clock: Clock) -> None:
    """The token is no longer known then, so its expiry must be stored."""
    token = Identity("token", "sub", "ann", "reporter", until=clock.now + HOUR)
    ticket = Identity("ticket", "sub", "ann", "viewer", clock.now + 24 * HOUR, token)
    secret, stored, _ = sessions.create("ann", "viewer", ticket)
    again = Sessions(8 * 3600, 24 * 3600)
    again.load([stored], KeyRing())
    assert again.find(secret) is not None
    clock.now += HOUR
    assert again.find(secret) is None


def test_what_was_used_is_told_once_and_what_is_over_forgotten(sessions: Sessions, clock: Clock) -> None:
    used, stored, _ = sessions.create("ann", "viewer", None)
    sessions.create("bob", "viewer", None)
    clock.now += 7 * HOUR
    sessions.find(used)
    assert sessions.take_used() == [(int(clock.now), stored.fingerprint)]
    assert sessions.take_used() == []
    clock.now += 2 * HOUR
    sessions.take_used()
    assert list(sessions._sessions) == [stored.fingerprint]
