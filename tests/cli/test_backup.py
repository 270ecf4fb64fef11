"""`athena backup` and `athena restore`: a new epoch, bad copies are refused. Under load: `tests/faults/backup.py`."""

from __future__ import annotations

import json
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
