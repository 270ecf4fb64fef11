"""Authorizes every request and every handshake: who is the caller, from which page, and is the action allowed?

No I/O, so it takes microseconds: it reads the request, the state in memory and the monotonic clock, redeems tickets,
and queues entries for the audit log.
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
"""Offered by browsers beside `athena.bearer.<secret>`: they cannot set headers on a WebSocket handshake."""

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
"""The headers that count in a handshake. The two left out only identify a page that sends no `Origin`, and browsers
always send one with a handshake."""

_SAFE = ("GET", "HEAD", "OPTIONS")


class Limits(NamedTuple):
    """Requests a second for viewers and for producers, with bursts of `burst_seconds` worth; live connections."""

    viewer_rate: float
    producer_rate: float
    burst_seconds: float
    per_address: int
    per_identity: int


MOST_SEARCHES = 8
"""Searches of one key, including those of its sessions, that are running or queued."""

Headers = Mapping[bytes, str]
"""The relevant headers, by lower-case name."""


def relevant(headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes] = RELEVANT) -> Headers:
    """Those of `headers` (lower-case names) whose name is in `names`."""
    return {name: value.decode("latin-1") for name, value in headers if name in names}


class Caller:
    """What a request says about its caller. `peer` returns the peer's address, and is called only when it is needed."""

    __slots__ = ("_address", "_headers", "_peer", "_scheme", "method", "query")

    def __init__(self, method: str, query: str, headers: Headers, peer: Callable[[], str], scheme: str) -> None:
        self.method = method
        self.query = query
        self._headers = headers
        self._peer = peer
        self._scheme = scheme
        self._address: str | None = None  # of the peer, once it was asked for: later the connection may be over

    def header(self, name: bytes) -> str:
        """The value of a header, empty when it is absent."""
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
        """A query parameter; the last one if the name is repeated, as everywhere."""
        return dict(parse_qsl(self.query, keep_blank_values=True)).get(name)


class Gate:
    """Admits a caller or raises `Unauthorized`, `Forbidden`, `OriginNotAllowed`, `TooManyRequests`, `CredentialsInUrl`.

    `access` is None without access control: then every caller is `NOBODY`, and only origins and host names are checked.
    """

    def __init__(self, access: Access | None, origins: Origins, proxies: Proxies, limits: Limits, attempts: float):
        """`attempts`: how often one address may send bad credentials, per minute."""
        self.access = access
        self.origins = origins
        self.proxies = proxies
        self._limits = limits
        self._bad = AddressLimit(attempts / 60, attempts)
        self._open: dict[str, int] = {}  # live connections, by address
        self._searches: dict[Identity, int] = {}

    # ---- pages -------------------------------------------------------------------------------------------------------
    def listed_origin(self, caller: Caller) -> str | None:
        """The origin of the requesting page if it is on the allow-list; None for our own pages and for programs.

        Raises `OriginNotAllowed` for any other page.
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
        """The caller's identity, if it may do `action`. `streams`: also accept tickets and WebSocket subprotocols.

        Call `listed_origin` first, to check the page.
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
        """The identity that an `Authorization` header with this fingerprint has proved before, if it may do `action`;
        None when `admit` must decide."""
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
        # Only this very host can set a __Host- cookie. Any page of a sibling domain can set the other one, so under TLS
        # it is ignored.
        encrypted = caller.source(self.proxies)[1] == "https"
        return found.get("__Host-") or (None if encrypted else found.get(""))

    def _check_page(self, caller: Caller) -> None:
        """Require that the page is known, since browsers attach the cookie to requests from any page. They name the
        page in `Origin`; for same-origin GETs they omit it and send `Sec-Fetch-Site: same-origin` (Fetch Metadata), but
        not over plain http. There Apollo sends `X-Athena-Page`: another origin would need a CORS permission to send it,
        which none gets."""
        if caller.origin:  # already checked by listed_origin
            return
        named = caller.header(b"sec-fetch-site") == "same-origin" or caller.header(b"x-athena-page")
        if caller.method in _SAFE and named:
            return
        self.deny("somebody", caller, "use a cookie without naming the page")
        raise OriginNotAllowed("a cookie without Origin")

    def check_query(self, caller: Caller, streams: bool = False) -> None:
        """Refuse secrets in a URL, where logs and browser histories keep them, except the ticket of a stream."""
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
        """Count one request of this identity and of those that vouched for it. Raises `TooManyRequests`. (Live
        connections have a limit of their own.)"""
        if identity is NOBODY:
            return
        now = time.monotonic()
        one: Identity | None = identity
        while one is not None:  # or each session would multiply the rate of its key
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
        """Count a search while the block runs: it may read much, and continues after the client has disconnected.
        Raises `TooManyRequests` when `MOST_SEARCHES` with the same key are under way already."""
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
        """Record a failed sign-in; returns the error to answer with."""
        self.deny("somebody", caller, "sign in", str(error))
        return self._limited(caller) or error

    def connect(self, identity: Identity, caller: Caller) -> Permit:
        """Take a slot for a live connection; `release` on the result frees it. Raises `TooManyRequests`."""
        address = caller.source(self.proxies)[0]
        counted = address not in ("", "::1") and not address.startswith("127.")
        if identity.connections >= self._limits.per_identity:
            raise TooManyRequests("live connections with this key", 30)
        where = counted_as(address) if counted else ""
        if counted and self._open.get(where, 0) >= self._limits.per_address:
            raise TooManyRequests("live connections from this address", 30)
        identity.connections += 1
        if not counted:
            return identity  # itself the permit, so that a connection needs no object of its own
        self._open[where] = self._open.get(where, 0) + 1
        return ConnectionSlot(identity, where, self._open)

    # ---- audit log ---------------------------------------------------------------------------------------------------
    def deny(self, who: str, caller: Caller, action: str, detail: str = "") -> None:
        """Record a refusal in the audit log."""
        if self.access is not None:
            self.access.audit.deny(who, caller.source(self.proxies)[0], action, detail)


class ConnectionSlot:
    """A live connection's slot in the limits of its identity and its address."""

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
