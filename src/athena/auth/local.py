"""The first key: created when there is none, in a file that only the owner of the data directory can read."""

from __future__ import annotations

import os
from pathlib import Path

from athena.auth.identity import now_ms
from athena.auth.roles import Role
from athena.auth.secrets import ApiKey, fingerprint, new_key, parse_key
from athena.auth.store import AuthStore, Entry, StoredKey
from athena.datadir import give_to_owner, unusable
from athena.domain.masking import mask_emails

FILE = "manager.key"
NAME = "this machine"


def make_key(store: AuthStore, name: str, role: Role, expires: int | None = None) -> ApiKey:
    """Create and store a key. The returned secret cannot be read again later: only its hash is stored."""
    key = new_key()
    store.add_key(StoredKey(key.id, mask_emails(name), role, fingerprint(key.secret), int(now_ms()), expires))
    return key


def ensure_key(store: AuthStore, directory: Path) -> bool:
    """Create a manager key if there are no keys -> whether it did. Raises `DataDirectoryUnusable`."""
    if store.keys():
        return False
    key = make_key(store, NAME, "manager")
    store.add_audit([Entry(int(now_ms()), "the first start", "", "create a key", "ok", f"{key.id} ({NAME}), manager")])
    try:
        # Created with its final mode: a later chmod would leave a moment in which others could open it.
        (directory / FILE).unlink(missing_ok=True)
        file = os.open(directory / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w") as stream:
            stream.write(f"{key}\n")
        give_to_owner(directory / FILE)
    except OSError as error:
        raise unusable(directory, error) from error
    return True


def read_key(directory: Path) -> ApiKey | None:
    """The key from the first start, if its file exists and is readable."""
    try:
        return parse_key((directory / FILE).read_text().strip())
    except OSError:
        return None
