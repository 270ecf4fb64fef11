"""Answers that their clients do not take: the memory they hold is bounded, over all connections together."""

from __future__ import annotations

import asyncio

from athena.sockets import reset, untaken

MOST_UNREAD = 64 * 1024 * 1024
"""Bytes of answers that may wait for their clients. A page of a thousand long rows has 7 MB."""


class Unread:
    """The transports with much of an answer to send, in the order in which their peers were last seen to take any.

    Above the bound, who has taken nothing for the longest time is cut off. So clients that ask and do not read end each
    other, and one that reads stays, however slow it is.
    """

    def __init__(self, most: int = MOST_UNREAD) -> None:
        self.ended = 0
        """How many were cut off."""
        self._most = most
        self._waiting: dict[asyncio.Transport, tuple[int, int]] = {}  # when last looked at: bytes here, bytes untaken
        self._bytes = 0

    def add(self, transport: asyncio.Transport) -> None:
        """From now on much of an answer waits for this peer."""
        self.remove(transport)
        self._look()
        self._note(transport)
        while self._bytes > self._most and len(self._waiting) > 1:
            first = next(iter(self._waiting))
            self.remove(first)
            self.ended += 1
            reset(first)

    def _look(self) -> None:
        """Put those that have taken something since they were last looked at to the end of the order."""
        for transport, (_, before) in list(self._waiting.items()):
            if untaken(transport) < before:
                self.remove(transport)
                self._note(transport)

    def remove(self, transport: asyncio.Transport) -> None:
        """Its peer has taken nearly all, or is gone."""
        size, _ = self._waiting.pop(transport, (0, 0))
        self._bytes -= size

    def _note(self, transport: asyncio.Transport) -> None:
        size = transport.get_write_buffer_size()
        self._waiting[transport] = (size, untaken(transport))
        self._bytes += size
