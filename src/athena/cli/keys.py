"""`athena keys` and `athena audit`: they work on the data directory, whether or not a server is running."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from athena.auth.identity import now_ms
from athena.auth.local import make_key
from athena.auth.roles import Role
from athena.auth.store import AuthStore, Entry, StoredKey
from athena.cli.text import complain, harmless, local_time
from athena.database import explain
from athena.errors import KeyNotChanged, NoSuchKey

WHOLE = 500
"""A width in columns that fits every key."""


def create(data: Path, name: str, role: Role, lifetime_ms: int | None) -> None:
    """Make a key and print it."""
    is_new = not (data / "auth.db").exists()
    with closing(AuthStore(data)) as store, _changing("no key was made"):
        expires = None if lifetime_ms is None else int(now_ms()) + lifetime_ms
        key = make_key(store, name, role, expires)
        _note(store, "create a key", f"{key.id} ({name}), {role}")
    if is_new:
        complain(
            f"athena: {data.resolve()} had no keys until now: an Athena that serves another directory refuses this one"
        )
    print(key)


def revoke(data: Path, key_id: str) -> None:
    """Revoke a key, with everything that uses it."""
    key_id = key_id.removeprefix("ath_").partition("_")[0]
    with closing(AuthStore(data, must_exist=True)) as store:
        with _changing(f"{key_id} is NOT revoked, and still good"):
            if not store.revoke_key(key_id, int(now_ms())):
                raise NoSuchKey(key_id)
        with _changing(f"{key_id} is revoked, and the audit log does not say so"):
            _note(store, "revoke a key", key_id)
    print(f"{key_id} is revoked; a running Athena ends what uses it within 5 seconds")


@contextmanager
def _changing(state: str) -> Iterator[None]:
    """`state` is what holds when the block cannot write. Raises `KeyNotChanged`."""
    try:
        yield
    except Exception as error:
        why = explain(error)
        if why is None:
            raise
        raise KeyNotChanged(state, why) from error


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
