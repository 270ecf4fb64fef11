"""A real Athena for tests: `athena serve` as a separate process, on a free port, with its own data directory.

    def test_something(athena: Athena) -> None:
        status, answer = athena.request("PUT", "/api/v3/webhooks/txs/x", {"status": "success"})

Nothing here waits by sleeping: a server is up when it reports so on its standard output.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

ATHENA = str(Path(sys.executable).with_name("athena"))
"""The installed command of the environment that runs the tests."""

PATIENCE = 30.0
"""Seconds after which a test gives up on something that should take a fraction of one; a wide margin for busy CI."""

ANNOUNCEMENT = "Athena is listening on "


def environment(**variables: str) -> dict[str, str]:
    """The environment for a command under test: this one without `ATHENA_…` and terminal settings, and `variables`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ATHENA_") and name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR")
    }
    return {**kept, **variables}


class Athena:
    """One server, which can be stopped, killed and started again on the same data and port.

    Use it as a context manager (or through the fixtures `athena` and `start_athena`): leaving it kills a running
    server. `flags` are further arguments of `athena serve`. Without `--auth` among them there is no access control:
    most tests are about something else. What the server logs is in `log_file`, over all restarts.
    """

    def __init__(self, data: Path, *flags: str, port: int = 0, variables: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.flags = flags
        self.port = port
        self.log_file = data.with_name(f"{data.name}.log")
        self._environment = environment(**(variables or {}))
        self._process: subprocess.Popen[bytes] | None = None
        self._stdout: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    # ---- the process ---------------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Start the server and wait until it listens. Fails with the server's log when it ends instead."""
        assert self._process is None, "this Athena is running already"
        command = [ATHENA, "serve", "--port", str(self.port), "--data", str(self.data)]
        command += [*([] if "--auth" in self.flags else ["--auth", "none"]), *self.flags]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self._environment
            )
        self._stdout = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_stdout, args=(self._process, self._stdout))
        self._reader.start()
        try:
            self.port = self._announced_port()
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """SIGTERM; the server must end with exit status 0 (it promises to within 10 s)."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE)
        self._forget()
        assert status == 0, f"expected exit status 0 after SIGTERM, got {status}\n{self.log()}"

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process. Does nothing when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._forget()

    def restart(self) -> Self:
        """Start again on the same data and port; stops it first if it is still running."""
        if self._process is not None:
            self.stop()
        return self.start()

    def ended(self) -> int:
        """Wait until the server exits by itself -> its exit status."""
        return self._running().wait(PATIENCE)

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """What the server has written to stderr so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # ---- talking to it -------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The URL of the WebSocket endpoint; append `?after=…` to resume."""
        return f"ws://127.0.0.1:{self.port}/api/v3/notifications/live"

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request on a connection of its own: (status, decoded JSON; the text if it is not JSON; None if empty).

        `body` is sent as JSON, unless it is `bytes`, which are sent as they are (set a Content-Type in `headers`).
        """
        sent: bytes | None = None
        sent_headers = dict(headers or {})
        if isinstance(body, bytes):
            sent = body
        elif body is not None:
            sent = json.dumps(body).encode()
            sent_headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, sent, sent_headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, _decoded(content)

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first row of the history, or else the first change pushed from now on, that is `wanted`."""
        _, page = self.request("GET", "/api/v3/notifications?limit=1000")
        rows, cursor = page["notifications"], page["cursor"]
        deadline = time.monotonic() + PATIENCE
        while not (found := [row for row in rows if wanted(row)]):
            assert time.monotonic() < deadline, f"nothing of that kind came within {PATIENCE:.0f} s"
            _, page = self.request("GET", f"/api/v3/notifications/changes?after={quote(cursor)}&wait=10")
            rows, cursor = page["messages"], page["cursor"]
        return found[0]  # type: ignore[no-any-return]

    # ---- inside --------------------------------------------------------------------------------------------------
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "this Athena is not running"
        return self._process

    def _announced_port(self) -> int:
        while (line := self._next_line()) is not None:
            if line.startswith(ANNOUNCEMENT):
                return int(line.rstrip("/").rpartition(":")[2])
        raise AssertionError(f"expected a line {ANNOUNCEMENT!r}…, got the end of the server\n{self.log()}")

    def _next_line(self) -> str | None:
        try:
            return self._stdout.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"the server said nothing for {PATIENCE:.0f} s\n{self.log()}") from None

    @staticmethod
    def _read_stdout(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[str | None]) -> None:
        """Read everything that the server prints while it lives, so that it never blocks on a full pipe."""
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.decode(errors="replace").rstrip("\n"))
        lines.put(None)

    def _forget(self) -> None:
        if self._reader is not None:
            self._reader.join(PATIENCE)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = self._reader = None


def _decoded(content: bytes) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def run_athena(
    *arguments: str, variables: Mapping[str, str] | None = None, stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run another `athena` command to its end; output as bytes, as a pipe sees it."""
    return subprocess.run(
        [ATHENA, *arguments],
        input=stdin,
        capture_output=True,
        env=environment(**(variables or {})),
        cwd=cwd,
        timeout=2 * PATIENCE,
        check=False,
    )
