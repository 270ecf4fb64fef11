"""`athena backup` under load and `athena restore`: equal up to its moment, a new epoch, and no bad copy is taken."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from tests.support.server import PATIENCE, Athena, run_athena
from websockets.sync.client import connect

JOBS = 20


def history(athena: Athena) -> list[tuple[str, int]]:
    """(id, step) of every row."""
    _, page = athena.request("GET", "/api/v3/notifications?limit=1000")
    return sorted((row["id"], row["on_step"]) for row in page["notifications"])


class Load:
    """Edits all jobs, each in a step of its own, as fast as it goes, and knows what was acknowledged."""

    def __init__(self, athena: Athena) -> None:
        self._athena = athena
        self._stop = threading.Event()
        self.acknowledged = [0] * JOBS
        self.rounds = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        for job in range(JOBS):
            opened = {"tx_id": f"job-{job}", "description": "A job", "on_step": 0}
            assert self._athena.request("POST", "/api/v3/webhooks/txs", opened)[0] == 201
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait(self, rounds: int) -> None:
        for _ in range(rounds):
            assert self.rounds.acquire(timeout=PATIENCE)

    def _run(self) -> None:
        step = 0
        while not self._stop.is_set():
            step += 1
            for job in range(JOBS):
                edit = {"status": "pending", "on_step": step}
                assert self._athena.request("PUT", f"/api/v3/webhooks/txs/job-{job}", edit)[0] == 200
                self.acknowledged[job] = step
            self.rounds.release()


def lost(steps: dict[str, int], acknowledged: list[int]) -> int:
    """How many jobs are further back than what was acknowledged before the copy was begun."""
    return sum(steps.get(f"job-{job}", -1) < step for job, step in enumerate(acknowledged))


def test_a_copy_under_load_is_the_history_at_one_moment(
    start_athena: Callable[..., Athena], athena: Athena, tmp_path: Path
) -> None:
    copy, naive = tmp_path / "copy.db", tmp_path / "naive.db"
    with Load(athena) as load:
        load.wait(5)
        before = list(load.acknowledged)
        shutil.copyfile(athena.data / "athena.db", naive)
        done = run_athena("backup", str(copy), "--data", str(athena.data))
        assert done.returncode == 0, done.stderr
        load.wait(2)  # it goes on all the time
    assert copy.stat().st_mode & 0o777 == 0o600

    data = tmp_path / "elsewhere"
    done = run_athena("restore", str(copy), "--data", str(data))
    assert done.returncode == 0, done.stderr
    restored = start_athena(data=data)
    steps = dict(history(restored))
    assert lost(steps, before) == 0
    assert max(steps.values()) - min(steps.values()) <= 1, "jobs take turns, so at one moment they are a step apart"
    db = apsw.Connection(str(data / "athena.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("PRAGMA integrity_check").get == "ok"
    seqs = [row[0] for row in db.execute("SELECT seq FROM change ORDER BY seq")]
    db.close()
    assert seqs == list(range(1, len(seqs) + 1))

    # The control: a plain copy of the file is not the history.
    taken = apsw.Connection(str(naive), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        found = {str(row[0]): int(str(row[1])) for row in taken.execute("SELECT id, on_step FROM notification")}
    except apsw.Error:
        found = {}
    taken.close()
    assert lost(found, before) > 0


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
