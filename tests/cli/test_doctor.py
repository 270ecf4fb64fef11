"""`athena doctor` against real servers, directories and proxies: a healthy setup, and each possible problem."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.apollo.proxy import Proxy
from tests.support.server import Athena, run_athena

Findings = dict[str, list[dict[str, Any]]]


def examine(url: str, data: Path, *flags: str, **variables: str) -> tuple[int, Findings]:
    """-> the exit status, and the findings by subject."""
    done = run_athena("doctor", "--url", url, "--data", str(data), "--json", *flags, variables=variables)
    assert done.stderr == b""
    findings: Findings = {}
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        assert bool(finding["advice"]) == (finding["level"] != "ok")
        findings.setdefault(finding["subject"], []).append(finding)
    return done.returncode, findings


def bad(findings: Findings, level: str = "failure") -> dict[str, str]:
    """subject -> finding, for the findings of one level."""
    return {
        subject: finding["found"] for subject, some in findings.items() for finding in some if finding["level"] == level
    }


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as some:
        return f"http://127.0.0.1:{some.getsockname()[1]}"


def test_all_is_well_and_nothing_is_left_behind(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--auth", "keys")
    status, findings = examine(athena.url, athena.data, "--thorough", ATHENA_DATA=str(athena.data))
    assert (status, bad(findings)) == (0, {})
    told = {"WebSocket", "event stream", "long poll"}
    assert told <= findings.keys()
    assert all(finding["level"] == "ok" for subject in told for finding in findings[subject])
    assert "every page is sound" in findings["history"][0]["found"]
    rows = run_athena("history", "--json", "--url", athena.url, variables={"ATHENA_DATA": str(athena.data)})
    assert (rows.returncode, rows.stdout) == (0, b"")


def test_it_reads_well(athena: Athena) -> None:
    done = run_athena("doctor", "--url", athena.url, "--data", str(athena.data))
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    assert lines[0] == f"ok      data directory  {athena.data}, being served"
    assert lines[-1] in ("All is well.", "It works, but look at the warnings.")


def test_without_a_server(tmp_path: Path) -> None:
    status, findings = examine(free_url(), tmp_path / "none")
    assert (status, bad(findings)) == (0, {})
    assert findings["server"][0]["level"] == "warning"
    assert "athena serve" in findings["server"][0]["advice"]
    assert not (tmp_path / "none").exists()


def test_a_port_that_something_else_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        threading.Thread(target=lambda: silent.accept()[0].close(), daemon=True).start()
        status, findings = examine(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
    assert status == 1
    assert "something listens" in bad(findings)["port"]


def test_a_web_server_that_is_not_athena(tmp_path: Path) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.handle_request).start()
        status, findings = examine(f"http://127.0.0.1:{other.server_port}", tmp_path)
    assert status == 1
    assert "expected Athena at" in bad(findings)["server"]


def test_a_directory_that_is_none_and_one_that_is_open(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    status, findings = examine(free_url(), file)
    assert status == 1
    assert "is no directory" in bad(findings)["data directory"]
    tmp_path.chmod(0o755)
    status, findings = examine(free_url(), tmp_path)
    assert status == 0
    assert "mode 755" in bad(findings, "warning")["data directory"]


@pytest.mark.parametrize(("damage", "words"), [("page", "damaged"), ("newer", "newer"), ("other", "damaged")])
def test_a_history_that_cannot_be_used(athena: Athena, damage: str, words: str) -> None:
    for number in range(200):
        athena.request("POST", "/api/v3/notifications", {"status": "success", "message": f"notice {number} " * 20})
    athena.stop()
    path = athena.data / "athena.db"
    if damage == "newer":
        db = apsw.Connection(str(path))
        db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        content = bytearray(path.read_bytes())
        start, end = (10, 20) if damage == "page" else (0, 1)
        content[start * 4096 : end * 4096] = b"\xff" * ((end - start) * 4096)
        path.write_bytes(content)
    status, findings = examine(athena.url, athena.data, "--thorough")
    assert status == 1
    assert words in bad(findings)["history"]


def test_a_disk_that_is_nearly_full(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--min-free-bytes", "900000000000000")
    status, findings = examine(athena.url, athena.data, ATHENA_MIN_FREE_BYTES="900000000000000")
    assert status == 1
    assert {"disk", "ready"} <= bad(findings).keys()


def test_keys_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "auth.db").write_bytes(b"no database" * 500)
    status, findings = examine("http://127.0.0.1:9", tmp_path)
    assert status == 1
    assert "auth.db: file is not a database" in bad(findings)["keys"]


def test_a_setting_that_is_none_is_said_to_be(athena: Athena) -> None:
    status, findings = examine(athena.url, athena.data, ATHENA_MIN_FREE_BYTES="64M")
    assert status == 1
    assert "ATHENA_MIN_FREE_BYTES: expected a whole number, got '64M'" in bad(findings)["disk"]


def test_keys_that_may_not(start_athena: Callable[..., Athena]) -> None:
    athena = start_athena("--auth", "keys")
    assert examine(athena.url, athena.data, ATHENA_KEY="ath_0123_x")[0] == 1
    for role, level in (("viewer", "failure"), ("reporter", "warning")):
        made = run_athena("keys", "create", "--name", role, "--role", role, "--data", str(athena.data))
        status, findings = examine(athena.url, athena.data, ATHENA_KEY=made.stdout.decode().strip())
        assert status == (level == "failure")
        subject = "edit" if level == "failure" else "history"
        assert role in bad(findings, level)[subject]


def test_a_proxy_in_the_way(athena: Athena) -> None:
    with Proxy(athena.port) as proxy:
        proxy.refuse_upgrade = proxy.buffer_sse = True
        status, findings = examine(proxy.url, athena.data)
    assert status == 1
    assert bad(findings).keys() == {"WebSocket", "event stream"}
    assert "buffer" in findings["event stream"][0]["advice"]
    assert findings["long poll"][0]["level"] == "ok"
