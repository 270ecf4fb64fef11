"""What a client that does not keep up may cost, and when it is dropped."""

from __future__ import annotations

from athena.live.client import Client

TRY_AGAIN_LATER = 1013
"""The close code a stalled client gets (IANA WebSocket close code registry): reconnect with your last cursor."""


class SlowClients:
    """Policy: keep only the position and one write buffer; close a client without progress for `timeout` seconds.

    Progress is any byte that the peer acknowledges, however slowly.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._waiting: dict[Client, tuple[int, float]] = {}  # bytes acknowledged, and since when no more

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, client: Client, now: float) -> None:
        """The client's buffer is full. `now` is the loop's clock in seconds."""
        self._waiting[client] = (client.acknowledged(), now)

    def forget(self, client: Client) -> None:
        """The client has drained, or is gone."""
        self._waiting.pop(client, None)

    def stalled(self, now: float) -> list[Client]:
        """The clients that acknowledged nothing for `timeout` seconds. Call it every few seconds."""
        given_up = []
        for client, (before, since) in self._waiting.items():
            acknowledged = client.acknowledged()
            if acknowledged > before:
                self._waiting[client] = (acknowledged, now)
            elif now - since >= self.timeout:
                given_up.append(client)
        return given_up
