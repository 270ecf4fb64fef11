"""Reads ordinary request heads without a parser.

It need not say what is wrong with a head, nor accept every valid one: the HTTP protocol does both.
"""

from __future__ import annotations

import re

HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?\Z")
"""RFC 3986 section 3.2.2: a name or IPv4 address, or an IPv6 address in brackets, and a port."""

LINE = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}:[\t -~]{0,4096}\r\n"
"""The pattern of a header line (RFC 9110 sections 5.1, 5.5)."""


def header_lines(lines: bytes) -> dict[bytes, bytes] | None:
    """The headers in lines of that pattern, names in lower case; None when a name occurs twice or the host is invalid
    (RFC 9112 section 3.2)."""
    headers: dict[bytes, bytes] = {}
    each = lines.split(b"\r\n")
    each.pop()  # what follows the last line break
    for line in each:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip(b" \t")
    return headers if len(headers) == len(each) and HOST.match(headers.get(b"host", b"?")) else None
