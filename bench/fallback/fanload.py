"""fanload.c in Python: WebSocket subscribers that count messages."""

from __future__ import annotations

import json
import selectors
import sys
import time

from bench.calls import WebSocket


class Client(WebSocket):
    """One subscriber, read without blocking."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(port, path)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def count(self) -> int:
        """Read what is there -> how many messages that completes."""
        self._more()
        data, at, messages = self._unread, 0, 0
        while len(data) - at >= 2:
            extra = {126: 2, 127: 8}.get(data[at + 1], 0)
            if len(data) - at < 2 + extra:
                break
            length = int.from_bytes(data[at + 2 : at + 2 + extra]) if extra else data[at + 1]
            end = at + 2 + extra + length
            if end > len(data):
                break
            messages += data[at] & 0x88 == 0x80  # final, and no control frame
            at = end
        self._unread = data[at:]
        return messages


def main(port: int, path: str, count: int) -> None:
    begun = time.monotonic()
    clients = [Client(port, path) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ)
    print(f"READY {time.monotonic() - begun:.3f}", flush=True)
    for line in sys.stdin:
        wanted, got, first = int(line) * count, 0, 0.0
        while got < wanted:
            ready = selector.select(20)
            if not ready:
                sys.exit(f"fanload: stopped at {got} of {wanted} messages")
            for key, _ in ready:
                assert isinstance(key.fileobj, Client)
                got += key.fileobj.count()
                first = first or time.monotonic()
        print(json.dumps({"frames": got, "first": first, "last": time.monotonic()}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
