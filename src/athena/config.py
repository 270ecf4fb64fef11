"""All settings, in one table: name, default and what it does.

Each is a flag of `athena serve` (`--tail-bytes`), an environment variable (`ATHENA_TAIL_BYTES`) and a row of
`docs/settings.md`; all three are made from `SETTINGS`. A flag overrides the variable, which overrides the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from athena.errors import StartupError


class Setting(NamedTuple):
    """One row of the table. The type of `default` is the setting's type; a list is a string separated by commas.

    `client` settings belong to the commands that talk to a running Athena, all others to `athena serve`. `allow_zero`:
    0 is accepted.
    """

    name: str
    default: str | int | float | bool
    help: str
    group: str = "The server"
    client: bool = False
    allow_zero: bool = False
    secret: bool = False
    """Has no flag: anyone on the machine can read the flags of a running command."""

    @property
    def variable(self) -> str:
        return f"ATHENA_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return "" if self.secret else f"--{self.name.replace('_', '-')}"


SERVER, ACCESS, SIGN_ON, LIMITS, LOGS, CLIENT = (
    "The server",
    "Access",
    "Sign-on by tokens (JWT)",
    "Limits",
    "Logs",
    "The other commands",
)

SETTINGS = (
    Setting("host", "127.0.0.1", "Address to listen on. Beyond loopback it needs TLS, or to be told that it does not."),
    Setting("port", 8787, "Port to listen on; 0 picks a free one and prints it.", allow_zero=True),
    Setting("data", "./athena-data", "Directory that holds the history, the keys and the audit log."),
    Setting(
        "keep_days", 365.0, "Days that finished rows are kept, then they are gone; 0 is for ever.", allow_zero=True
    ),
    Setting(
        "min_free_bytes",
        64 * 1024 * 1024,
        "Free bytes on the data's disk below which /readyz says 503; 0 is never.",
        allow_zero=True,
    ),
    Setting("tail_bytes", 16 * 1024 * 1024, "Memory for the newest messages, shared by all clients, in bytes."),
    Setting("ping_interval", 25.0, "Seconds between keep-alive pings (WebSocket) and comments (SSE)."),
    Setting("ping_timeout", 60.0, "Seconds after an unanswered ping until a silent WebSocket is closed."),
    Setting(
        "slow_timeout", 60.0, "Seconds a client may make no progress on what it was sent; then it is closed (1013)."
    ),
    Setting("shutdown_timeout", 8.0, "Seconds that open requests have to finish after SIGTERM."),
    Setting(
        "auth",
        "keys",
        "Access control: keys, or none (then everyone on this machine may do everything; loopback only).",
        ACCESS,
    ),
    Setting("tls_cert", "", "Certificate chain, a PEM file: serve https and wss, TLS 1.2 or newer.", ACCESS),
    Setting("tls_key", "", "The certificate's private key, a PEM file.", ACCESS),
    Setting(
        "behind_proxy",
        "",
        "Addresses or networks of proxies that do TLS, with commas between; only their X-Forwarded-* is believed.",
        ACCESS,
    ),
    Setting("insecure", False, "Listen beyond loopback without TLS: keys cross the network in the clear.", ACCESS),
    Setting(
        "public_url", "", "Where browsers find Athena, such as https://athena.example; for a proxy's name.", ACCESS
    ),
    Setting("allow_origin", "", "Origins of other pages that may use Athena, such as https://console.example.", ACCESS),
    Setting("frame_ancestors", "'none'", "Who may show Athena's own pages in a frame (CSP frame-ancestors).", ACCESS),
    Setting("session_idle", 8 * 3600.0, "Seconds without a request until a session ends.", ACCESS),
    Setting("session_lifetime", 24 * 3600.0, "Seconds until a session ends in any case.", ACCESS),
    Setting("ticket_lifetime", 30.0, "Seconds a ticket can be used, once.", ACCESS),
    Setting("link_lifetime", 300.0, "Seconds a sign-in link can be used, once.", ACCESS),
    Setting("jwt_issuer", "", "The identity provider's name in its tokens (iss). Turns tokens on.", SIGN_ON),
    Setting("jwt_audience", "", "Whom tokens have to be made for (aud).", SIGN_ON),
    Setting("jwks_url", "", "Where the identity provider publishes its keys; https.", SIGN_ON),
    Setting("jwt_secret_file", "", "File with a shared secret of 32 bytes or more, instead of --jwks-url.", SIGN_ON),
    Setting(
        "jwt_algorithms", "RS256,ES256", "Signatures that are accepted; HS256 and its like need a secret.", SIGN_ON
    ),
    Setting("jwt_role_claim", "roles", "The claim that gives the role: a name, several, or a list of them.", SIGN_ON),
    Setting(
        "jwt_roles",
        "viewer=viewer,reporter=reporter,manager=manager",
        "What the claim's values mean here: value=role, with commas between.",
        SIGN_ON,
    ),
    Setting("handshake_timeout", 10.0, "Seconds a client may take to send its request line and headers.", LIMITS),
    Setting("body_timeout", 30.0, "Seconds in which a request's body has to make progress.", LIMITS),
    Setting(
        "idle_timeout",
        75.0,
        "Seconds that an HTTP connection stays open between two requests, or while nothing of an answer is taken; more "
        "than a proxy in front keeps its own.",
        LIMITS,
    ),
    Setting("max_head_bytes", 64 * 1024, "Bytes of a request's line and headers.", LIMITS),
    Setting("max_body_bytes", 1024 * 1024, "Bytes of a request's body.", LIMITS),
    Setting("max_bulk_bytes", 16 * 1024 * 1024, "Bytes of a bulk's body.", LIMITS),
    Setting(
        "connections_per_address",
        1000,
        "Live connections from one address; those of this machine are not counted.",
        LIMITS,
    ),
    Setting("connections_per_identity", 100_000, "Live connections with one key, session or token.", LIMITS),
    Setting("viewer_rate", 1000.0, "Requests a second of one viewer, with bursts of ten seconds' worth.", LIMITS),
    Setting(
        "producer_rate",
        50_000.0,
        "Requests a second of one reporter or manager, with bursts of ten seconds' worth.",
        LIMITS,
    ),
    Setting("bad_credentials", 20, "Bad keys, tokens and sign-ins a minute from one address.", LIMITS),
    Setting("log_level", "info", "How much to log: debug, info, warning or error.", LOGS),
    Setting("log_format", "text", "text, or json: an object a line.", LOGS),
    Setting("access_log", "on", "A line a request: on, errors (4xx and 5xx alone) or off.", LOGS),
    Setting("url", "http://127.0.0.1:8787", "Where Athena is.", CLIENT, client=True),
    Setting(
        "key",
        "",
        "The API key they use. Without one: that of the data directory, on the machine that serves it.",
        CLIENT,
        client=True,
        secret=True,
    ),
)
"""The table. The flag, the variable and the documentation are derived from each row."""

BY_NAME = {setting.name: setting for setting in SETTINGS}

CHOICES = {
    "auth": ("keys", "none"),
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("text", "json"),
    "access_log": ("on", "errors", "off"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of one server, resolved. Durations are seconds, sizes bytes, rates per second."""

    host: str
    port: int
    data: Path
    keep_days: float
    min_free_bytes: int
    tail_bytes: int
    ping_interval: float
    ping_timeout: float
    slow_timeout: float
    shutdown_timeout: float
    auth: str
    tls_cert: str
    tls_key: str
    behind_proxy: tuple[str, ...]
    insecure: bool
    public_url: str
    allow_origin: tuple[str, ...]
    frame_ancestors: str
    session_idle: float
    session_lifetime: float
    ticket_lifetime: float
    link_lifetime: float
    jwt_issuer: str
    jwt_audience: str
    jwks_url: str
    jwt_secret_file: str
    jwt_algorithms: tuple[str, ...]
    jwt_role_claim: str
    jwt_roles: tuple[str, ...]
    handshake_timeout: float
    body_timeout: float
    idle_timeout: float
    max_head_bytes: int
    max_body_bytes: int
    max_bulk_bytes: int
    connections_per_address: int
    connections_per_identity: int
    viewer_rate: float
    producer_rate: float
    bad_credentials: int
    log_level: str
    log_format: str
    access_log: str


LISTS = ("behind_proxy", "allow_origin", "jwt_algorithms", "jwt_roles")


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
        values[setting.name] = convert(setting, raw)
    for name, choices in CHOICES.items():
        if values[name] not in choices:
            raise StartupError(f"{BY_NAME[name].flag}: expected {' or '.join(choices)}, got {values[name]!r}")
    if values["port"] > 65535:
        raise StartupError(f"--port: expected 0 to 65535, got {values['port']}")
    if any(mark in values["frame_ancestors"] for mark in ";,"):  # it would begin another directive of the policy
        raise StartupError("--frame-ancestors: expected sources with blanks between them, without ; and ,")
    for name in LISTS:
        values[name] = tuple(part.strip() for part in values[name].split(",") if part.strip())
    return Config(**{**values, "data": Path(values["data"])})


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """`ATHENA_…` variables that stand for no setting: most likely one that is misspelled."""
    known = {setting.variable for setting in SETTINGS}
    return sorted(name for name in environ if name.startswith("ATHENA_") and name not in known)


def convert(setting: Setting, raw: Any) -> str | int | float | bool:
    """The value of a flag or a variable. Raises `StartupError` if it is invalid."""
    kind = type(setting.default)
    name = f"{setting.flag} or {setting.variable}"
    if kind is bool:
        if str(raw).lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
            raise StartupError(f"{name}: expected true or false, got {raw!r}")
        return str(raw).lower() in ("true", "1", "yes", "on")
    try:
        value: str | int | float = kind(raw)
    except ValueError:
        number = "a whole number" if kind is int else "a number"
        raise StartupError(f"{name}: expected {number}, got {raw!r}") from None
    if not isinstance(value, str):
        if setting.allow_zero and not 0 <= value < 1e15:
            raise StartupError(f"{name}: expected a number from 0, got {raw!r}")
        if not setting.allow_zero and not 0 < value < 1e15:
            raise StartupError(f"{name}: expected a number above 0, got {raw!r}")
    return value
