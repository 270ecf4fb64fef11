"""What access control keeps on disk: keys, sessions and the audit log, in `auth.db` beside the history.

A separate file, because purging or restoring the history must change neither access control nor the audit log.
`athena keys` writes to it while the server runs; the server notices (`changed`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

from athena.auth.identity import now_ms
from athena.auth.roles import Role
from athena.database import Files, connect, load_blocks, make_durable, migrate, value
from athena.datadir import give_to_owner, make_directory, unusable
from athena.domain.masking import mask_emails
from athena.errors import DataDirectoryUnusable

PACKAGE = "athena.auth"
SQL = load_blocks(PACKAGE, "auth.sql")


class StoredKey(NamedTuple):
    """An API key without its secret. Times are UTC Unix ms; None means never."""

    id: str
    name: str
    role: Role
    fingerprint: bytes
    created: int
    expires: int | None
    last_used: int | None = None
    revoked: int | None = None

    def is_good(self, now: float) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


class StoredSession(NamedTuple):
    """A session without its secret. `id` names it in logs, `key_id` is the key that vouched for it, `parent_id` the
    session in between, if there is one."""

    fingerprint: bytes
    id: str
    name: str
    role: Role
    key_id: str | None
    created: int
    last_used: int
    expires: int
    parent_id: str | None = None


class Entry(NamedTuple):
    """One line of the audit log: who did what, from where, and how it ended ("ok", "denied")."""

    ts: int
    who: str
    address: str
    action: str
    outcome: str
    detail: str = ""


class AuthStore:
    """One connection, for one thread at a time. Each write is one durable commit. Raises `apsw.Error`; writes also
    raise `StoreUnavailable` when the files have been moved or replaced."""

    def __init__(self, directory: Path, must_exist: bool = False) -> None:
        """Open or create. Raises `DataDirectoryUnusable`, `StoreTooNew`."""
        path = directory / "auth.db"
        try:
            if must_exist and not path.exists():
                raise DataDirectoryUnusable(
                    str(directory), "there are no keys", "give the one that Athena serves: --data"
                )
            if not path.exists() and path.with_name("auth.db-wal").exists():
                # The log may belong to a running server, and SQLite would delete it beside an empty database.
                why = "auth.db is gone, and its log (auth.db-wal) is still there"
                raise DataDirectoryUnusable(str(directory), why, "put it back, or remove the log, too")
            make_directory(directory)
            # SQLite creates -wal and -shm with the mode of the database, so they are private to the owner too. An
            # existing file may be in use by this very process: closing any descriptor of it would drop SQLite's locks,
            # and the next program to open it would delete the log (https://sqlite.org/howtocorrupt.html, 2.2).
            if not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                give_to_owner(path)
            self._db = connect(path, apsw.SQLITE_OPEN_READWRITE)
            make_durable(self._db)
            migrate(self._db, PACKAGE)
            self._files = Files(path)
        except (OSError, apsw.Error) as error:
            raise unusable(directory, error, "auth.db") from error
        self._version = self._data_version()

    def close(self) -> None:
        self._db.close()

    def check(self) -> None:
        """Raise `StoreUnavailable` when the files have been moved or replaced, so that writes by other processes cannot
        be seen here."""
        self._files.check()

    def changed(self) -> bool:
        """Whether another process, such as `athena keys`, has written since the last call."""
        before, self._version = self._version, self._data_version()
        return before != self._version

    def _data_version(self) -> int:
        return int(value(self._db, "PRAGMA data_version"))

    def _to_write(self) -> apsw.Connection:
        self.check()
        return self._db

    # ---- keys --------------------------------------------------------------------------------------------------------
    def keys(self) -> list[StoredKey]:
        return [StoredKey(*cast(Any, row)) for row in self._db.execute(SQL["keys"])]

    def add_key(self, key: StoredKey) -> None:
        self._to_write().execute(SQL["add_key"], key[:6])

    def revoke_key(self, key_id: str, now: int) -> bool:
        """-> whether the key existed and was not already revoked."""
        self._to_write().execute(SQL["revoke_key"], (now, key_id))
        return self._db.changes() == 1

    # ---- sessions ----------------------------------------------------------------------------------------------------
    def sessions(self, now: int) -> list[StoredSession]:
        return [StoredSession(*cast(Any, row)) for row in self._db.execute(SQL["sessions"], (now,))]

    def add_session(self, session: StoredSession) -> None:
        self._to_write().execute(SQL["add_session"], session)

    def remove_session(self, fingerprint: bytes) -> None:
        self._to_write().execute(SQL["remove_session"], (fingerprint,))

    def tidy(
        self, used_keys: Sequence[tuple[int, str]], used_sessions: Sequence[tuple[int, bytes]], now: int, idle: int
    ) -> None:
        """Store when keys and sessions were last used, and delete sessions that have expired or were not used since
        `idle` (ms)."""
        with self._to_write():
            self._db.executemany(SQL["touch_key"], used_keys)
            self._db.executemany(SQL["touch_session"], used_sessions)
            self._db.execute(SQL["prune_sessions"], (now, idle))

    # ---- audit log ---------------------------------------------------------------------------------------------------
    def add_audit(self, entries: Sequence[Entry]) -> None:
        masked = [entry._replace(who=_storable(entry.who), detail=_storable(entry.detail)) for entry in entries]
        with self._to_write():
            self._db.executemany(SQL["add_audit"], masked)

    def audit(self, since: int, limit: int) -> list[Entry]:
        """At most `limit` entries from `since` on, newest first."""
        return [Entry(*cast(Any, row)) for row in self._db.execute(SQL["audit"], (since, limit))]


def _storable(text: str) -> str:
    """Without e-mail addresses, and without what UTF-8 cannot hold: one such entry would keep all others out."""
    return mask_emails(text.encode("utf-8", "replace").decode())


def count_good(directory: Path) -> int | None:
    """The number of keys that are valid now, read without changing anything; None when there is no file yet. Raises
    `DataDirectoryUnusable`."""
    path = directory / "auth.db"
    try:
        if not path.exists():
            return None
        db = connect(path, apsw.SQLITE_OPEN_READONLY)
        try:
            keys = [StoredKey(*cast(Any, row)) for row in db.execute(SQL["keys"])]
        finally:
            db.close()
    except (OSError, apsw.Error) as error:
        raise unusable(directory, error, "auth.db") from error
    return sum(key.is_good(now_ms()) for key in keys)
