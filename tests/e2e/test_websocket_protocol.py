"""How the WebSocket endpoint handles frames that no good library sends (RFC 6455), and odd handshakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.calls import StartAthena, open_tx, strict_json
from tests.e2e.rawsocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    is_cut,
    tcp,
)
from tests.e2e.subscribers import LIVE, PythonSubscriber
from tests.support.server import Athena

PROTOCOL_ERRORS = {
    "unmasked": frame(TEXT, b"{}", masked=False),
    "reserved opcode 3": frame(0x3, b""),
    "reserved opcode 11": frame(0xB, b""),
    "RSV1 without an extension": frame(TEXT, b"{}", first=FIN | 0x40 | TEXT),
    "RSV2": frame(TEXT, b"{}", first=FIN | 0x20 | TEXT),
    "RSV3": frame(TEXT, b"{}", first=FIN | 0x10 | TEXT),
    "a fragmented ping": frame(PING, b"", first=PING),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a continuation of nothing": frame(CONTINUATION, b"x"),
    "a message inside a message": frame(TEXT, b"x", first=TEXT) + frame(TEXT, b"y"),
    "a close of one byte": frame(CLOSE, b"x"),
    "close code 999": frame(CLOSE, (999).to_bytes(2, "big")),
    "close code 1005": frame(CLOSE, (1005).to_bytes(2, "big")),
    "close code 1006": frame(CLOSE, (1006).to_bytes(2, "big")),
}

BAD_UTF8 = {
    "a stray byte": frame(TEXT, b"caf\xe9"),
    "an overlong form": frame(TEXT, b"\xc0\xaf"),
    "a surrogate": frame(TEXT, b"\xed\xa0\x80"),
    "cut off": frame(TEXT, "€".encode()[:2]),
    "in fragments": frame(TEXT, b"ok", first=TEXT) + frame(CONTINUATION, b"\xff"),
    "in a close reason": frame(CLOSE, (1000).to_bytes(2, "big") + b"\xff"),
}

TOO_BIG = {
    "text": frame(TEXT, b"x" * 4097),
    "binary": frame(BINARY, b"x" * 4097),
    "text of 1 MiB": frame(TEXT, b"x" * 2**20),
    "fragments": frame(TEXT, b"x" * 4000, first=TEXT) + frame(CONTINUATION, b"x" * 97),
    "many fragments": frame(TEXT, b"", first=TEXT) + frame(CONTINUATION, b"x" * 100, first=CONTINUATION) * 50,
    "only announced": bytes([FIN | TEXT, 0x80 | 127]) + (2**62).to_bytes(8, "big") + b"mask",
}


@contextmanager
def others_unharmed(athena: Athena) -> Iterator[None]:
    """Another client, connected the whole time, receives later messages."""
    with PythonSubscriber(athena) as bystander:
        yield
        tx_id = open_tx(athena)
        bystander.receive_of(tx_id)


@pytest.mark.parametrize("early", [False, True], ids=["after the handshake", "with the handshake"])
@pytest.mark.parametrize("name", PROTOCOL_ERRORS)
def test_protocol_errors_are_closed_with_1002(name: str, early: bool, shared: Athena) -> None:
    sent = PROTOCOL_ERRORS[name]
    with others_unharmed(shared), RawWebSocket(shared, early=sent if early else b"") as client:
        if not early:
            client.send(sent)
        assert client.receive_close() == 1002


@pytest.mark.parametrize("name", BAD_UTF8)
def test_bad_utf8_is_closed_with_1007(name: str, shared: Athena) -> None:
    with others_unharmed(shared), RawWebSocket(shared) as client:
        client.send(BAD_UTF8[name])
        assert client.receive_close() == 1007


@pytest.mark.parametrize("name", TOO_BIG)
def test_messages_over_4_kib_are_closed_with_1009(name: str, shared: Athena) -> None:
    with others_unharmed(shared), RawWebSocket(shared) as client:
        client.send_quietly(TOO_BIG[name])
        assert client.receive_close() == 1009


def test_pings_are_answered_in_the_middle_of_a_fragmented_message(shared: Athena) -> None:
    with RawWebSocket(shared) as client:
        client.send(frame(TEXT, b"x", first=TEXT), frame(PING, b"hello"), frame(CONTINUATION, "é".encode()))
        assert client.receive() == (PONG, b"hello")
        client.send(frame(PONG, b"nobody asked"), frame(BINARY, b"\xff" * 4096), frame(PING, b""))
        assert client.receive() == (PONG, b"")


def test_a_frame_may_come_byte_by_byte(shared: Athena) -> None:
    with RawWebSocket(shared) as client:
        for byte in frame(TEXT, "é".encode()) + frame(PING, b"hello"):
            client.send(bytes([byte]))
        assert client.receive() == (PONG, b"hello")


@pytest.mark.parametrize(("sent", "answered"), [(1000, 1000), (1001, 1001), (3000, 3000), (4999, 4999)])
def test_a_close_is_answered_with_its_code(sent: int, answered: int, shared: Athena) -> None:
    with RawWebSocket(shared) as client:
        client.send(frame(CLOSE, sent.to_bytes(2, "big") + b"bye"))
        assert client.receive_close() == answered


def test_nothing_is_sent_after_a_close(shared: Athena) -> None:
    with RawWebSocket(shared) as client:
        client.send(frame(CLOSE, (1000).to_bytes(2, "big")))
        assert client.receive().opcode == CLOSE
        open_tx(shared)
        assert client.sock.recv(1) == b""


def test_pushed_messages_are_single_text_frames(shared: Athena) -> None:
    """Including long ones, whose length takes more than one byte."""
    with RawWebSocket(shared) as client:
        for text in ("short", "m" * 1024):
            tx_id = open_tx(shared, athena_msg=text)
            got = client.receive()
            assert got.opcode == TEXT
            message = strict_json(got.payload.decode())
            assert (message["id"], message["message"]) == (tx_id, f"a test: {text}")


def test_keep_alive_pings_come_by_themselves(start_athena: StartAthena) -> None:
    athena = start_athena("--ping-interval", "0.2", "--ping-timeout", "60")
    with RawWebSocket(athena) as client:
        for _ in range(2):
            got = client.receive()
            assert got.opcode == PING
            client.send(frame(PONG, got.payload))


def test_a_silent_peer_is_cut_and_one_that_answers_is_not(start_athena: StartAthena) -> None:
    athena = start_athena("--ping-interval", "0.2", "--ping-timeout", "0.5")
    with RawWebSocket(athena) as silent, PythonSubscriber(athena) as answers:
        assert silent.is_cut()
        tx_id = open_tx(athena)
        assert answers.receive()["id"] == tx_id


# ---- handshakes ------------------------------------------------------------------------------------------------------
def handshake_answer(athena: Athena, request: str) -> bytes:
    with tcp(athena) as sock:
        sock.sendall(request.format(path=LIVE, port=athena.port).encode())
        answer = sock.recv(65536)
        while b"\r\n\r\n" not in answer:
            more = sock.recv(65536)
            assert more, answer
            answer += more
    return answer


@pytest.mark.parametrize(
    ("was", "becomes", "statuses"),
    [
        (" {path} ", " /api/v3/notifications/dead ", (404,)),
        (" {path} ", " /api/v4/notifications/live ", (404,)),
        (" {path} ", " /api/v3/webhooks ", (404, 400, 403)),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", (400,)),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", (400,)),
        ("Version: 13", "Version: 12", (400, 426)),
        ("GET", "POST", (400, 404, 405)),
    ],
)
def test_odd_handshakes_are_refused(was: str, becomes: str, statuses: tuple[int, ...], shared: Athena) -> None:
    assert was in HANDSHAKE
    with others_unharmed(shared):
        answer = handshake_answer(shared, HANDSHAKE.replace(was, becomes))
    assert answer.startswith(b"HTTP/1.1 "), answer
    assert int(answer.split()[1]) in statuses, answer


def test_a_plain_get_of_the_live_path_is_answered(shared: Athena) -> None:
    """Anyone who opens it in a browser gets an explanation instead of a hanging request."""
    status, _ = shared.request("GET", LIVE)
    assert status in (400, 404, 405, 426)


def test_a_connection_dropped_in_the_middle_harms_nobody(shared: Athena) -> None:
    with others_unharmed(shared):
        for cut in range(0, len(HANDSHAKE), 16):
            with tcp(shared) as sock:
                sock.sendall(HANDSHAKE.format(path=LIVE, port=shared.port).encode()[:cut])
        with RawWebSocket(shared) as client:
            client.send(frame(TEXT, b"x" * 4000)[:2000])
        with tcp(shared) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256)))  # TLS on a plain port
            assert is_cut(sock)


def test_of_two_positions_the_last_one_counts(shared: Athena) -> None:
    """As for the other transports: a client that reconnects may append its own cursor to the one in its URL."""
    with RawWebSocket(shared, f"{LIVE}?after=&after=nowhere.1") as client:
        assert client.receive_message()["type"] == "reset"
