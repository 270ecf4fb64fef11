"""All settings, in one table: name, default and what it does.

Each is a flag of `athena serve` (`--tail-bytes`), an environment variable (`ATHENA_TAIL_BYTES`) and a row of
`docs/settings.md`; all three are made from `SETTINGS`. A flag goes before the variable, that before the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from athena.errors import StartupError


class Setting(NamedTuple):
    """One row of the table. `default`'s type is the setting's type. `client` settings belong to the commands that talk
    to a running Athena, all others to `athena serve`."""

    name: str
    default: str | int | float
    help: str
    client: bool = False

    @property
    def variable(self) -> str:
        return f"ATHENA_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


SETTINGS = (
    Setting("host", "127.0.0.1", "Address to listen on. Loopback only, until there is access control."),
    Setting("port", 8787, "Port to listen on; 0 picks a free one and prints it."),
    Setting("data", "./athena-data", "Directory that holds the history."),
    Setting("auth", "none", 'Access control. Only "none" so far: everyone on this machine may do everything.'),
    Setting("log_level", "info", "How much to log: debug, info, warning or error."),
    Setting("tail_bytes", 16 * 1024 * 1024, "Memory for the newest messages, shared by all clients, in bytes."),
    Setting("ping_interval", 25.0, "Seconds between keep-alive pings (WebSocket) and comments (SSE)."),
    Setting("ping_timeout", 60.0, "Seconds after an unanswered ping until a silent WebSocket is closed."),
    Setting("handshake_timeout", 10.0, "Seconds a client may take to send its request line and headers."),
    Setting(
        "slow_timeout", 60.0, "Seconds a client may make no progress on what it was sent; then it is closed (1013)."
    ),
    Setting("shutdown_timeout", 8.0, "Seconds that open requests have to finish after SIGTERM."),
    Setting("url", "http://127.0.0.1:8787", "Where the other commands find Athena.", client=True),
)
"""The table. Add a row, and the flag, the variable and the docs follow."""

BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one server, resolved. Durations are seconds, sizes bytes."""

    host: str
    port: int
    data: Path
    auth: str
    log_level: str
    tail_bytes: int
    ping_interval: float
    ping_timeout: float
    handshake_timeout: float
    slow_timeout: float
    shutdown_timeout: float


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Config:
    """The server's `Config` from flags (absent or None: not given), then `ATHENA_…` variables, then defaults.

    Raises `StartupError` naming the setting when a value is of the wrong type or out of range.
    """
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.client:
            continue
        given = flags.get(setting.name)
        raw = environ.get(setting.variable, setting.default) if given is None else given
        values[setting.name] = _convert(setting, raw)
    if values["auth"] != "none":
        raise StartupError(f"--auth: expected none, got {values['auth']!r}")
    if values["log_level"] not in ("debug", "info", "warning", "error"):
        raise StartupError(f"--log-level: expected debug, info, warning or error, got {values['log_level']!r}")
    if not 0 <= values["port"] <= 65535:
        raise StartupError(f"--port: expected 0 to 65535, got {values['port']}")
    return Config(**{**values, "data": Path(values["data"])})


def _convert(setting: Setting, raw: Any) -> str | int | float:
    kind = type(setting.default)
    try:
        value: str | int | float = kind(raw)
    except ValueError:
        number = "a whole number" if kind is int else "a number"
        raise StartupError(f"{setting.flag} or {setting.variable}: expected {number}, got {raw!r}") from None
    if setting.name != "port" and not isinstance(value, str) and not 0 < value < 1e12:
        raise StartupError(f"{setting.flag} or {setting.variable}: expected a number above 0, got {raw!r}")
    return value
