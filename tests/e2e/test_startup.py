"""Starts that cannot succeed end with one clear sentence, and harm nothing."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.e2e.calls import ok, open_tx
from tests.e2e.expect import tx_path
from tests.support.server import Athena, run_athena


def refused(*flags: str) -> str:
    """`athena serve` exits by itself with a failure and one clear sentence -> that sentence."""
    ended = run_athena("serve", *flags)
    said = ended.stderr.decode()
    assert ended.returncode not in (0, -signal.SIGKILL), said
    assert ended.returncode > 0, "it was ended by a signal"
    assert "Traceback" not in said
    assert b"Athena is listening" not in ended.stdout
    assert said.strip(), "it said nothing"
    return " ".join(said.split())


def test_a_second_server_on_the_same_data_is_refused(athena: Athena) -> None:
    tx_id = open_tx(athena)
    said = refused("--port", "0", "--data", str(athena.data))
    assert "another Athena is using" in said
    assert ok(athena, "GET", tx_path(tx_id))["status"] == "pending"
    athena.kill()
    athena.start()  # the remains of a killed server lock no one out
    assert ok(athena, "GET", tx_path(tx_id))["status"] == "pending"


def bad_data(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "file"
    file.write_text("not a directory")
    yield file
    yield file / "below"
    yield Path("/proc/nowhere")


def test_unusable_data_directories_are_refused(tmp_path: Path) -> None:
    for data in bad_data(tmp_path):
        said = refused("--port", "0", "--data", str(data))
        assert "expected a usable data directory" in said, said


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "athena.db").write_bytes(b"this is no database, and must not become one" * 100)
    refused("--port", "0", "--data", str(data))
    assert (data / "athena.db").read_bytes().startswith(b"this is no database")


def test_a_database_of_a_newer_athena_is_refused(athena: Athena) -> None:
    open_tx(athena)
    athena.stop()
    database = apsw.Connection(str(athena.data / "athena.db"))
    (version,) = next(iter(database.execute("PRAGMA user_version")))
    if version == 0:
        database.close()
        pytest.fail("expected the schema's version in PRAGMA user_version")
    database.execute(f"PRAGMA user_version = {version + 1}")
    database.close()
    assert "newer Athena" in refused("--port", "0", "--data", str(athena.data))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_addresses_than_loopback_need_to_be_safe(host: str, tmp_path: Path) -> None:
    flags = ("--port", "0", "--host", host, "--data", str(tmp_path / "data"))
    assert "loopback" in refused(*flags, "--auth", "none")
    assert all(way in refused(*flags) for way in ("--tls-cert", "--behind-proxy", "--insecure"))


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused("--port", str(port), "--data", str(tmp_path / "data"))
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


@pytest.mark.parametrize(
    "flags", [("--port", "65536"), ("--tail-bytes", "0"), ("--auth", "magic"), ("--ping-interval", "nan")]
)
def test_settings_that_make_no_sense_are_refused(flags: tuple[str, str], tmp_path: Path) -> None:
    said = refused("--data", str(tmp_path / "data"), *flags)
    assert flags[0] in said or flags[0].removeprefix("--") in said
    assert not (tmp_path / "data").exists()


def test_the_database_may_be_a_symbolic_link(athena: Athena, tmp_path: Path) -> None:
    """SQLite keeps the log beside the target of the link."""
    tx_id = open_tx(athena)
    athena.stop()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (athena.data / "athena.db").rename(elsewhere / "athena.db")
    (athena.data / "athena.db").symlink_to(elsewhere / "athena.db")
    athena.start()
    later = open_tx(athena)
    assert (elsewhere / "athena.db-wal").exists()
    athena.restart()
    assert [ok(athena, "GET", tx_path(one))["tx_id"] for one in (tx_id, later)] == [tx_id, later]
