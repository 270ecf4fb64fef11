"""What the kernel knows about a connection's peer: how far it has read, and how to drop one that does not read.

Data that has left a transport may still be in our kernel, which buffers megabytes for a peer that reads slowly or not
at all. So a peer's progress is measured by what its kernel has acknowledged, not by what ours has taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import sys
import termios

from athena.sockets.connections import Connection

ACKED_AT = 120
"""The offset of `tcpi_bytes_acked`, 64 bits, in `struct tcp_info` (linux/tcp.h, since Linux 4.1)."""


def acknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the peer has acknowledged: a number that only rises, and does so for any peer that reads, however
    slowly and whatever is written meanwhile (tcp(7), `TCP_INFO`). 0 when the connection is closed."""
    connected = _socket(transport)
    if connected is None:
        return 0
    with contextlib.suppress(OSError, AttributeError):
        info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKED_AT + 8)
        return int.from_bytes(info[ACKED_AT:], sys.byteorder)
    return -unacknowledged(transport)  # on other systems, only what is left is known


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that were written but not acknowledged, as far as the transport and our kernel know."""
    connected = _socket(transport)
    return transport.get_write_buffer_size() + (0 if connected is None else in_kernel(connected.fileno()))


def in_kernel(descriptor: int) -> int:
    """Bytes that the kernel has yet to send or that are not acknowledged (tcp(7), `SIOCOUTQ`, which is the same number
    as `TIOCOUTQ`); 0 for a closed descriptor, and on systems that cannot tell."""
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return 0


def reset(transport: asyncio.Transport) -> None:
    """End a connection whose peer does not read. The kernel would keep megabytes of unsent data for minutes, so it is
    told to discard it (`SO_LINGER` of 0 seconds, socket(7))."""
    connected = _socket(transport)
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _socket(transport: asyncio.Transport) -> socket.SocketType | None:
    """The transport's socket, or what the event loop gives in its place; None if it is closed."""
    if isinstance(transport, Connection):
        return None if transport.fileno() < 0 else transport.socket
    connected: socket.SocketType | None = transport.get_extra_info("socket")
    return None if connected is None or connected.fileno() < 0 else connected
