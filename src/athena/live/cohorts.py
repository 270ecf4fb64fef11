"""The clients that keep up, in cohorts: those at the same position get the same bytes."""

from __future__ import annotations

from collections.abc import Sequence

from athena.live.client import Client, Cohort
from athena.live.tail import Encoding

COHORT_SIZE = 40
"""Most clients in a cohort. Their position is stored and compared once for all of them."""


class Cohorts:
    """Every client that keeps up is in one cohort. One that does not has a position of its own and is in none."""

    def __init__(self) -> None:
        self._all: dict[Cohort, None] = {}
        self._latest: dict[Encoding, Cohort] = {}
        """The cohorts that new clients join, unless they are full or at another position."""

    def all(self) -> list[Cohort]:
        """A copy; the oldest first."""
        return list(self._all)

    def join(self, client: Client) -> None:
        """The client has everything up to its position; flushes will bring what comes after it."""
        cohort = self._latest.get(client.encoding)
        if cohort is None or cohort.position != client.position or len(cohort) >= COHORT_SIZE:
            cohort = self._latest[client.encoding] = Cohort(client.position, client.encoding)
            self._all[cohort] = None
        cohort.add(client)
        client.cohort = cohort

    def leave(self, client: Client) -> None:
        """The client takes the cohort's position with it. Does nothing if it is in no cohort."""
        cohort = client.cohort
        if cohort is None:
            return
        client.cohort, client.position = None, cohort.position
        cohort.discard(client)
        if not cohort:
            self._all.pop(cohort, None)
            if self._latest.get(cohort.encoding) is cohort:
                del self._latest[cohort.encoding]

    def to_move(self, cohort: Cohort) -> list[Client]:
        """All clients of a cohort that is at most half full, unless new ones join it: few cohorts with many clients are
        faster to write to than many with few."""
        sparse = len(cohort) <= COHORT_SIZE // 2 and cohort is not self._latest.get(cohort.encoding)
        return cohort.clients if sparse else []

    def move(self, clients: Sequence[Client]) -> None:
        """Move clients to the cohort that new ones join."""
        for client in clients:
            self.leave(client)
            self.join(client)
