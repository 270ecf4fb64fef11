"""Whether this node can accept changes now, for /readyz and /metrics."""

from __future__ import annotations

import asyncio
from time import monotonic

import athena
from athena.auth.access import Access
from athena.errors import AthenaError, NotReady, ShuttingDown, StoreUnavailable
from athena.http.answers import AccessCheck, Checks, DiskCheck, JournalCheck, Ready, StoreCheck
from athena.journal import Journal
from athena.live.hub import Hub
from athena.store.base import Store
from athena.store.disk import Disk

FRESH = 5.0
"""Seconds for which a commit proves that the store accepts changes. After that, a test write is made."""

RETRY = 1.0
"""Seconds for which a failed attempt counts: anyone may call /readyz, and each attempt takes a turn in the journal."""

PATIENCE = 2.0
"""Seconds within which the store must respond: less than the usual timeout of a /readyz probe."""

MOST_LAG = 5.0
"""Seconds that a change may wait for its commit."""


class Readiness:
    """Runs the checks on request. While edits are being committed, that writes nothing to the disk."""

    def __init__(
        self, store: Store, journal: Journal, hub: Hub, disk: Disk, min_free: int, access: Access | None
    ) -> None:
        """`min_free`: the free disk space required, in bytes."""
        self._store = store
        self._journal = journal
        self._hub = hub
        self._disk = disk
        self._min_free = min_free
        self._access = access
        self._probe: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    async def answer(self) -> Ready:
        """The checks, if all pass. Raises `NotReady` with them, and `ShuttingDown`."""
        if self._journal.closed or self._hub.closing:
            raise ShuttingDown
        checks, refusal = await self._look()
        missing = self._missing(checks, refusal)
        if missing:
            raise NotReady(missing, status="not_ready", version=athena.__version__, checks=checks)
        return Ready("ready", athena.__version__, checks)

    async def look(self) -> Checks:
        """Run every check, in at most `PATIENCE` seconds."""
        return (await self._look())[0]

    async def _look(self) -> tuple[Checks, str | None]:
        """The checks, and why the store accepts no changes (None when it does)."""
        refusal = await self._refusal()
        lag = self._journal.lag
        try:
            free = self._disk.free()
        except OSError:
            free = None
        checks = Checks(
            StoreCheck(refusal is None),
            DiskCheck(free is not None and free >= self._min_free, free),
            JournalCheck(lag <= MOST_LAG, int(lag * 1000)),
            AccessCheck(self._trouble() is None),
        )
        return checks, refusal

    def _missing(self, checks: Checks, refusal: str | None) -> list[str]:
        """A description of each failed check."""
        free = checks.disk.free_bytes
        room = "that cannot be asked" if free is None else f"with {free:,} bytes free, fewer than {self._min_free:,}"
        said = (
            (checks.store, f"a store that takes no changes ({refusal})"),
            (checks.disk, f"a disk {room}"),
            (checks.journal, f"a change that has waited for {checks.journal.lag_ms:,} ms"),
            (checks.access, f"access control that cannot follow its file ({self._trouble()})"),
        )
        return [what for check, what in said if not check.ok]

    def _trouble(self) -> str | None:
        """Why it is unknown which keys are valid; None when it is known."""
        return None if self._access is None else self._access.trouble

    async def _refusal(self) -> str | None:
        """Why the store cannot be written and read; None when it can."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._prove()
                await self._store.position()
        except TimeoutError:
            return f"no answer within {PATIENCE:g} s"
        except StoreUnavailable as error:
            return error.why
        except AthenaError as error:
            return str(error)
        return None

    async def _prove(self) -> None:
        """Make a test write, unless there has just been a commit. Concurrent callers share one attempt, and after a
        failure there is none for up to `RETRY` seconds. Raises what the journal raises."""
        now = monotonic()
        if now - self._journal.proven <= FRESH:
            return
        probe = self._probe
        if probe is None or (probe.done() and (probe.exception() is None or now >= self._retry_at)):
            probe = self._probe = asyncio.get_running_loop().create_task(self._journal.probe())
            self._retry_at = now + RETRY
        await asyncio.shield(probe)  # a caller that times out must not cancel it for others
