"""https and wss, with a certificate that is made here."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.access.guarded import NOTIFICATIONS, Guarded, ask, origin_of, sign_in, websocket
from tests.support.server import PATIENCE, run_athena


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_pair(folder / "pair")
    context = ssl.create_default_context(cafile=str(certificate))
    flags = ("--host", "0.0.0.0", "--tls-cert", str(certificate), "--tls-key", str(key))
    with Guarded(folder / "data", *flags, context=context) as server:
        yield server


def test_https_beyond_loopback(server: Guarded) -> None:
    answer = ask(server, "GET", NOTIFICATIONS, key=server.keys["viewer"])
    assert answer.status == 200
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "https://" in server.printed[1]


def test_wss_with_a_cookie_of_this_very_host(server: Guarded) -> None:
    cookie = sign_in(server, server.keys["viewer"])
    assert cookie.startswith("__Host-athena_session=")
    with websocket(server, headers={"Cookie": cookie, "Origin": origin_of(server)}) as client:
        assert client.ping().wait(PATIENCE)


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
        pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"),
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
