"""The certificates of a secured cluster: an authority of its own, the broker's certificate and the administrator's.

PEM files in one folder (0700), private keys and certificates together where Kafka wants a key store, each file 0600. Whoever
has the folder is the administrator.

    authority   ten years; issued anew, by the same key, when half of them are over: what was signed before is valid under
                both, and a credentials file that is handed over trusts its authority for at least three years
    the others  two years; renewed when fewer than `RENEW` are left, at a start or while the cluster runs (`bus certificates`)
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from schemas.errors import ConfigError
from schemas.text import Text

RENEW = dt.timedelta(days=60)
"""What is left of a certificate when it is renewed, and when `bus doctor` begins to warn."""
_LASTS, _AUTHORITY_LASTS = dt.timedelta(days=2 * 365), dt.timedelta(days=10 * 365)
_EARLIER = dt.timedelta(hours=1)
"""A clock that is a little behind must not refuse what was just made."""
_LOOPBACK = ("localhost", "127.0.0.1")
BROKER, ADMIN = "bus-broker", "bus-admin"
"""Common names; on the administrators' listener they are principals: `User:CN=bus-admin`."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where they are. `broker` is a key store in PEM; `admin` and `admin_key` are one client's."""

    authority: Path
    authority_key: Path
    broker: Path
    admin: Path
    admin_key: Path


def certificates(folder: Path, hosts: Collection[str] = (), *, now: dt.datetime | None = None) -> Certificates:
    """The certificates of a folder, made if it holds none.

    hosts   names and addresses besides loopback's that the broker's certificate shall be valid for, if it is made
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    names = {"authority": "ca.pem", "authority_key": "ca.key", "broker": "broker.pem"}
    found = Certificates(
        **{field: folder / name for field, name in names.items()},
        admin=folder / "admin.pem",
        admin_key=folder / "admin.key",
    )
    if not found.admin.exists():  # written last: with it the folder is whole
        _make(found, hosts, now or dt.datetime.now(dt.UTC))
    return found


def is_due(found: Certificates, hosts: Collection[str], now: dt.datetime) -> bool:
    """Whether something ends within `RENEW`, or the broker's certificate is not valid for one of `hosts`."""
    broker = read_certificate(found.broker)
    soon = min(
        c.not_valid_after_utc for c in (broker, read_certificate(found.admin), read_certificate(found.authority))
    )
    return soon - now < RENEW or not valid_for(broker) >= set(hosts)


def renew(found: Certificates, hosts: Collection[str], now: dt.datetime) -> None:
    """New certificates for broker and administrator, and for the authority if half its time is over.

    Each file is replaced as a whole, so an interrupted renewal leaves certificates that fit. ConfigError where the
    authority's key was taken away.
    """
    if not found.authority_key.exists():
        raise ConfigError(
            Text(
                "the authority's key is not here, so nothing can be signed.", "证书颁发机构的私钥不在此处, 无法签发。"
            ),
            where=str(found.authority_key),
            hint=Text("Put it back for as long as this takes.", "请在操作期间将其放回。"),
        )
    authority_key = _read_key(found.authority_key)
    authority = read_certificate(found.authority)
    if authority.not_valid_after_utc - now < _AUTHORITY_LASTS / 2:
        authority = _signed(_name("exchange-bus"), authority_key, None, authority_key, now)
        write_private(found.authority, _text(authority))
    _write_broker(found, authority, authority_key, hosts, now)
    admin = _signed(_name(ADMIN), _read_key(found.admin_key), authority, authority_key, now)
    write_private(found.admin, _text(admin))


def read_certificate(file: Path) -> x509.Certificate:
    """The first certificate of a PEM file. OSError or ValueError if there is none."""
    return x509.load_pem_x509_certificates(file.read_bytes())[0]


def valid_for(certificate: x509.Certificate) -> set[str]:
    """Names and addresses a certificate is valid for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _make(found: Certificates, hosts: Collection[str], now: dt.datetime) -> None:
    authority_key, admin_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _signed(_name("exchange-bus"), authority_key, None, authority_key, now)
    write_private(found.authority_key, _key_text(authority_key))
    write_private(found.authority, _text(authority))
    _write_broker(found, authority, authority_key, hosts, now)
    write_private(found.admin_key, _key_text(admin_key))
    write_private(found.admin, _text(_signed(_name(ADMIN), admin_key, authority, authority_key, now)))


def _write_broker(
    found: Certificates,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    hosts: Collection[str],
    now: dt.datetime,
) -> None:
    """With a key of its own each time."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(_name(BROKER), key, authority, authority_key, now, hosts)
    write_private(found.broker, _key_text(key) + _text(certificate))


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
    now: dt.datetime,
    hosts: Collection[str] = (),
) -> x509.Certificate:
    """A certificate for this machine's loopback addresses and `hosts`; without `issuer` an authority's own."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + (_LASTS if issuer else _AUTHORITY_LASTS))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(_uses(signs=issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if issuer is not None:
        names = [_general(host) for host in dict.fromkeys((*_LOOPBACK, *hosts))]
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _uses(*, signs: bool) -> x509.KeyUsage:
    """What the key is for; verifiers that are strict ask for it."""
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key
