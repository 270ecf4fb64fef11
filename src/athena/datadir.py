"""The data directory: how it is created, and how other programs on the machine learn whether and where it is served.

The server writes `address`; others trust it only while the server holds the lock, so that a key is never sent to
another program that has taken the port.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from athena.errors import DataDirectoryUnusable

LOCK = "lock"
ADDRESS = "address"


UNSYNCABLE = frozenset({errno.EACCES, errno.EINVAL, errno.EROFS})
"""Errors of syncing a folder that we may not read, or on a file system that does not sync folders."""


def make_directory(directory: Path, mode: int = 0o700) -> None:
    """Create a folder and its parents so that all of them survive a power cut. Raises `OSError`.

    The parent is synced even if the folder exists: the process that created it may have been stopped before the sync.
    """
    if not directory.is_dir():
        make_directory(directory.parent, 0o777)
        directory.mkdir(mode, exist_ok=True)
    try:
        fsync_path(directory.parent)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


MENDING = {
    "athena.db": "look at the disk; `athena restore --replace` puts a copy back",
    "auth.db": "look at the disk; without this file the next start makes a new key",
}
"""What to do about a file of the directory that SQLite cannot use."""


FULL = 1024 * 1024
"""Bytes free on a disk, below which whatever goes wrong there is most likely for want of room."""


def unusable(directory: Path, error: Exception, file: str = "") -> DataDirectoryUnusable:
    """The exception for an `OSError` about a data directory, or for an SQLite error about one of its files."""
    if isinstance(error, PermissionError):
        named = Path(error.filename).name if error.filename and Path(error.filename) != directory else file
        advice = "run as its owner, or choose another with --data"
        return DataDirectoryUnusable(
            str(directory), f"{named}: Permission denied" if named else "Permission denied", advice
        )
    named = f"{file}: " if file else ""
    if _is_full(directory, error):
        return DataDirectoryUnusable(str(directory), f"{named}the disk is full", "make room on it")
    if isinstance(error, OSError):
        return DataDirectoryUnusable(str(directory), f"{named}{error.strerror or error}")
    advice = "see who may open it, and how many files may be open (ulimit -n)"
    return DataDirectoryUnusable(
        str(directory), f"{named}{error}", advice if "unable to open" in str(error) else MENDING[file]
    )


def _is_full(directory: Path, error: Exception) -> bool:
    """SQLite says "disk I/O error" where it cannot make one of its files, so the disk is asked, too."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if "malformed" in str(error) or "not a database" in str(error):
        return False
    with suppress(OSError):
        room = os.statvfs(directory)
        return room.f_bavail * room.f_frsize < FULL
    return False


def give_to_owner(path: Path) -> None:
    """A file that root makes in somebody's data directory is theirs: a service that runs as its own user has to be able
    to open it. Raises `OSError`."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def fsync_path(path: Path) -> None:
    """Sync a file to disk; for a folder, the names in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def state_folder() -> Path:
    """Where this user's servers record their data directories (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "athena"


def announce(directory: Path, url: str) -> None:
    """Record that `url` serves `directory`. Nothing depends on it, so it may fail."""
    with suppress(OSError, RuntimeError):
        (directory / ADDRESS).write_text(f"{url}\n")
        folder = state_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / f"port-{urlsplit(url).port}").write_text(f"{directory.resolve()}\n")


def withdraw(directory: Path, url: str) -> None:
    """Take that word back, unless it is somebody else's by now."""
    with suppress(OSError, RuntimeError):
        word = state_folder() / f"port-{urlsplit(url).port}"
        if word.read_text().strip() == str(directory.resolve()):
            word.unlink()
    with suppress(OSError):
        (directory / ADDRESS).unlink()


def find_served(url: str, guess: Path) -> Path | None:
    """The data directory that `url` on this machine serves: `guess`, or the one that its server recorded."""
    parts = urlsplit(url)
    candidates = [guess]
    with suppress(OSError, RuntimeError, UnicodeDecodeError):
        candidates.append(Path((state_folder() / f"port-{parts.port}").read_text().strip()))
    for directory in candidates:
        with suppress(OSError, ValueError):
            served = urlsplit((directory / ADDRESS).read_text().strip())
            same = (served.scheme, served.port) == (parts.scheme, parts.port) and _reaches(
                parts.hostname, served.hostname
            )
            if same and is_served(directory):
                return directory
    return None


def _reaches(asked: str | None, served: str | None) -> bool:
    """Whether a connection to `asked` can only reach `served`. `localhost` may be either loopback: it is neither."""
    return asked == served or (served in ("0.0.0.0", "::") and asked in ("127.0.0.1", "::1"))


def is_served(directory: Path) -> bool:
    """Whether a running Athena holds the directory's lock."""
    descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
