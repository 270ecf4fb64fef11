"""The server that faults are injected into: `athena serve` itself, with a test module that Python loads first."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.calls import ok
from tests.support.server import Athena

ROOT = Path(__file__).parents[2]
INJECT = Path(__file__).with_name("inject")


WEBSOCKETS = 'athena_clients{transport="websocket"}'


def server(data: Path, *flags: str, faults: str | None = None, port: int = 0, **variables: str) -> Athena:
    """An Athena (not yet started) whose process has the variants `faults` (comma-separated names)."""
    if faults is not None:
        variables |= {"PYTHONPATH": f"{INJECT}:{ROOT}", "FAULTS": faults}
    return Athena(data, "--access-log", "off", *flags, port=port, variables=variables)


def keep_for(seconds: float) -> tuple[str, str]:
    """The flag that deletes finished rows after `seconds`."""
    return "--keep-days", f"{seconds / 86_400:.9f}"


def metric(athena: Athena, name: str) -> float:
    """One number of `/metrics`."""
    text = ok(athena, "GET", "/metrics")
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def descriptors(athena: Athena) -> int:
    """Open files and sockets of the server."""
    return len(list(Path(f"/proc/{athena.pid}/fd").iterdir()))
