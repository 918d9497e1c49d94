"""Servers that go wrong before there is a connection to speak of: in the handshake of TLS."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from .misbehaving import OK

if TYPE_CHECKING:
    from collections.abc import Callable

    from .misbehaving import Fault, Line

HANDSHAKES: dict[str, Fault] = {}


def handshake(fn: Callable[[Line], None]) -> Callable[[Line], None]:
    """One more way to go wrong, by the name of its function."""
    HANDSHAKES[fn.__name__] = fn
    return fn


@handshake
def closes_in_the_handshake(line: Line) -> None:
    line.connection.recv(65536)


@handshake
def resets_in_the_handshake(line: Line) -> None:
    line.connection.recv(65536)
    line.reset()


@handshake
def stalls_in_the_handshake(line: Line) -> None:
    line.connection.recv(65536)
    line.stall()


@handshake
def shakes_hands_in_nonsense(line: Line) -> None:
    line.connection.recv(65536)
    line.say(b"\x16\x03\x03\x00\x04nono" * 4)


@handshake
def speaks_plainly_where_tls_is_meant(line: Line) -> None:
    line.connection.recv(65536)
    line.say(OK)


@handshake
def sends_an_alert(line: Line) -> None:
    """``handshake_failure``: it does not like what it is offered."""
    line.connection.recv(65536)
    line.say(b"\x15\x03\x03\x00\x02\x02\x28")


@handshake
def has_a_certificate_that_nobody_knows(line: Line) -> None:
    with unknown().wrap_socket(line.connection, server_side=True) as secret:
        secret.recv(65536)
        secret.sendall(OK)


@cache
def unknown() -> ssl.SSLContext:
    """With a certificate that has signed itself, a moment ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(certificate.public_bytes(Encoding.PEM))
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    return context
