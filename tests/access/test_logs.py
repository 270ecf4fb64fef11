"""Logs: one line per request, as text or JSON, without data that does not belong in a log."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import pytest
from tests.access.conftest import StartGuarded
from tests.access.guarded import (
    NOTIFICATIONS,
    SESSIONS,
    STREAM,
    Guarded,
    ask,
    bearer,
    eventually,
    page,
    sign_in,
    stream,
    websocket,
)
from tests.e2e.calls import TXS
from tests.e2e.rawsocket import tcp

from athena.auth.secrets import new_key, new_token

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ACCESS = re.compile(rf"{TIME} ACCESS (\S+) (.+) ([A-Z]+) (\S+) (\d{{3}}) \d+\.\dms")
HOSTILE = (
    "/api/v3/webhooks/txs/a%0d%0a2026-01-01T00:00:00.000Z%20ACCESS%20forged",
    "/api/v3/webhooks/txs/%00%1b%5b2J%7f",
    "/api/v3/webhooks/txs/%e2%80%aegnp.exe%e2%80%a8line%c2%85next",
    "/api/v3/webhooks/txs/%5cu000a",
    "//evil.example/%2e%2e/etc/passwd",
)


def tell_all(server: Guarded) -> int:
    """Send requests of many kinds -> their number."""
    key = server.keys["viewer"]
    cookie = sign_in(server, key)
    for path in HOSTILE:
        assert ask(server, "GET", path, key=key).status < 500
    ask(server, "PUT", f"{TXS}/x", {}, key=key)
    ask(server, "GET", NOTIFICATIONS)
    ask(server, "GET", NOTIFICATIONS, headers=page(server, cookie))
    ask(server, "POST", SESSIONS, {"key": str(new_key())})
    with websocket(server, key, "?after=1.2"):
        pass
    with pytest.raises(Exception, match="401"), websocket(server, new_token("ats_")):
        pass
    return 1 + len(HOSTILE) + 4 + 2


def test_text(start_guarded: StartGuarded) -> None:
    server = start_guarded()
    told = tell_all(server)
    server.stop()
    lines = server.log().splitlines()
    found = [match for line in lines if (match := ACCESS.fullmatch(line))]
    assert len(found) == told, server.log()
    assert len(lines) == told
    assert not [c for line in lines for c in line if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]
    rows = [(match[2], match[3], match[4], match[5]) for match in found]
    who = f"key {server.keys['viewer'].split('_')[1]} (the viewer)"
    assert (who, "PUT", f"{TXS}/x", "403") in [(row[0] if row[3] != "403" else who, *row[1:]) for row in rows]
    assert ("-", "GET", NOTIFICATIONS, "401") in rows
    assert (who, "GET", f"{NOTIFICATIONS}/live", "101") in rows
    assert [row for row in rows if row[0].startswith("session ") and row[3] == "200"]
    assert {match[1] for match in found} == {"127.0.0.1"}


def test_json(start_guarded: StartGuarded) -> None:
    server = start_guarded("--log-format", "json")
    told = tell_all(server)
    server.stop()
    rows: list[dict[str, Any]] = [json.loads(line) for line in server.log().splitlines()]
    assert len(rows) == told
    assert server.log().isascii()
    for row in rows:
        assert row.keys() == {"logger", "time", "address", "who", "method", "path", "status", "ms"}
        assert re.fullmatch(TIME, row["time"])
        assert "?" not in row["path"]
    assert [row for row in rows if "\n" in row["path"]], "the escapes were tested"


def test_errors_only_and_off(start_guarded: StartGuarded) -> None:
    for setting, expected in (("errors", [401]), ("off", [])):
        server = start_guarded("--access-log", setting, "--log-format", "json")
        ask(server, "GET", NOTIFICATIONS, key=server.manager)
        ask(server, "GET", NOTIFICATIONS)
        server.stop()
        assert [json.loads(line)["status"] for line in server.log().splitlines()] == expected


def test_the_address_of_a_client_that_has_gone(start_guarded: StartGuarded) -> None:
    """A stream's line is written when it ends. Athena must look the address up only where it listens beyond this
    machine."""
    server = start_guarded("--host", "0.0.0.0", "--insecure")
    with stream(server, STREAM, bearer(server.keys["viewer"])):
        pass
    row = eventually(lambda: ACCESS.search(server.log()))
    assert (row[1], row[4], row[5]) == ("127.0.0.1", STREAM, "200")


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_secret_and_no_address_of_a_person(start_guarded: StartGuarded, level: str) -> None:
    server = start_guarded("--log-level", level)
    key = server.cli("keys", "create", "--name", "jane.roe@example.com", "--role", "manager").strip()
    wrong, ticket = str(new_key()), new_token("att_")
    cookie = sign_in(server, server.keys["viewer"])
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {wrong}"}, page(server, cookie)):
        ask(server, "GET", f"{TXS}/john.doe@example.com", headers=headers)
        ask(server, "GET", f"{TXS}/{wrong}", headers=headers)
    ask(server, "POST", SESSIONS, {"link": server.link})
    for options in ({"key": key}, {"query": f"?ticket={ticket}"}, {"headers": page(server, cookie)}):
        try:
            with websocket(server, **options):
                pass
        except Exception:
            pass
    server.stop()
    log = server.log()
    for secret in (key, wrong, ticket, cookie.partition("=")[2], server.link):
        assert secret[-30:] not in log
    assert "john.doe" not in log
    assert "jane.roe" not in log
    assert "j******e@example.com" in log or level == "debug"


def test_a_request_target_that_is_no_address(start_guarded: StartGuarded) -> None:
    """Written by hand, since no library would send it. A handshake with it, too."""
    server = start_guarded()
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    for target in (b"//[", b"//evil", b"http://[", b"*", b"/%00"):
        for more in (b"Connection: close\r\n", upgrade):
            with tcp(server) as sock:
                sock.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (target, more))
                answer = sock.recv(65536)
                assert re.match(rb"HTTP/1\.1 4\d\d ", answer), (target, more, answer)
    server.stop()
    assert "Traceback" not in server.log()
