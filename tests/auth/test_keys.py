import time

import pytest

from athena.auth.identity import now_ms
from athena.auth.keys import MOST_PROVED, KeyRing
from athena.auth.local import make_key
from athena.auth.secrets import ApiKey, fingerprint
from athena.auth.store import AuthStore


@pytest.fixture
def ring(store: AuthStore) -> KeyRing:
    return KeyRing()


def test_a_key_is_found_by_its_secret_alone(store: AuthStore, ring: KeyRing) -> None:
    key, other = make_key(store, "ann", "viewer"), make_key(store, "bob", "manager")
    ring.replace(store.keys())
    found = ring.find(key)
    assert found is not None
    assert (found.kind, found.id, found.name, found.role) == ("key", key.id, "ann", "viewer")
    assert ring.find(ApiKey(key.id, other.secret)) is None
    assert ring.find(ApiKey(other.id, key.secret)) is None
    assert ring.find(ApiKey("0" * 12, key.secret)) is None


def test_revoking_ends_the_identity_wherever_it_is_in_use(store: AuthStore, ring: KeyRing) -> None:
    key = make_key(store, "ann", "viewer")
    ring.replace(store.keys())
    found = ring.find(key)
    assert found is not None
    store.revoke_key(key.id, 1)
    ring.replace(store.keys())
    assert found.ended()
    assert ring.find(key) is None


def test_others_keep_theirs(store: AuthStore, ring: KeyRing) -> None:
    gone, key = make_key(store, "bob", "viewer"), make_key(store, "ann", "viewer")
    ring.replace(store.keys())
    found = ring.find(key)
    store.revoke_key(gone.id, 1)
    ring.replace(store.keys())
    assert ring.find(key) is found


def test_a_key_ends_at_its_time(store: AuthStore, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time() * 1000
    key = make_key(store, "ann", "viewer", expires=int(now) + 60_000)
    ring.replace(store.keys())
    found = ring.find(key)
    assert found is not None
    assert not found.ended(lambda: now + 59_000)
    assert found.ended(lambda: now + 60_001)
    monkeypatch.setattr(time, "time", lambda: now / 1000 + 61)
    assert not store.keys()[0].is_good(now_ms())


def test_what_was_used_is_told_once(store: AuthStore, ring: KeyRing) -> None:
    key = make_key(store, "ann", "viewer")
    ring.replace(store.keys())
    ring.find(ApiKey(key.id, "wrong"))
    assert ring.take_used() == set()
    ring.find(key)
    assert ring.take_used() == {key.id}
    assert ring.take_used() == set()


def test_what_was_proved_once_is_found_by_its_mark_until_the_key_ends(store: AuthStore, ring: KeyRing) -> None:
    key = make_key(store, "ann", "viewer")
    ring.replace(store.keys())
    mark = fingerprint(f"Bearer {key}")
    assert ring.recall(mark) is None
    found = ring.find(key)
    assert found is not None
    ring.remember(mark, found)
    ring.take_used()
    assert ring.recall(mark) is found
    assert ring.recall(fingerprint(f"Bearer {key}x")) is None
    assert ring.take_used() == {key.id}
    store.revoke_key(key.id, 1)
    ring.replace(store.keys())
    assert ring.recall(mark) is None
    assert ring.take_used() == set()


def test_showing_a_key_in_ever_new_ways_costs_no_memory(store: AuthStore, ring: KeyRing) -> None:
    key = make_key(store, "ann", "viewer")
    ring.replace(store.keys())
    found = ring.find(key)
    assert found is not None
    marks = [fingerprint(f"Bearer{' ' * spaces}{key}") for spaces in range(1, MOST_PROVED + 2)]
    for mark in marks:
        ring.remember(mark, found)
    assert ring.recall(marks[0]) is None
    assert ring.recall(marks[-1]) is found
