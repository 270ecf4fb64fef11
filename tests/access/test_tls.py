"""https and wss, with a certificate that is made here."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import re
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.access.guarded import NOTIFICATIONS, Guarded, ask, origin_of, sign_in
from tests.e2e.calls import BULK
from tests.e2e.rawsocket import tcp
from tests.e2e.test_faults import memory
from tests.support.server import PATIENCE, run_athena
from websockets.asyncio.client import connect


def make_pair(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Athena under test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def with_tls(folder: Path, *flags: str) -> Guarded:
    certificate, key = make_pair(folder / "pair")
    context = ssl.create_default_context(cafile=str(certificate))
    pair = ("--tls-cert", str(certificate), "--tls-key", str(key))
    return Guarded(folder / "data", "--host", "0.0.0.0", *pair, *flags, context=context)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with with_tls(tmp_path_factory.mktemp("tls")) as server:
        yield server


def test_https_beyond_loopback(server: Guarded) -> None:
    answer = ask(server, "GET", NOTIFICATIONS, key=server.keys["viewer"])
    assert answer.status == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "https://" in server.printed[1]


def test_wss_with_a_cookie_of_this_very_host(server: Guarded) -> None:
    cookie = sign_in(server, server.keys["viewer"])
    assert cookie.startswith("__Host-athena_session=")

    async def main() -> None:
        url = server.ws_url.replace("ws:", "wss:")
        headers = {"Cookie": cookie, "Origin": origin_of(server)}
        tls = server.context
        async with connect(url, ssl=tls, additional_headers=headers, open_timeout=PATIENCE, proxy=None) as client:
            await asyncio.wait_for(await client.ping(), PATIENCE)

    asyncio.run(main())


def test_a_stop_does_not_wait_for_those_who_never_agree_to_it(tmp_path: Path) -> None:
    """TLS ends when both sides have said so. Who sleeps says nothing."""
    with with_tls(tmp_path) as server, ExitStack() as asleep:
        assert server.context is not None
        for request in (b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
            plain = asleep.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            secret = asleep.enter_context(server.context.wrap_socket(plain, server_hostname="127.0.0.1"))
            if request:
                secret.sendall(request)
                assert b" 200 OK" in secret.recv(1000)
        asleep.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))  # and says nothing at all
        server.stop()
        assert "exceeded" not in server.log()
        assert "tended" not in server.log()


def test_who_reads_slowly_gets_the_whole_answer(tmp_path: Path) -> None:
    """Also where the connection is closed behind it: the end of TLS waits for what is still to be sent."""
    with with_tls(tmp_path) as server:
        assert server.context is not None
        line = {
            "op": "open",
            "description": "\u4e2d" * 256,
            "athena_msg": "\u4e2d" * 1024,
        }  # more than the kernel keeps
        for some in range(4):
            lines = [{**line, "tx_id": f"large-{some}-{number}"} for number in range(250)]
            assert ask(server, "POST", BULK, lines, key=server.manager).status == 200
        with closing(socket.socket()) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            plain.settimeout(PATIENCE)
            plain.connect(("127.0.0.1", server.port))
            secret = server.context.wrap_socket(plain, server_hostname="127.0.0.1")
            head = "GET /api/v3/notifications?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            secret.sendall(f"{head}Authorization: Bearer {server.manager}\r\n\r\n".encode())
            got = bytearray()
            while piece := secret.recv(16_384):
                got += piece
                threading.Event().wait(0.02)
            secret.close()
    answer_head, _, body = bytes(got).partition(b"\r\n\r\n")
    assert int(answer_head.lower().partition(b"content-length: ")[2].split()[0]) == len(body) > 3_000_000


def test_a_websocket_ends_as_tls_does(server: Guarded) -> None:
    """When both have said goodbye, the server closes (RFC 6455 section 7.1.1), and not by cutting."""
    assert server.context is not None
    handshake = (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {server.keys['viewer']}\r\n\r\n"
    )
    with (
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain,
        server.context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as secret,
    ):
        secret.sendall(handshake.encode())
        assert b" 101 " in secret.recv(4000)
        secret.sendall(bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]))  # close, 1000, masked by nothing
        assert secret.recv(100) == bytes([0x88, 2, 0x03, 0xE8])
        assert secret.recv(100) == b""


def test_a_handshake_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    with (
        with_tls(tmp_path, "--handshake-timeout", "0.3") as server,
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as silent,
    ):
        try:
            assert silent.recv(1000) == b""
        except ConnectionResetError:
            pass


def test_plain_http_is_not_spoken(server: Guarded) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"HTTP/1.1 200" not in plain.recv(1000)
        except ConnectionResetError:
            pass
    assert ask(server, "GET", "/healthz").status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(server: Guarded, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # else this client itself would not offer it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain,
        # By an alert that says so, or by the end of the connection: that depends on the release of Python.
        pytest.raises(ssl.SSLError, match=r"(?i)version|protocol|closed \(EOF\)"),
    ):
        context.wrap_socket(plain)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_versions_are_spoken(server: Guarded, version: ssl.TLSVersion) -> None:
    assert server.context is not None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain, context.wrap_socket(plain) as spoken:
        assert spoken.version() == version.name.replace("_", ".")


def test_a_pair_that_is_none_is_said_in_a_sentence(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path / "one")
    _, other = make_pair(tmp_path / "two")
    (tmp_path / "rubbish.pem").write_text("rubbish")
    for flags in (
        ("--tls-cert", str(certificate), "--tls-key", str(other)),
        ("--tls-cert", str(tmp_path / "rubbish.pem"), "--tls-key", str(key)),
        ("--tls-cert", str(tmp_path / "none.pem"), "--tls-key", str(key)),
        ("--tls-cert", str(certificate)),
        ("--tls-key", str(key)),
    ):
        done = run_athena("serve", "--port", "0", "--data", str(tmp_path / "data"), *flags)
        said = done.stderr.decode()
        assert done.returncode == 1, said
        assert said.count("\n") == 1, said
        assert "--tls-cert" in said


def test_answers_that_nobody_reads_hold_bounded_memory(tmp_path: Path) -> None:
    """What is encrypted at once waits where nobody counts it."""
    lines = [{"op": "open", "tx_id": f"tx-{n}", "description": "d", "athena_msg": "\1" * 1000} for n in range(1000)]
    with with_tls(tmp_path) as server, ExitStack() as open_:
        key = server.keys["manager"]
        assert ask(server, "POST", BULK, lines, key=key).status == 200
        ask(server, "GET", f"{NOTIFICATIONS}?limit=1000", key=key)
        before = memory(server)
        asked = f"GET {NOTIFICATIONS}?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        for _ in range(60):
            lazy = encrypted(server, open_)
            lazy.sendall(f"{asked}\r\n".encode())
            lazy.recv(1)
        (ended,) = re.findall(r"^athena_unread_answers_total (\S+)$", ask(server, "GET", "/metrics").body, re.MULTILINE)
        assert float(ended) > 10
        assert memory(server) - before < 256 * 1024 * 1024


def encrypted(server: Guarded, open_: ExitStack) -> ssl.SSLSocket:
    """A connection whose kernel takes in little."""
    plain = open_.enter_context(tcp(server, receive_buffer=16_384))
    assert server.context is not None
    return open_.enter_context(server.context.wrap_socket(plain, server_hostname="127.0.0.1"))
