"""`athena backup` and `athena restore`: a new epoch, bad copies are refused. Under load: `tests/faults/backup.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.server import PATIENCE, Athena, run_athena
from websockets.sync.client import connect


def test_clients_of_the_old_history_are_told_to_start_anew(athena: Athena, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    athena.request("POST", "/api/v3/notifications", {"status": "success", "message": "in the copy"})
    assert run_athena("backup", str(copy), "--data", str(athena.data)).returncode == 0
    athena.request("POST", "/api/v3/notifications", {"status": "success", "message": "after it"})
    cursor = athena.request("GET", "/api/v3/notifications")[1]["cursor"]
    refused = run_athena("restore", str(copy), "--replace", "--data", str(athena.data))
    assert refused.returncode == 1
    assert b"another Athena is using" in refused.stderr
    athena.stop()

    assert run_athena("restore", str(copy), "--data", str(athena.data)).returncode == 1, "there is a history"
    done = run_athena("restore", str(copy), "--replace", "--data", str(athena.data))
    assert done.returncode == 0, done.stderr
    aside = Path(done.stdout.decode().rpartition(" ")[2].strip())
    assert aside.is_file()
    athena.start()
    _, page = athena.request("GET", "/api/v3/notifications")
    assert [row["message"] for row in page["notifications"]] == ["in the copy"]
    with connect(f"{athena.ws_url}?after={cursor}", proxy=None) as client:
        assert json.loads(client.recv(timeout=PATIENCE))["type"] == "reset"


@pytest.mark.parametrize("damage", ["page", "short", "newer", "other", "none"])
def test_a_bad_copy_is_refused_and_nothing_is_changed(athena: Athena, tmp_path: Path, damage: str) -> None:
    copy = tmp_path / "copy.db"
    for number in range(200):
        athena.request("POST", "/api/v3/notifications", {"status": "success", "message": f"notice {number} " * 20})
    assert run_athena("backup", str(copy), "--data", str(athena.data)).returncode == 0
    before = history_of(athena)
    athena.stop()
    content = bytearray(copy.read_bytes())
    if damage == "page":
        content[3 * 4096 : 9 * 4096] = b"\xff" * (6 * 4096)
    elif damage == "short":
        del content[len(content) // 2 :]
    elif damage == "newer":
        content[60:64] = (99).to_bytes(
            4
        )  # PRAGMA user_version (https://sqlite.org/fileformat2.html#user_version_number)
    elif damage == "other":
        content[68:72] = bytes(4)  # PRAGMA application_id
    copy.write_bytes(content)
    if damage == "none":
        copy.unlink()
    done = run_athena("restore", str(copy), "--replace", "--data", str(athena.data))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"athena: expected a usable copy of a history at {copy}")
    assert done.stderr.count(b"\n") == 1
    athena.start()
    assert history_of(athena) == before


def history_of(athena: Athena) -> list[str]:
    _, page = athena.request("GET", "/api/v3/notifications?limit=1000")
    return [row["id"] for row in page["notifications"]]


def test_a_file_that_is_there_is_not_overwritten(athena: Athena, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    assert run_athena("backup", str(there), "--data", str(athena.data)).returncode == 1
    assert there.read_text() == "mine"
    assert run_athena("backup", str(tmp_path / "x"), "--data", str(tmp_path / "nowhere")).returncode == 1
    assert not (tmp_path / "nowhere").exists()


def test_a_history_that_is_none_is_named_as_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "athena.db").write_text("garbage " * 1000)
    done = run_athena("backup", str(tmp_path / "copy"), "--data", str(tmp_path))
    assert done.returncode == 1
    assert "athena.db: file is not a database" in done.stderr.decode()
    assert not (tmp_path / "copy").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB, which only root can mount."""
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "athena-small", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_without_room_is_said_to_be_one(athena: Athena, small_disk: Path, tmp_path: Path) -> None:
    for number in range(2000):
        lines = "\n".join(json.dumps({"op": "open", "description": "x" * 200 + f"{number} {i}"}) for i in range(1000))
        athena.request("POST", "/api/v3/webhooks/txs/bulk", lines.encode(), {"Content-Type": "application/x-ndjson"})
        if (athena.data / "athena.db").stat().st_size > 4 * 1024 * 1024:
            break
    copy = small_disk / "copy.db"
    refused = run_athena("backup", str(copy), "--data", str(athena.data))
    assert refused.stderr.decode().startswith(f"athena: expected to write a new file at {copy}, got: it needs ")
    assert list(small_disk.iterdir()) == []

    whole = tmp_path / "copy.db"
    assert run_athena("backup", str(whole), "--data", str(athena.data)).returncode == 0
    refused = run_athena("restore", str(whole), "--data", str(small_disk / "data"))
    final = small_disk / "data/athena.db"
    assert refused.stderr.decode().startswith(f"athena: expected to write a new file at {final}, got: it needs ")
    assert [file.name for file in final.parent.iterdir()] == ["lock"]

    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    started = run_athena("serve", "--port", "0", "--data", str(small_disk / "data"))
    assert started.returncode == 1
    assert "athena.db: the disk is full; make room on it" in started.stderr.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_what_root_restores_belongs_to_the_owner_of_the_directory(athena: Athena, tmp_path: Path) -> None:
    copy, data = tmp_path / "copy.db", tmp_path / "service"
    assert run_athena("backup", str(copy), "--data", str(athena.data)).returncode == 0
    data.mkdir(0o700)
    os.chown(data, 12345, 12345)
    for replace in ((), ("--replace",)):
        assert run_athena("restore", str(copy), *replace, "--data", str(data)).returncode == 0
    assert run_athena("keys", "create", "--name", "x", "--role", "viewer", "--data", str(data)).returncode == 0
    assert {file.name: file.stat().st_uid for file in data.iterdir() if file.stat().st_uid != 12345} == {}


def test_a_damaged_history_is_named_at_the_start_and_nothing_is_restored_over_a_missing_copy(
    athena: Athena, tmp_path: Path
) -> None:
    athena.request("POST", "/api/v3/notifications", {"status": "success", "message": "m"})
    athena.stop()
    content = bytearray((athena.data / "athena.db").read_bytes())
    content[4096 : 20 * 4096] = b"\xff" * (19 * 4096)
    (athena.data / "athena.db").write_bytes(content)
    started = run_athena("serve", "--port", "0", "--auth", "none", "--data", str(athena.data))
    assert started.returncode == 1
    said = started.stderr.decode()
    assert "athena.db: database disk image is malformed" in said
    assert "athena restore --replace" in said
    missing = run_athena("restore", str(tmp_path / "none.db"), "--data", str(tmp_path / "new"))
    assert missing.stderr.decode().startswith("athena: expected a usable copy of a history")
    assert not (tmp_path / "new").exists()
    unreadable = run_athena("restore", "/dev/null/copy.db", "--data", str(tmp_path / "new"))
    assert unreadable.stderr.decode().startswith("athena: expected a usable copy of a history at /dev/null/copy.db")
