"""The address of a client: the peer's, or the one that a trusted proxy reports."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from athena.errors import StartupError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as seen by IPv6-only hosts (RFC 6052)."""


class ClientAddress(NamedTuple):
    """The client's address, and the scheme that it used."""

    address: str
    scheme: str


class Proxies:
    """The proxies whose `X-Forwarded-*` headers are trusted; those of other peers are ignored."""

    def __init__(self, networks: Sequence[str]) -> None:
        try:
            self._networks: list[Network] = [ipaddress.ip_network(network, strict=False) for network in networks]
        except ValueError as error:
            raise StartupError(f"--behind-proxy: expected addresses or networks, got: {error}") from None

    def __bool__(self) -> bool:
        return bool(self._networks)

    def resolve(self, peer: str, scheme: str, forwarded_for: str, forwarded_proto: str) -> ClientAddress:
        """The client's address and scheme. `forwarded_for` is read from the right: each proxy appends the address it
        saw, so anything left of the first address that is not a trusted proxy may be forged."""
        if not self._trusts(peer):
            return ClientAddress(peer, scheme)
        address = peer
        for hop in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
            if _parsed(hop) is None:
                break
            address = hop
            if not self._trusts(hop):
                break
        proto = forwarded_proto.rpartition(",")[2].strip().lower()
        return ClientAddress(address, proto if proto in ("http", "https") else scheme)

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def counted_as(address: str) -> str:
    """The key under which limits count an address: the address itself, or the /64 of an IPv6 address. A /64 is a
    single subnet (RFC 4291 section 2.5.1), in which a client can take a new address for each attempt."""
    if ":" not in address:
        return address
    parsed = _parsed(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed or address)
    if parsed in _NAT64:
        return str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
