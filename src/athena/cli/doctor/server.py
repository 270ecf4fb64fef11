"""Checks of a running server: what is on the port, whether it is ready, and that an edit arrives everywhere."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import urllib3

import athena
from athena.cli.credentials import find_key
from athena.cli.doctor.finding import Finding, failure, ok, warning
from athena.cli.doctor.round_trip import round_trip
from athena.client import Client, ClientError
from athena.client.errors import NotAthena, Refused, Unreachable

MOST_SKEW = 5.0
"""The tolerated difference between our clock and the server's, in seconds."""


def checks(url: str) -> Iterator[Finding]:
    """All checks, as far as a server responds."""
    key = find_key(url)
    try:
        with Client(url, key=key, timeout=5.0) as client:
            version = client.request("GET", "/healthz").get("version")
    except Unreachable as error:
        yield _nobody(url, error.why)
        return
    except (NotAthena, Refused) as error:
        yield failure(
            "server", str(error), "another program has this port: choose another with --port, and say so with --url"
        )
        return
    except ClientError as error:
        yield failure("server", str(error), "say where it is with --url or ATHENA_URL")
        return
    if version == athena.__version__:
        yield ok("server", f"Athena {version} answers at {url}")
    else:
        yield warning(
            "server",
            f"Athena {version} answers at {url}; this command is of {athena.__version__}",
            "restart the server after an upgrade",
        )
    yield _ready(url, key)
    yield from _skew(url)
    yield from round_trip(url, key)


def _nobody(url: str, why: str) -> Finding:
    """No server responds: can one be started there?"""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and ("certificate" in why or "TLS" in why):
            return failure("server", f"expected Athena at {url}, got {why}", "say how it is reached with --url")
        if error.errno == errno.EADDRINUSE:
            return failure(
                "port",
                f"something listens on {host}:{port}, and does not answer as Athena ({why})",
                "end it, or choose another port with --port, and say so with --url",
            )
        if error.errno == errno.EACCES:
            return failure(
                "port", f"you may not listen on port {port}", "choose one above 1023, or put a proxy in front"
            )
        return failure("server", f"nobody answers at {url}: {why}", "start it there, or say where it is with --url")
    return warning("server", f"nobody answers at {url}, and the port is free", "start it: athena serve")


def _ready(url: str, key: str | None) -> Finding:
    """The response of `/readyz`."""
    try:
        with Client(url, key=key, timeout=10.0) as client:
            client.request("GET", "/readyz")
    except ClientError as error:
        return failure("ready", str(error), "see the checks above, and what the server says in its log")
    return ok("ready", "the store takes changes, the disk has room, nothing waits")


def _skew(url: str) -> Iterator[Finding]:
    """Compare the server's clock with ours, to the second, by its Date header."""
    try:
        answer = urllib3.request("GET", f"{url}/healthz", timeout=5.0, retries=False)
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (urllib3.exceptions.HTTPError, KeyError, ValueError):
        return
    skew = time.time() - theirs
    if abs(skew) > MOST_SKEW:
        yield warning(
            "clock",
            f"this machine's is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} the server's",
            "see that both keep their time (NTP)",
        )
