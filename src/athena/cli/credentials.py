"""How the commands find a key: `ATHENA_KEY`, or the key in a data directory that is served on this machine."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

from athena import datadir
from athena.config import BY_NAME


def find_key(url: str) -> str | None:
    """The key for the Athena at `url`; None if none is found, which is fine without access control."""
    if given := os.environ.get(BY_NAME["key"].variable, "").strip():
        return given
    if not _on_this_machine(url):
        return None
    from athena.auth.local import read_key  # imports the database, so only where there may be a key to read

    data = os.environ.get(BY_NAME["data"].variable) or str(BY_NAME["data"].default)
    directory = datadir.find_served(url, Path(data))
    key = None if directory is None else read_key(directory)
    return None if key is None else str(key)


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
