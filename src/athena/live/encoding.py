"""How each transport frames messages. Each function makes one buffer of many messages, for all clients at once."""

from __future__ import annotations

from struct import pack

from athena.domain.wire import Encoded


def websocket_frames(epoch: str, entries: list[Encoded]) -> bytes:
    """Unmasked text frames, one per message (RFC 6455 section 5.2), back to back."""
    parts: list[bytes] = []
    for _, message in entries:
        parts.append(frame_header(0x81, len(message)))
        parts.append(message)
    return b"".join(parts)


def server_sent_events(epoch: str, entries: list[Encoded]) -> bytes:
    """Events whose id is the cursor (HTML Living Standard section 9.2). JSON has no line breaks: one line suffices."""
    return b"".join(b"id: %s.%d\ndata: %s\n\n" % (epoch.encode(), seq, message) for seq, message in entries)


def json_array(epoch: str, entries: list[Encoded]) -> bytes:
    """A JSON array of the messages."""
    return b"[" + b",".join(message for _, message in entries) + b"]"


def frame_header(first_byte: int, length: int) -> bytes:
    """The header of an unmasked frame: FIN and opcode in `first_byte`, then the shortest form of the length."""
    if length < 126:
        return bytes((first_byte, length))
    if length < 65536:
        return pack("!BBH", first_byte, 126, length)
    return pack("!BBQ", first_byte, 127, length)


def close_frame(code: int, reason: str) -> bytes:
    """A close frame (RFC 6455 section 5.5.1); `reason` is at most 123 bytes of UTF-8."""
    payload = pack("!H", code) + reason.encode()
    return frame_header(0x88, len(payload)) + payload


PING = frame_header(0x89, 0)
