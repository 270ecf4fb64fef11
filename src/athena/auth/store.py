"""What access control keeps on disk: keys, sessions and the audit log, in `auth.db` beside the history.

A file of its own: a purge or a restore of the history must not touch who may do what, nor the record of it.
`athena keys` opens it while the server runs; the server notices (`changed`).
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
    """A session without its secret. `id` is for speaking of it, `key_id` the key that vouched for it, `parent_id` the
    session that did, if one stands between them."""

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
    """One connection, for one thread at a time. Each method is one durable commit. Raises `apsw.Error`, and
    `StoreUnavailable` for what is to be written while its files are not in their place."""

    def __init__(self, directory: Path, must_exist: bool = False) -> None:
        """Open or create. Raises `DataDirectoryUnusable`, `StoreTooNew`."""
        path = directory / "auth.db"
        try:
            if must_exist and not path.exists():
                raise DataDirectoryUnusable(
                    str(directory), "there are no keys", "give the one that Athena serves: --data"
                )
            if not path.exists() and path.with_name("auth.db-wal").exists():
                # It may be that of a running server, and SQLite would remove it beside a database that is empty.
                why = "auth.db is gone, and its log (auth.db-wal) is still there"
                raise DataDirectoryUnusable(str(directory), why, "put it back, or remove the log, too")
            make_directory(directory)
            # SQLite makes the -wal and -shm with the mode of the file itself: for the owner's eyes alone, too. A file
            # that is there may be in use by this very process: to close any descriptor of it would end SQLite's locks,
            # and the next program that looks would take the log away (https://sqlite.org/howtocorrupt.html, 2.2).
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
        """Raise `StoreUnavailable` when what others write cannot be seen here: somebody has moved or replaced the
        files."""
        self._files.check()

    def changed(self) -> bool:
        """Whether somebody else, such as `athena keys`, has written since this was last asked."""
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
        """-> whether there was such a key, and it was not revoked before."""
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
        """Note when keys and sessions were last used, and forget sessions that are over: ended, or not used since
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
        """The newest entries not before `since`, newest first."""
        return [Entry(*cast(Any, row)) for row in self._db.execute(SQL["audit"], (since, limit))]


def _storable(text: str) -> str:
    """Without e-mail addresses, and without what UTF-8 cannot hold: one such entry would keep all others out."""
    return mask_emails(text.encode("utf-8", "replace").decode())


def count_good(directory: Path) -> int | None:
    """How many keys are good now, without changing anything; None when there is no file of them yet. Raises
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
