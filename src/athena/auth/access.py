"""Access control of one node: the keys, sessions, tickets and tokens it knows, and the thread that stores them.

Every request is decided from memory. The file is checked every second for writes by other processes: after
`athena keys revoke`, new requests with that key are refused within about a second, and live connections that use it are
closed within five (docs/security.md).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import apsw

from athena.auth.audit import AuditLog
from athena.auth.identity import Identity, now_ms
from athena.auth.keys import KeyRing
from athena.auth.local import ensure_key, read_key
from athena.auth.roles import Role
from athena.auth.secrets import fingerprint, parse_key
from athena.auth.sessions import PREFIX as SESSION_PREFIX
from athena.auth.sessions import Sessions
from athena.auth.store import AuthStore
from athena.auth.tickets import Tickets
from athena.config import Config
from athena.datadir import unusable
from athena.errors import BadCredentials, StoreUnavailable

if TYPE_CHECKING:  # imports cryptography: 10 MB, needed only to check tokens
    from athena.auth.tokens import TokenVerifier

log = logging.getLogger("athena.auth")

LOOK_SECONDS = 1.0
TIDY_SECONDS = 60.0
MIN_REREAD_SECONDS = 0.2
"""The least time between two rereads of the file that unknown keys cause."""

T = TypeVar("T")


class NewSession(NamedTuple):
    """A new session, with its secret, which is not stored. `expires` is UTC Unix ms."""

    secret: str
    identity: Identity
    expires: int


class Access:
    """Authenticates requests, and opens and ends sessions. The lookups raise `BadCredentials`."""

    def __init__(self, config: Config, store: AuthStore, tokens: TokenVerifier | None) -> None:
        """Raises `DataDirectoryUnusable`."""
        self.audit = AuditLog()
        self.tickets = Tickets("att_", config.ticket_lifetime)
        self.links = Tickets("atl_", config.link_lifetime)
        self._directory = config.data
        self._store = store
        self._tokens = tokens
        self._stale = False
        self._keys = KeyRing()
        self._sessions = Sessions(config.session_idle, config.session_lifetime)
        try:
            ensure_key(store, config.data)
            self._keys.replace(store.keys())
            self._sessions.load(store.sessions(int(now_ms())), self._keys)
        except apsw.Error as error:
            raise unusable(config.data, error, "auth.db") from error
        self._lifetime_ms = config.session_lifetime * 1000
        self._thread = ThreadPoolExecutor(1, "athena-auth")  # for `store`
        self._reader = AuthStore(config.data)  # for the event loop's own thread
        self._next_reread = 0.0
        self._signed_out: deque[bytes] = deque()  # sessions that have ended and are still on disk
        self._file_problem: str | None = None  # the error to report while the file is moved or replaced
        self.trouble: str | None = None
        """Why writes by other processes cannot be seen at present; None while they can."""

    # ---- authentication ----------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Raise `StoreUnavailable` when the file has been moved or replaced: a key revoked in the new file would stay
        valid here, so no credentials can be trusted."""
        if self._file_problem is not None:
            raise StoreUnavailable(self._file_problem)

    def authorized(self, authorization: str) -> Identity:
        """The identity that an `Authorization` header proves. A header with a key is parsed and verified once; after
        that, one hash of the whole header finds its identity, so most requests of a producer cost only that."""
        digest = fingerprint(authorization)
        identity = self._keys.recall(digest)
        if identity is None:
            identity = self._credentials(authorization)
            if identity.kind == "key":
                self._keys.remember(digest, identity)
        return identity

    def recall(self, digest: bytes) -> Identity | None:
        """The identity that a header with this fingerprint has proved before; None when it must be checked."""
        return None if self._file_problem is not None else self._keys.recall(digest)

    def _credentials(self, authorization: str) -> Identity:
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self.bearer(rest.strip())
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
            except ValueError:  # not base64, not even ASCII, or not UTF-8 inside
                raise BadCredentials("an API key") from None
            return self.key(f"ath_{user.removeprefix('ath_')}_{password}")
        raise BadCredentials("Bearer or Basic credentials")

    def bearer(self, secret: str) -> Identity:
        """The identity of a key, session or token."""
        if secret.startswith("ath_"):
            return self.key(secret)
        if secret.startswith(SESSION_PREFIX):
            return self.session(secret)
        if self._tokens is not None and secret.count(".") == 2:
            return self._tokens.identify(secret)
        raise BadCredentials("a key or a token")

    def key(self, text: str) -> Identity:
        key = parse_key(text)
        if key is not None and not self._keys.knows(key):
            self._reread_keys()
        identity = None if key is None else self._keys.find(key)
        if identity is None:
            raise BadCredentials("an API key")
        return identity

    def _reread_keys(self) -> None:
        """Reread the keys, so that a new key works at once. All unknown keys together cause a few reads a second."""
        now = time.monotonic()
        if now < self._next_reread:
            return
        self._next_reread = now + MIN_REREAD_SECONDS
        try:
            if self._reader.changed():
                self._keys.replace(self._reader.keys())
        except apsw.Error as error:
            log.error("access control cannot read its file: %s", error)

    def session(self, secret: str) -> Identity:
        identity = self._sessions.find(secret)
        if identity is None:
            raise BadCredentials("a session")
        return identity

    def ticket(self, secret: str) -> Identity:
        """Redeem a ticket: the identity it was issued for."""
        ticket = self.tickets.redeem(secret)
        if ticket is None:
            raise BadCredentials("a ticket")
        until = now_ms() + self._lifetime_ms
        return Identity("ticket", ticket.issuer.id, ticket.name, ticket.role, until, ticket.issuer)

    # ---- sessions ----------------------------------------------------------------------------------------------------
    async def sign_in(self, key: str | None, link: str | None, count: Callable[[Identity], None]) -> NewSession:
        """Exchange a key or a link for a session. `count` is called with the issuer's identity, and may refuse."""
        self.check()  # before the link is redeemed
        if link is None:
            issuer = self.key(key or "")
            count(issuer)
            return await self.open_session(issuer.name, issuer.role, issuer)
        ticket = self.links.redeem(link)
        if ticket is None:
            raise BadCredentials("a sign-in link")
        count(ticket.issuer)
        return await self.open_session(ticket.name, ticket.role, ticket.issuer)

    async def exchange(self, ticket: str, role: Role | None, count: Callable[[Identity], None]) -> NewSession:
        """Exchange a ticket for a session; with `role`, only if the ticket is for exactly that role."""
        self.check()
        redeemed = self.tickets.redeem(ticket)
        if redeemed is None or role not in (None, redeemed.role):
            raise BadCredentials("a ticket")
        count(redeemed.issuer)
        return await self.open_session(redeemed.name, redeemed.role, redeemed.issuer)

    def local_link(self) -> str | None:
        """The secret of a sign-in link for the owner of the data directory; None when the owner's key is gone."""
        key = read_key(self._directory)
        owner = None if key is None else self._keys.find(key)
        return None if owner is None else self.links.issue(owner.name, owner.role, owner)[0]

    async def open_session(self, name: str, role: Role, parent: Identity) -> NewSession:
        secret, stored, identity = self._sessions.create(name, role, parent)
        try:
            await self._in_thread(lambda: self._store.add_session(stored))
        except StoreUnavailable:
            self._sessions.remove(secret)
            raise
        return NewSession(secret, identity, int(min(stored.expires, parent.until)))

    async def sign_out(self, secret: str) -> None:
        digest = self._sessions.remove(secret)
        if digest is not None:
            self._signed_out.append(digest)
            await self._delete_signed_out()

    async def _delete_signed_out(self) -> None:
        """Delete signed-out sessions from the disk too, or they would be valid again after a restart. Failures are
        retried."""
        while self._signed_out:
            digest = self._signed_out[0]
            await self._in_thread(lambda: self._store.remove_session(digest))  # noqa: B023 - awaited here
            if self._signed_out and self._signed_out[0] == digest:
                self._signed_out.popleft()

    # ---- storage -----------------------------------------------------------------------------------------------------
    async def record(self, who: str, address: str, action: str, detail: str = "") -> None:
        """Add an action to the audit log; it is on disk when this returns."""
        self.audit.record(who, address, action, detail)
        await self._write_audit()

    async def run(self) -> None:
        """Follow writes by other processes, and store pending changes, until cancelled."""
        fetching = asyncio.create_task(self._tokens.run()) if self._tokens is not None else None
        tidied = asyncio.get_running_loop().time()
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                try:
                    await self._sync()
                    await self._delete_signed_out()
                    await self._write_audit()
                    if asyncio.get_running_loop().time() - tidied >= TIDY_SECONDS:
                        tidied = asyncio.get_running_loop().time()
                        await self._tidy()
                except StoreUnavailable as error:
                    if error.why != self.trouble:
                        log.error("access control cannot reach its file: %s", error.why)
                    self.trouble = error.why
                else:
                    self.trouble = None
        finally:
            if fetching is not None:
                fetching.cancel()

    async def close(self) -> None:
        """Store what is pending, and close the file."""
        self.audit.close()
        for work, lost in (
            (self._write_audit, "the last entries of the audit log are lost"),
            (self._delete_signed_out, "who has signed out will be let in again"),
            (self._tidy, "when keys and sessions were last used is lost"),
        ):
            try:
                await work()
            except StoreUnavailable as error:
                log.error("%s: %s", lost, error)
        self._thread.shutdown()
        self._reader.close()
        self._store.close()

    async def _sync(self) -> None:
        try:
            await self._in_thread(self._store.check)
            self._file_problem = None
        except StoreUnavailable as error:
            self._file_problem = error.why
            raise
        self._stale = await self._in_thread(self._store.changed) or self._stale
        if self._stale:
            self._keys.replace(await self._in_thread(self._store.keys))
            self._stale = False  # only now: a failed read must be retried, or a revoked key would stay valid

    async def _write_audit(self) -> None:
        if entries := self.audit.take():
            try:
                await self._in_thread(lambda: self._store.add_audit(entries))
            except Exception:
                self.audit.give_back(entries)
                raise

    async def _tidy(self) -> None:
        now = int(now_ms())
        keys = [(now, key_id) for key_id in self._keys.take_used()]
        sessions = self._sessions.take_used()
        idle = now - int(self._sessions.idle_ms)
        await self._in_thread(lambda: self._store.tidy(keys, sessions, now, idle))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error
