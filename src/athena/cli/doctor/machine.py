"""Checks that need no server: the data directory, SQLite, keys, the history, the disk, limits and the clock."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from athena import datadir
from athena.auth.store import count_good
from athena.cli.doctor.finding import Finding, failure, ok, warning
from athena.config import BY_NAME, convert
from athena.errors import AthenaError, StartupError
from athena.store.checkup import examine, sqlite_version

MIB = 1024 * 1024
SYNCS = 20
SLOW_SYNC = 0.02
"""Seconds. A single edit waits for one sync; beyond this, people notice."""

LARGE_WAL = 256 * MIB
FEW_FILES = 4096
NETWORKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs", "lustre")
"""Network file systems: several machines can mount them, which SQLite's WAL does not support
(https://sqlite.org/wal.html, "does not work over a network filesystem")."""

IN_MEMORY = ("tmpfs", "ramfs")
BUILT = 1_735_689_600
"""2025-01-01 in Unix seconds: an earlier clock has never been set."""


def data_directory(directory: Path) -> Iterator[Finding]:
    """Whether it exists, is ours, and is closed to others."""
    subject = "data directory"
    if not directory.exists():
        above = next(folder for folder in directory.absolute().parents if folder.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield ok(subject, f"{directory} is not there yet; `athena serve` makes it")
        else:
            yield failure(
                subject, f"{directory} is not there, and {above} is not yours to write", "choose another: --data"
            )
        return
    if not directory.is_dir():
        yield failure(subject, f"{directory} is no directory", "move it away, or choose another: --data")
        return
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        owner = directory.stat().st_uid
        yield failure(
            subject,
            f"{directory} is not yours to write (its owner is {owner}, you are {os.geteuid()})",
            "run as its owner, or give it to whoever runs Athena: chown -R",
        )
        return
    mode = directory.stat().st_mode & 0o777
    if mode & 0o077:
        yield warning(
            subject, f"{directory} is open to others on this machine (mode {mode:o})", f"chmod 700 {directory}"
        )
    else:
        yield ok(subject, f"{directory}, {'being served' if _served(directory) else 'not being served now'}")


def sqlite() -> Finding:
    """Whether the library is a safe version."""
    try:
        return ok("SQLite", sqlite_version())
    except AthenaError as error:
        return failure("SQLite", str(error), "install Athena's pinned dependencies again: apsw brings its own SQLite")


def keys(directory: Path) -> Iterator[Finding]:
    """Whether the file of keys and sessions is readable, and whether any key is valid."""
    subject = "keys"
    try:
        good = count_good(directory)
    except AthenaError as error:
        yield failure(subject, str(error), "look at the disk, and at whose files these are")
        return
    if good is None:
        yield ok(subject, "none yet; the first start with access control makes one")
    elif good == 0:
        yield warning(subject, "none is good any more", "athena keys create --role manager --name <who>")
    else:
        yield ok(subject, f"{good:,} good")


def history(directory: Path, thoroughly: bool) -> Iterator[Finding]:
    """Whether it is readable, ours, and undamaged."""
    subject = "history"
    try:
        found = examine(directory, thoroughly)
    except AthenaError as error:
        yield failure(subject, str(error), "look at the disk; `athena restore --replace` puts a backup back")
        return
    if found is None:
        yield ok(subject, "none yet")
        return
    if found.damage:
        yield failure(
            subject, f"it is damaged: {found.damage}", "stop Athena; `athena restore --replace` puts a backup back"
        )
        return
    whole = ", every page is sound" if thoroughly else " (--thorough reads every page)"
    yield ok(subject, f"{found.rows:,} rows, {found.changes:,} changes, {found.size / MIB:,.1f} MiB{whole}")
    if found.wal > LARGE_WAL:
        yield warning(
            subject,
            f"its write-ahead log has grown to {found.wal / MIB:,.0f} MiB",
            "some program has the database open and reads for long: end it",
        )
    ahead = 0 if found.newest is None else found.newest / 1000 - time.time()
    if ahead > 60:
        yield warning(
            "clock",
            f"the newest change is {ahead / 60:,.0f} minutes in the future: the clock was ahead, or is behind",
            "see that this machine keeps its time (NTP); order and deadlines do not suffer, what people read does",
        )


def disk(directory: Path) -> Iterator[Finding]:
    """Free space, sync speed and file system type."""
    subject = "disk"
    place = directory if directory.is_dir() else next(f for f in directory.absolute().parents if f.exists())
    usage = shutil.disk_usage(place)
    setting = BY_NAME["min_free_bytes"]
    try:
        least = int(convert(setting, os.environ.get(setting.variable) or setting.default))
    except StartupError as error:
        yield failure(subject, str(error), f"correct {setting.variable}, or take it away")
        least = int(setting.default)
    room = f"{usage.free / MIB:,.0f} MiB free of {usage.total / MIB:,.0f}"
    if usage.free < least:
        yield failure(
            subject,
            f"{room}: below {least / MIB:,.0f} MiB, edits are about to be refused",
            "make room, or keep less: --keep-days",
        )
    elif usage.free < usage.total / 20:
        yield warning(subject, f"{room}: nearly full", "make room, or keep less: --keep-days")
    else:
        yield ok(subject, room)
    kind = _file_system(place)
    if kind in NETWORKS:
        yield failure(
            subject,
            f"a file system over a network ({kind})",
            "put the data on a local disk: over a network, SQLite can neither lock nor share memory safely",
        )
    elif kind in IN_MEMORY:
        yield warning(
            subject,
            f"kept in memory only ({kind})",
            "a restart of the machine takes the history: choose --data on a disk",
        )
    if os.access(place, os.W_OK | os.X_OK):
        yield _sync_speed(place)


def open_files() -> Finding:
    """How many clients can connect: each takes a file descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    found = f"a server started from here may have {soft:,}, one for each client"
    if soft < FEW_FILES:
        more = "LimitNOFILE in its unit, or `ulimit -n`" if hard == soft else f"`ulimit -n {hard}` before it is started"
        return warning("open files", found, f"for more clients: {more}")
    return ok("open files", found)


def clock() -> Finding:
    """Whether it has been set, and is synchronized."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < BUILT:
        return failure("clock", f"it says {shown}", "set it: `timedatectl set-ntp true`")
    kept = Path("/run/systemd/timesync")
    if kept.is_dir() and not (kept / "synchronized").exists():
        return warning("clock", f"{shown}, but not in step with a time server yet", "see `timedatectl timesync-status`")
    return ok("clock", shown)


def _served(directory: Path) -> bool:
    try:
        return datadir.is_served(directory)
    except OSError:
        return False


def _sync_speed(place: Path) -> Finding:
    """Measure a write and a sync, which is what a commit does."""
    took = []
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            for _ in range(SYNCS):
                began = time.perf_counter()
                file.write(b"x" * 4096)
                file.flush()
                os.fdatasync(file.fileno())
                took.append(time.perf_counter() - began)
    except OSError as error:
        return failure(
            "disk", f"it takes no writes: {error.strerror}", "look at the disk, and at whether it is mounted read-only"
        )
    median = statistics.median(took)
    found = f"a sync takes {median * 1000:.1f} ms; every single edit waits for one"
    if median > SLOW_SYNC:
        return warning(
            "disk",
            found,
            "a disk with a write cache that survives power loss is faster; many edits at a time share a sync",
        )
    return ok("disk", found)


def _file_system(place: Path) -> str:
    """The file system type, from the mount table (proc_pid_mountinfo(5)); empty if there is no such table."""
    try:
        table = Path("/proc/self/mountinfo").read_text()
    except OSError:
        return ""
    real = place.resolve()
    best, kind = Path(), ""
    for line in table.splitlines():
        before, _, behind = line.partition(" - ")
        mounted = Path(before.split()[4].encode().decode("unicode_escape"))
        if real.is_relative_to(mounted) and len(mounted.parts) >= len(best.parts):
            best, kind = mounted, behind.split()[0]
    return kind
