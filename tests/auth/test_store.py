import os
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw
import pytest

from athena.auth.build import build_access
from athena.auth.local import make_key
from athena.auth.store import AuthStore, Entry, StoredSession, count_good
from athena.config import resolve
from athena.errors import DataDirectoryUnusable, StoreUnavailable
from athena.store.backup import back_up
from athena.store.checkup import examine

ENTRY = Entry(1_000, "key 1 (ann)", "10.0.0.1", "sign in", "ok")


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(AuthStore(tmp_path / "data")) as store:
            make_key(store, "ann", "viewer")
            for path in [tmp_path / "data", *(tmp_path / "data").iterdir()]:
                assert path.stat().st_mode & 0o077 == 0, path
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["auth.db", "auth.db-wal"])
def test_nothing_is_written_where_nobody_would_find_it(name: str, store: AuthStore, tmp_path: Path) -> None:
    make_key(store, "ann", "viewer")
    (tmp_path / name).rename(tmp_path / "aside")
    for put in ("nothing", "another"):
        if put == "another":
            (tmp_path / name).touch()
        with pytest.raises(StoreUnavailable, match=r"auth\.db are not where they were"):
            store.check()
        with pytest.raises(StoreUnavailable):
            make_key(store, "ben", "viewer")
        with pytest.raises(StoreUnavailable):
            store.add_audit([ENTRY])
    (tmp_path / "aside").rename(tmp_path / name)
    store.check()
    make_key(store, "ben", "viewer")
    assert len(store.keys()) == 2


def test_no_secret_is_stored(store: AuthStore, tmp_path: Path) -> None:
    key = make_key(store, "ann", "viewer")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.id.encode() in stored
    assert key.secret.encode() not in stored


def test_a_key_is_revoked_once(store: AuthStore) -> None:
    key = make_key(store, "ann", "viewer")
    assert store.revoke_key(key.id, 5)
    assert not store.revoke_key(key.id, 6)
    assert not store.revoke_key("nobody", 6)
    assert store.keys()[0].revoked == 5
    assert not store.keys()[0].is_good(0)


def test_what_another_writes_is_noticed_once(store: AuthStore, tmp_path: Path) -> None:
    make_key(store, "ann", "viewer")
    assert not store.changed()
    with closing(AuthStore(tmp_path)) as other:
        make_key(other, "bob", "viewer")
    assert store.changed()
    assert not store.changed()


def test_names_are_stored_without_addresses(store: AuthStore, tmp_path: Path) -> None:
    make_key(store, "jane.roe@example.com", "viewer")
    store.add_audit([Entry(1, "jane.roe@example.com", "", "sign in", "ok", "for jane.roe@example.com")])
    assert b"jane.roe" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
def test_the_audit_log_is_only_added_to(store: AuthStore, tmp_path: Path, statement: str) -> None:
    store.add_audit([ENTRY])
    with closing(apsw.Connection(str(tmp_path / "auth.db"))) as other, pytest.raises(apsw.ConstraintError):
        other.execute(statement)
    assert store.audit(0, 10) == [ENTRY]


def test_the_audit_log_newest_first(store: AuthStore) -> None:
    store.add_audit([ENTRY._replace(ts=ts) for ts in (1, 2, 3)])
    assert [entry.ts for entry in store.audit(2, 10)] == [3, 2]
    assert [entry.ts for entry in store.audit(0, 1)] == [3]


def test_sessions_that_are_over_are_forgotten(store: AuthStore) -> None:
    for mark, last_used, expires in ((b"a", 50, 200), (b"b", 50, 90), (b"c", 5, 200)):
        store.add_session(StoredSession(mark, "id", "ann", "viewer", None, 1, last_used, expires))
    store.tidy([], [(60, b"a")], now=100, idle=10)
    assert [(session.fingerprint, session.last_used) for session in store.sessions(0)] == [(b"a", 60)]


def test_when_a_key_was_used_is_noted(store: AuthStore) -> None:
    key = make_key(store, "ann", "viewer")
    store.tidy([(77, key.id)], [], now=100, idle=10)
    assert store.keys()[0].last_used == 77


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryUnusable, match="there are no keys"):
        AuthStore(tmp_path / "none", must_exist=True)
    assert not (tmp_path / "none").exists()


def test_a_file_with_bad_pages_is_told_of_at_the_start(tmp_path: Path) -> None:
    with closing(AuthStore(tmp_path)) as store:
        make_key(store, "ann", "viewer")
    content = bytearray((tmp_path / "auth.db").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / "auth.db").write_bytes(content)
    with pytest.raises(DataDirectoryUnusable, match=r"auth\.db: database disk image is malformed"):
        build_access(resolve({"data": str(tmp_path)}, {}))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_does_not_own_the_directory_is_told_so(tmp_path: Path) -> None:
    AuthStore(tmp_path / "data").close()
    os.seteuid(65534)
    try:
        for look in (partial(AuthStore, must_exist=True), AuthStore, count_good, partial(examine, thoroughly=False)):
            with pytest.raises(DataDirectoryUnusable, match="Permission denied; run as its owner"):
                look(tmp_path / "data")
        with pytest.raises(DataDirectoryUnusable, match="Permission denied; run as its owner"):
            back_up(tmp_path / "data", Path("/tmp/copy"))
    finally:
        os.seteuid(0)
