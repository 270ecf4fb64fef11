"""Where Athena listens, and what that requires: access control and encryption everywhere but on loopback."""

from __future__ import annotations

import ipaddress
import socket
import ssl

from athena.config import Config
from athena.errors import AddressUnavailable, NotEncrypted, NotLoopback, TlsUnusable


def listen(config: Config) -> socket.socket:
    """A listening socket. Raises `NotLoopback`, `NotEncrypted`, `TlsUnusable` or `AddressUnavailable`."""
    host, port = config.host, config.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    _check_tls(config)
    if not ipaddress.ip_address(address[0]).is_loopback:
        if config.auth == "none":
            raise NotLoopback(host)
        if not (config.tls_cert or config.behind_proxy or config.insecure):
            raise NotEncrypted(host)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    return listener


def _check_tls(config: Config) -> None:
    if bool(config.tls_cert) != bool(config.tls_key):
        raise TlsUnusable("one without the other")
    if config.tls_cert:
        for flag, file in (("--tls-cert", config.tls_cert), ("--tls-key", config.tls_key)):
            try:
                open(file, "rb").close()
            except OSError as error:
                raise TlsUnusable(f"{flag} {file}: {error.strerror}") from error
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(config.tls_cert, config.tls_key)
        except (OSError, ssl.SSLError) as error:
            why = f"{config.tls_cert} and {config.tls_key} are no certificate and its key: {error.strerror or error}"
            raise TlsUnusable(why) from error


def loopback_peer(listener: socket.socket) -> str | None:
    """The address that all connections come from if the socket listens on loopback; otherwise None."""
    address = ipaddress.ip_address(listener.getsockname()[0])
    if not address.is_loopback:
        return None
    return "127.0.0.1" if address.version == 4 else "::1"
