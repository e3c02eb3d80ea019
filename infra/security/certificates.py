"""The certificates of a secured cluster: an authority of its own, the broker's certificate and the administrator's.

PEM files in one folder (0700), private keys and certificates together where Kafka wants a key store, each file 0600. They are
made once and kept: whoever has the folder is the administrator.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = 10
_EARLIER = dt.timedelta(hours=1)
"""A clock that is a little behind must not refuse what was just made."""
BROKER, ADMIN = "bus-broker", "bus-admin"
"""Common names; on the administrators' listener they are principals: `User:CN=bus-admin`."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where they are. `broker` is a key store in PEM; `admin` and `admin_key` are one client's."""

    authority: Path
    broker: Path
    admin: Path
    admin_key: Path


def certificates(folder: Path) -> Certificates:
    """The certificates of a folder, made if it holds none."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    found = Certificates(folder / "ca.pem", folder / "broker.pem", folder / "admin.pem", folder / "admin.key")
    if not found.admin.exists():  # written last: with it the folder is whole
        _make(found, folder / "ca.key")
    return found


def _make(found: Certificates, authority_key_file: Path) -> None:
    authority_key, broker_key, admin_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    authority = _signed(_name("exchange-bus"), authority_key, None, authority_key)
    write_private(authority_key_file, _key_text(authority_key))
    write_private(found.authority, _text(authority))
    broker = _signed(_name(BROKER), broker_key, authority, authority_key)
    write_private(found.broker, _key_text(broker_key) + _text(broker))
    write_private(found.admin_key, _key_text(admin_key))
    write_private(found.admin, _text(_signed(_name(ADMIN), admin_key, authority, authority_key)))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read at any moment, as a whole."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """A certificate for this machine's loopback addresses; without `issuer` an authority's own."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if issuer is not None:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
