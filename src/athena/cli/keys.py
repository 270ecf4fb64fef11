"""`athena keys` and `athena audit`: they work on the data directory, whether or not a server is running."""

from __future__ import annotations

import json
import os
import pwd
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from athena.auth.identity import now_ms
from athena.auth.local import make_key
from athena.auth.roles import Role
from athena.auth.store import AuthStore, Entry, StoredKey
from athena.cli.text import harmless, local_time
from athena.errors import AthenaError

WHOLE = 500
"""A width in columns that fits every key."""


class NoSuchKey(AthenaError):
    """There is no valid key with this id."""

    code = "no_such_key"
    status = 404

    def __init__(self, key_id: str) -> None:
        super().__init__(f"expected the id of a key that is good (athena keys list), got {key_id!r}")


def create(data: Path, name: str, role: Role, lifetime_ms: int | None) -> None:
    """Make a key and print it."""
    with closing(AuthStore(data)) as store:
        expires = None if lifetime_ms is None else int(now_ms()) + lifetime_ms
        key = make_key(store, name, role, expires)
        _note(store, "create a key", f"{key.id} ({name}), {role}")
    print(key)


def revoke(data: Path, key_id: str) -> None:
    """Revoke a key, with everything that uses it."""
    key_id = key_id.removeprefix("ath_").partition("_")[0]
    with closing(AuthStore(data, must_exist=True)) as store:
        if not store.revoke_key(key_id, int(now_ms())):
            raise NoSuchKey(key_id)
        _note(store, "revoke a key", key_id)
    print(f"{key_id} is revoked; a running Athena ends what uses it within 5 seconds")


def show(data: Path, as_json: bool) -> None:
    """Print all keys, without their secrets."""
    with closing(AuthStore(data, must_exist=True)) as store:
        keys = store.keys()
    if as_json:
        for key in keys:
            told = key._asdict()
            del told["fingerprint"]
            print(json.dumps(told))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "role", "created", "expires", "last used", "state"):
        table.add_column(heading, no_wrap=heading in ("id", "role"))
    for key in keys:
        moments = (key.created, key.expires, key.last_used)
        times = [local_time(moment, "%Y-%m-%d %H:%M") if moment else "–" for moment in moments]
        table.add_row(key.id, harmless(key.name), key.role, *times, _state(key))
    console = Console()
    if not console.is_terminal:
        console.width = WHOLE  # for a program or a file, nothing is cut or wrapped
    console.print(table if keys else "There are no keys yet: the first start of athena serve makes one.")


def audit(data: Path, since: int, limit: int, as_json: bool) -> None:
    """Print the newest entries of the audit log, oldest first."""
    with closing(AuthStore(data, must_exist=True)) as store:
        entries = store.audit(since, limit)
    for entry in reversed(entries):
        if as_json:
            print(json.dumps(entry._asdict()))
        else:
            detail = f" · {harmless(entry.detail)}" if entry.detail else ""
            who = f"{harmless(entry.who)} from {entry.address}" if entry.address else harmless(entry.who)
            print(f"{local_time(entry.ts)}  {entry.outcome:6}  {entry.action}{detail}  · {who}")


def _state(key: StoredKey) -> str:
    if key.revoked is not None:
        return f"revoked {local_time(key.revoked)}"
    return "good" if key.is_good(now_ms()) else "expired"


def _note(store: AuthStore, action: str, detail: str) -> None:
    """Add to the audit log under the account of this process: write access to the directory is the authorization."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = str(os.getuid())
    store.add_audit([Entry(int(now_ms()), f"account {account}", "", action, "ok", detail)])
