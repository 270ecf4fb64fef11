"""Long poll: the changes after a cursor, or else the first to come within a few seconds."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from athena.domain.model import Position
from athena.domain.wire import encode_ready
from athena.live.encoding import json_array
from athena.live.hub import Hub
from athena.live.tail import UNKNOWN


class Poll(NamedTuple):
    """The messages as a JSON array, and the cursor for the next poll."""

    messages: bytes
    cursor: str

    def as_json(self) -> bytes:
        return b'{"messages":%s,"cursor":%s}' % (self.messages, msgspec.json.encode(self.cursor))


async def poll(hub: Hub, after: str | None, wait: float) -> Poll:
    """One poll from `after`, of at most `wait` seconds. None waits for changes from now on; an empty one is answered
    at once with the current position. Raises `StoreUnavailable`."""
    if after == "":
        now = hub.tail.position
        return Poll(json_array(now.epoch, [encode_ready(now)]), str(now))
    seq, epoch = hub.resume_from(after, "longpoll"), hub.tail.epoch
    chunk = await hub.next(seq, json_array, wait)
    if chunk is not None:
        seq = chunk.seq
    if chunk is not None and chunk.data:
        return Poll(chunk.data, str(Position(hub.tail.epoch, seq)))
    # Without messages the cursor keeps its epoch, even if a purge has just begun a new one: the next poll then gets the
    # reset. After a shutdown there may be no position to resume from but the cursor that the client sent.
    cursor = after if after is not None and seq == UNKNOWN else str(Position(epoch, max(seq, 0)))
    return Poll(b"[]", cursor)
