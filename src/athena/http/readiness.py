"""Whether this node can take changes now: what /readyz answers, and /metrics tells."""

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
"""Seconds for which a commit proves that the store takes changes. After that, it is asked to write something."""

RETRY = 1.0
"""Seconds for which a failed try counts: anyone may ask /readyz, and each try takes a turn in the journal."""

PATIENCE = 2.0
"""Seconds that the store has to answer, less than what asks /readyz usually waits."""

MOST_LAG = 5.0
"""Seconds that a change may wait for its commit."""


class Readiness:
    """Makes the checks when asked. While edits are committed, that costs the disk nothing."""

    def __init__(
        self, store: Store, journal: Journal, hub: Hub, disk: Disk, min_free: int, access: Access | None
    ) -> None:
        """`min_free`: bytes of the disk."""
        self._store = store
        self._journal = journal
        self._hub = hub
        self._disk = disk
        self._min_free = min_free
        self._access = access
        self._probe: asyncio.Task[None] | None = None
        self._retry_at = 0.0

    async def answer(self) -> Ready:
        """The checks, if all are passed. Raises `NotReady` with them, and `ShuttingDown`."""
        if self._journal.closed or self._hub.closing:
            raise ShuttingDown
        checks, refusal = await self._look()
        missing = self._missing(checks, refusal)
        if missing:
            raise NotReady(missing, status="not_ready", version=athena.__version__, checks=checks)
        return Ready("ready", athena.__version__, checks)

    async def look(self) -> Checks:
        """Make every check. Takes `PATIENCE` at most."""
        return (await self._look())[0]

    async def _look(self) -> tuple[Checks, str | None]:
        """The checks, and why the store takes no changes (None when it does)."""
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
        """What is said of each check that is not passed."""
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
        """Why nobody knows which keys are good; None when that is known."""
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
        """Have it written to, unless that has just been done. One try for all that ask meanwhile, and after a failure
        none for a moment. Raises what the journal raises."""
        now = monotonic()
        if now - self._journal.proven <= FRESH:
            return
        probe = self._probe
        if probe is None or (probe.done() and (probe.exception() is None or now >= self._retry_at)):
            probe = self._probe = asyncio.get_running_loop().create_task(self._journal.probe())
            self._retry_at = now + RETRY
        await asyncio.shield(probe)  # whoever loses patience must not take it from the others
