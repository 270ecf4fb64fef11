"""The decision about every request and every handshake: who is asking, from which page, and may they?

Without I/O, so that it costs microseconds: it reads what was sent, what is in memory and the monotonic clock, redeems
tickets, and queues entries for the audit log.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from athena.auth.access import Access
from athena.auth.addresses import Proxies, counted_as
from athena.auth.identity import NOBODY, Identity
from athena.auth.limits import AddressLimit, TokenBucket
from athena.auth.origins import Origins
from athena.auth.roles import Action
from athena.auth.secrets import PREFIXES, SHAPE
from athena.errors import BadCredentials, CredentialsInUrl, Forbidden, OriginNotAllowed, TooManyRequests, Unauthorized

COOKIE = "athena_session"
SUBPROTOCOL = "athena"
"""What a browser offers beside `athena.bearer.<secret>`: a WebSocket's handshake has no other place for it."""

_BEARER_PROTOCOL = "athena.bearer."
_COOKIES = re.compile(r"(?:^|;)\s*(__Host-)?athena_session=([^;\s]+)")
_SECRET = re.compile("|".join(PREFIXES))
RELEVANT = frozenset(
    {
        b"authorization",
        b"cookie",
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"sec-websocket-protocol",
        b"x-athena-page",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    }
)
OF_HANDSHAKES = RELEVANT - {b"sec-fetch-site", b"x-athena-page"}
"""What is looked at of a handshake. It is no request of a page for its own data: browsers name the page in `Origin`,
always."""

_SAFE = ("GET", "HEAD", "OPTIONS")


class Limits(NamedTuple):
    """Requests a second for viewers and for those who report, with bursts of `burst_seconds` worth; connections."""

    viewer_rate: float
    producer_rate: float
    burst_seconds: float
    per_address: int
    per_identity: int


MOST_SEARCHES = 8
"""Searches of one key, its sessions' included, that are read or wait to be."""

Headers = Mapping[bytes, str]
"""The headers that count, by their names in lower case."""


def relevant(headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes] = RELEVANT) -> Headers:
    """Of `headers` (names in lower case), those with one of `names`."""
    return {name: value.decode("latin-1") for name, value in headers if name in names}


class Caller:
    """What a request says about who asks. `peer` gives the address at the other end, if anybody wants to know."""

    __slots__ = ("_address", "_headers", "_peer", "_scheme", "method", "query")

    def __init__(self, method: str, query: str, headers: Headers, peer: Callable[[], str], scheme: str) -> None:
        self.method = method
        self.query = query
        self._headers = headers
        self._peer = peer
        self._scheme = scheme
        self._address: str | None = None  # of the peer, once it was asked for: later the connection may be over

    def header(self, name: bytes) -> str:
        """A header's value, empty when it is not there."""
        return self._headers.get(name, "")

    @property
    def origin(self) -> str:
        return self._headers.get(b"origin", "")

    def source(self, proxies: Proxies) -> tuple[str, str]:
        """(address of the client, scheme that it used)."""
        if self._address is None:
            self._address = self._peer()
        peer = self._address
        if not proxies:
            return peer, self._scheme
        return proxies.resolve(peer, self._scheme, self.header(b"x-forwarded-for"), self.header(b"x-forwarded-proto"))

    def parameter(self, name: str) -> str | None:
        """The last one of that name, as everywhere."""
        return dict(parse_qsl(self.query, keep_blank_values=True)).get(name)


class Gate:
    """Lets in, or raises: `Unauthorized`, `Forbidden`, `OriginNotAllowed`, `TooManyRequests`, `CredentialsInUrl`.

    `access` is None when there is no access control; then all are `NOBODY`, and only pages and names are looked at.
    """

    def __init__(self, access: Access | None, origins: Origins, proxies: Proxies, limits: Limits, attempts: float):
        """`attempts`: bad credentials a minute from one address."""
        self.access = access
        self.origins = origins
        self.proxies = proxies
        self._limits = limits
        self._bad = AddressLimit(attempts / 60, attempts)
        self._open: dict[str, int] = {}  # live connections, by address
        self._searches: dict[Identity, int] = {}

    # ---- pages -------------------------------------------------------------------------------------------------------
    def listed_origin(self, caller: Caller) -> str | None:
        """The origin of the page that asks, if it is one of the allow-list; None for our own pages and for programs.

        Raises `OriginNotAllowed` for every other page.
        """
        host = caller.header(b"host")
        if not self.origins.host_is_ours(host):
            self.deny("somebody", caller, "ask by another name", host[:100])
            raise OriginNotAllowed(f"the host name {host[:100]!r}")
        origin = caller.origin
        if not origin:
            return None
        if self.origins.is_listed(origin):
            return origin
        if self.origins.is_own(origin, caller.source(self.proxies)[1], host):
            return None
        self.deny("somebody", caller, "ask from another page", origin[:100])
        raise OriginNotAllowed(repr(origin[:100]))

    # ---- callers -----------------------------------------------------------------------------------------------------
    def admit(self, caller: Caller, action: Action, streams: bool = False) -> Identity:
        """Who is asking, if they may do `action`. `streams`: tickets count, and so do WebSocket subprotocols.

        The page has to be looked at before (`listed_origin`).
        """
        self.check_query(caller, streams)
        if self.access is None:
            return NOBODY
        self.access.check()
        try:
            identity = self._identify(self.access, caller, streams)
        except BadCredentials as error:
            self.deny("somebody", caller, "use bad credentials", str(error))
            raise self._limited(caller) or error from None
        except Forbidden as error:
            self.deny("somebody", caller, "use a token without a role", str(error))
            raise
        if not identity.allows(action):
            self.deny(str(identity), caller, action)
            raise Forbidden(action, identity.role)
        return identity

    def recall(self, digest: bytes | None, action: Action) -> Identity | None:
        """The identity behind an `Authorization` header with this fingerprint, if it was proved before and may do
        `action`; None when `admit` has to decide."""
        if self.access is None:
            return NOBODY
        identity = None if digest is None else self.access.recall(digest)
        return identity if identity is not None and identity.allows(action) else None

    def _identify(self, access: Access, caller: Caller, streams: bool) -> Identity:
        if authorization := caller.header(b"authorization"):
            return access.authorized(authorization)
        if streams:
            if ticket := caller.parameter("ticket"):
                return access.ticket(ticket)
            for offered in caller.header(b"sec-websocket-protocol").split(","):
                if offered.strip().startswith(_BEARER_PROTOCOL):
                    return access.bearer(offered.strip().removeprefix(_BEARER_PROTOCOL))
        if secret := self.cookie(caller):
            self._check_page(caller)
            return access.session(secret)
        raise Unauthorized

    def cookie(self, caller: Caller) -> str | None:
        """The session's secret, if the request carries one."""
        found = dict(_COOKIES.findall(caller.header(b"cookie")))
        # Only this very host can have set the first; the other, any page of a sibling domain, so under TLS it is none.
        encrypted = caller.source(self.proxies)[1] == "https"
        return found.get("__Host-") or (None if encrypted else found.get(""))

    def _check_page(self, caller: Caller) -> None:
        """A browser sends its cookie whoever makes it ask, so the page must be known. Browsers name it in `Origin`; for
        a page's own GETs they leave that out and say `Sec-Fetch-Site: same-origin` (Fetch Metadata); but not over plain
        http, where Apollo says `X-Athena-Page`: a page elsewhere would need a permission to say so, which none gets."""
        if caller.origin:  # then it was looked at
            return
        named = caller.header(b"sec-fetch-site") == "same-origin" or caller.header(b"x-athena-page")
        if caller.method in _SAFE and named:
            return
        self.deny("somebody", caller, "use a cookie without naming the page")
        raise OriginNotAllowed("a cookie without Origin")

    def check_query(self, caller: Caller, streams: bool = False) -> None:
        """Refuse secrets in an address, where logs and histories keep them; but for the ticket of a stream."""
        query = caller.query
        if not query or not (_SECRET.search(query) or ("%" in query and _SECRET.search(unquote(query)))):
            return
        for name, value in parse_qsl(query, keep_blank_values=True):
            if streams and name == "ticket" and value.startswith("att_"):
                continue
            if value.startswith(PREFIXES) or SHAPE.search(value) or SHAPE.search(name):
                shown = SHAPE.sub("…", name)[:40]
                self.deny("somebody", caller, "send a secret in an address", shown)
                raise CredentialsInUrl(shown)

    # ---- limits ------------------------------------------------------------------------------------------------------
    def count(self, identity: Identity) -> None:
        """One more request of this identity, and of those who vouched for it. (Not a live connection: how many there
        may be has a limit of its own.)"""
        if identity is NOBODY:
            return
        now = time.monotonic()
        one: Identity | None = identity
        while one is not None:  # or whoever has a key could have as much again by each session
            bucket = one.bucket
            if bucket is None:
                limits = self._limits
                rate = limits.producer_rate if one.allows("report") else limits.viewer_rate
                bucket = one.bucket = TokenBucket(rate, max(1.0, rate * limits.burst_seconds), now)
            wait = bucket.take(now)
            if wait:
                raise TooManyRequests("requests", int(wait) + 1)
            one = one.parent

    @contextmanager
    def searching(self, identity: Identity) -> Iterator[None]:
        """Somebody searches for as long as this lasts: that may read much, and goes on when they have left. Raises
        `TooManyRequests` where they, or others with the same key, do already."""
        *_, root = identity.chain()
        going_on = self._searches.get(root, 0)
        if going_on >= MOST_SEARCHES:
            raise TooManyRequests("searches at a time", 1)
        self._searches[root] = going_on + 1
        try:
            yield
        finally:
            self._searches[root] -= 1
            if not self._searches[root]:
                del self._searches[root]

    def _limited(self, caller: Caller) -> TooManyRequests | None:
        wait = self._bad.take(counted_as(caller.source(self.proxies)[0]))
        return TooManyRequests("attempts with bad credentials", wait) if wait else None

    def failed_sign_in(self, caller: Caller, error: BadCredentials) -> BadCredentials | TooManyRequests:
        """What to answer to a sign-in that failed."""
        self.deny("somebody", caller, "sign in", str(error))
        return self._limited(caller) or error

    def connect(self, identity: Identity, caller: Caller) -> Permit:
        """Take a place for a live connection; its `release` gives it back. Raises `TooManyRequests`."""
        address = caller.source(self.proxies)[0]
        counted = address not in ("", "::1") and not address.startswith("127.")
        if identity.connections >= self._limits.per_identity:
            raise TooManyRequests("live connections with this key", 30)
        where = counted_as(address) if counted else ""
        if counted and self._open.get(where, 0) >= self._limits.per_address:
            raise TooManyRequests("live connections from this address", 30)
        identity.connections += 1
        if not counted:
            return identity  # shared by all of them: a connection costs nothing
        self._open[where] = self._open.get(where, 0) + 1
        return ConnectionSlot(identity, where, self._open)

    # ---- the record --------------------------------------------------------------------------------------------------
    def deny(self, who: str, caller: Caller, action: str, detail: str = "") -> None:
        """Note in the audit log that somebody was refused."""
        if self.access is not None:
            self.access.audit.deny(who, caller.source(self.proxies)[0], action, detail)


class ConnectionSlot:
    """A live connection's place among those of its identity and address."""

    __slots__ = ("_address", "_identity", "_open")

    def __init__(self, identity: Identity, address: str, open_: dict[str, int]) -> None:
        self._identity = identity
        self._address = address
        self._open = open_

    def ended(self) -> bool:
        return self._identity.ended()

    def release(self) -> None:
        self._identity.release()
        left = self._open[self._address] - 1
        if left:
            self._open[self._address] = left
        else:
            del self._open[self._address]


Permit = Identity | ConnectionSlot
