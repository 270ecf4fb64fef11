"""A disk that refuses writes under a running server: changes are refused, `/readyz` says so, and nothing else suffers.

First with a real ext4 in a file, which becomes read-only after an error, as ext4 does by default. No system call makes
such a file system writable again, so recovery is tested with a limit on file sizes: the kernel refuses each write, with
the same result for SQLite, until the limit is lifted.
"""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.calls import NOTIFICATIONS, TXS, Deadline, StartAthena, call, check_error, ok, open_tx, position
from tests.e2e.subscribers import Subscriber, all_closed, subscribe
from tests.e2e.test_metrics import number
from tests.e2e.test_readiness import OPENING, not_ready, until_ready
from tests.support.server import Athena

TRANSPORTS = ("python", "sse", "longpoll")

SIZE = 64 * 1024 * 1024
"""Bytes of the file that holds the file system."""


class Disk:
    """An ext4 file system that can fail."""

    def __init__(self, image: Path, directory: Path) -> None:
        self.directory = directory
        self._image = image

    def mount(self) -> None:
        """Raises `CalledProcessError` where that is not allowed."""
        options = "loop,errors=remount-ro"
        subprocess.run(["mount", "-o", options, self._image, self.directory], check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", self.directory], check=True)

    def fail(self) -> None:
        """Make ext4 believe that it found an error. From now on it refuses all writes with EROFS."""
        self._trigger().write_text("a test")

    @property
    def can_fail(self) -> bool:
        return os.access(self._trigger(), os.W_OK)

    def _trigger(self) -> Path:
        (line,) = [line for line in Path("/proc/mounts").read_text().splitlines() if f" {self.directory} " in line]
        return Path("/sys/fs/ext4", Path(line.split()[0]).name, "trigger_fs_error")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    directory, image = tmp_path / "disk", tmp_path / "image"
    directory.mkdir()
    image.touch()
    os.truncate(image, SIZE)
    disk = Disk(image, directory)
    try:
        subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no ext4 can be mounted here: {error}")
    try:
        if not disk.can_fail:
            pytest.skip("no error can be caused in an ext4 here")
        yield disk
    finally:
        disk.unmount()


@contextmanager
def refusing_writes(athena: Athena) -> Iterator[None]:
    """The kernel refuses all of this server's writes to files (EFBIG)."""
    before = resource.prlimit(athena.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(athena.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        if athena.running:
            resource.prlimit(athena.pid, resource.RLIMIT_FSIZE, before)


def all_transports(athena: Athena, after: str) -> list[Subscriber]:
    return [subscribe(transport, athena, after) for transport in TRANSPORTS]


def check_that_it_only_reads(athena: Athena, beginning: str, tx_id: str, reason: str) -> None:
    """Edits are refused, `/readyz` says why, and reads work. `tx_id` was opened after `beginning`."""
    answer = call(athena, "POST", TXS, OPENING)
    check_error(answer, 503, "store_unavailable")
    assert reason in answer.body["error"]
    checks = not_ready(athena)
    assert not checks["store"]["ok"]
    assert checks["journal"]["ok"]
    assert reason in call(athena, "GET", "/readyz").body["error"]
    assert number(athena, "athena_ready", check="store") == 0
    assert call(athena, "GET", "/healthz").status == 200
    assert ok(athena, "GET", f"{TXS}/{tx_id}")["tx_id"] == tx_id
    rows = ok(athena, "GET", NOTIFICATIONS)["notifications"]
    assert [row["id"] for row in rows if row["id"] == tx_id] == [tx_id]
    with all_closed(all_transports(athena, beginning)) as late:
        for subscriber in late:
            subscriber.receive_of(tx_id)


def until_open(athena: Athena) -> str:
    """The id of a transaction that is eventually accepted."""
    deadline = Deadline()
    while (answer := call(athena, "POST", TXS, OPENING)).status != 201:
        check_error(answer, 503, "store_unavailable")
        assert not deadline.passed, answer
    tx_id: str = answer.body["tx_id"]
    return tx_id


def until_logged(athena: Athena, path: str) -> None:
    """Request this path until the access log has a line for it; writes to the log were refused, too."""
    deadline = Deadline()
    while f" GET {path} 200 " not in athena.log():
        ok(athena, "GET", path)
        assert not deadline.passed, "the access log has ended"


def test_a_file_system_that_became_read_only(disk: Disk) -> None:
    """It stays so until it is unmounted: the server must shut down cleanly, and the next start must find everything."""
    with Athena(disk.directory / "data", "--min-free-bytes", "0") as athena:
        beginning = position(athena)
        tx_id = open_tx(athena)
        with subscribe("python", athena, beginning) as stream:
            stream.receive_of(tx_id)
            disk.fail()
            check_that_it_only_reads(athena, beginning, tx_id, "disk I/O error (Read-only file system)")
            assert number(athena, "athena_clients", transport="websocket") == 1
        athena.stop()
        disk.unmount()
        disk.mount()
        athena.start()
        until_ready(athena)
        assert [row["id"] for row in ok(athena, "GET", NOTIFICATIONS)["notifications"]] == [tx_id]
        open_tx(athena)


def test_a_disk_that_refuses_every_write_and_takes_them_again(athena: Athena) -> None:
    until_ready(athena)
    beginning = position(athena)
    tx_id = open_tx(athena)
    with all_closed(all_transports(athena, beginning)) as streams:
        for stream in streams:
            stream.receive_of(tx_id)
        with refusing_writes(athena):
            check_that_it_only_reads(athena, beginning, tx_id, "disk I/O error (File too large)")
        after = until_open(athena)
        for stream in streams:
            message = stream.receive_until(lambda message: "id" in message)[-1]
            assert message["id"] == after, "nothing that was refused, and on the same connection"
    until_ready(athena)
    assert number(athena, "athena_ready", check="store") == 1
    until_logged(athena, f"{TXS}/{after}")
    athena.restart()
    assert {row["id"] for row in ok(athena, "GET", NOTIFICATIONS)["notifications"]} == {tx_id, after}


def test_a_stop_while_nothing_can_be_written(athena: Athena) -> None:
    with refusing_writes(athena):
        check_error(call(athena, "POST", TXS, OPENING), 503, "store_unavailable")
        athena.stop()


@pytest.mark.parametrize("file", ["athena.db", "athena.db-wal"])
def test_a_file_that_was_moved_away_and_put_back(file: str, athena: Athena) -> None:
    """Otherwise later writes would be acknowledged, and lost at the next start."""
    beginning = position(athena)
    tx_id = open_tx(athena)
    aside = athena.data / "aside"
    (athena.data / file).rename(aside)
    check_that_it_only_reads(athena, beginning, tx_id, "the files of athena.db are not where they were")
    (athena.data / file).touch()  # a replacement file does not help
    check_that_it_only_reads(athena, beginning, tx_id, "the files of athena.db are not where they were")
    aside.rename(athena.data / file)
    after = until_open(athena)
    until_ready(athena)
    athena.kill()
    athena.start()
    assert {row["id"] for row in ok(athena, "GET", NOTIFICATIONS)["notifications"]} == {tx_id, after}


def test_a_data_directory_that_is_gone(start_athena: StartAthena) -> None:
    athena = start_athena()
    tx_id = open_tx(athena)
    athena.data.rename(athena.data.with_name("elsewhere"))
    check_error(call(athena, "POST", TXS, OPENING), 503, "store_unavailable")
    error = call(athena, "GET", "/readyz").body["error"]
    assert "the files of athena.db are not where they were" in error
    assert "a disk that cannot be asked" in error
    athena.data.with_name("elsewhere").rename(athena.data)
    after = until_open(athena)
    athena.restart()
    assert {row["id"] for row in ok(athena, "GET", NOTIFICATIONS)["notifications"]} == {tx_id, after}
