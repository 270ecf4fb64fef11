"""Handwritten HTTP, for requests that no library would send, and inspection of the server that receives them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.rawsocket import tcp
from tests.support.server import Athena

LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ((DEBUG|INFO|WARNING) [\w.]+: |ACCESS .* \d{3} [\d.]+ms\Z)"
)
"""The format of every log line, unless something went wrong."""


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Reply(NamedTuple):
    status: int
    headers: bytes
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, path: str | bytes, headers: bytes = b"", body: bytes = b"", credentials: bytes = b"") -> bytes:
    """A request, byte for byte; `headers` and `credentials` are whole lines."""
    target = path.encode("latin-1") if isinstance(path, str) else path
    return b"%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n%s" % (method.encode(), target, credentials, headers, body)


def exchange(athena: Athena, data: bytes) -> list[Reply]:
    """Send `data` and read to the end of the connection -> the responses.

    A caller that expects the server to keep the connection open must send `Connection: close` in the last request.
    Fails when the connection does not end.
    """
    received = b""
    with tcp(athena) as sock:
        try:
            sock.sendall(data)
        except OSError:
            pass  # the server answered and closed early
        try:
            while piece := sock.recv(65536):
                received += piece
        except ConnectionError:
            pass
    return replies(received)


def replies(data: bytes) -> list[Reply]:
    """Consecutive responses, each with a Content-Length (an interim one has no body)."""
    found = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"not an HTTP answer: {head[:200]!r}"
        match = re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*(?:\r\n|\Z)", head)
        assert match, f"not an HTTP answer: {head[:200]!r}"
        length = re.search(rb"\ncontent-length: (\d+)", head.lower())
        size = int(length[1]) if length else 0
        found.append(Reply(int(match[1]), head, data[:size]))
        data = data[size:]
    return found


def check_refusal(reply: Reply, status: int) -> None:
    """Check the documented shape of an error, from whichever layer it comes."""
    assert reply.status == status, reply
    assert b"content-type: application/json" in reply.headers.lower(), reply
    body = reply.json
    assert body["statusCode"] == status, body
    assert body["code"], body
    assert body["error"], body
    assert "Traceback" not in body["error"], body


def check_log(text: str) -> None:
    """Nothing failed, each line was written by the server, and contains no control characters from a client."""
    for line in text.split("\n")[:-1]:
        assert LOG_LINE.match(line), f"not a line of the server's, or an error: {line!r}\n{text[-3000:]}"
        assert not CONTROL.search(line), f"a control character: {line!r}"


def private_memory(athena: Athena) -> int:
    """Bytes that the server has written: heap and stacks, and modified pages of mapped files.

    Pages that it has only read, such as Python's code, are not counted. They are "private", too, while no other process
    maps them: 5 MiB that come and go with other servers on the machine.
    """
    rollup = Path(f"/proc/{athena.pid}/smaps_rollup").read_text()
    (line,) = [line for line in rollup.splitlines() if line.startswith("Anonymous:")]
    return int(line.split()[1]) * 1024
