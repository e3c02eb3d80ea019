"""A secured cluster's certificates: until when they hold, and their renewal while the cluster runs and clients are connected.

The broker reads its key store again for the connections that come from then on; those that are open go on. That it does is
seen by connecting to each listener, never assumed.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin._config import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)  # not exported to type checkers
from confluent_kafka.admin._resource import ResourceType
from cryptography import x509

from infra.cluster.broker import NETWORK_THREADS
from infra.cluster.exclusive import exclusive
from infra.cluster.ports import HOST, Ports
from infra.cluster.progress import Progress
from infra.cluster.secured import FOLDER, KEY_STORE, administrator, remembered, tell_own_users
from infra.cluster.state import read_state, registry_url
from infra.runtime.kafka import admin
from infra.security.certificates import Certificates, certificates, read_certificate, renew, valid_for
from infra.security.presented import presented
from schemas.errors import ConfigError, TransientError
from schemas.text import Text

_NODE = "1"
_TIMEOUT_S = 15.0
_LOOK_EVERY_S = 0.1
_LOOKS = 4 * NETWORK_THREADS
"""Each of a listener's threads reads the key store for itself, and connections go to them in turn: so many connections one
after the other meet every one, also while others connect."""
_WAITING = Text("Waiting: 'bus up' works in this folder", "等待: 'bus up' 正在此目录中运行")


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate. `hosts`: names and addresses it is valid for, none for the authority's. `serial`: hexadecimal."""

    name: str
    ends: dt.datetime
    days: int
    hosts: tuple[str, ...]
    serial: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """What there is now. `shown`: listeners that present the new certificate; none where the cluster does not run."""

    certificates: tuple[CertificateFacts, ...]
    authority_too: bool
    shown: tuple[str, ...]


def show(home: Path, now: dt.datetime) -> tuple[CertificateFacts, ...]:
    """A folder's certificates. ConfigError if it has none."""
    return _facts(_found(home), now)


def ends_at(folder: Path) -> dt.datetime:
    """When the first of them ends. OSError or ValueError if one cannot be read."""
    files = (folder / "ca.pem", folder / "broker.pem", folder / "admin.pem")
    return min(read_certificate(file).not_valid_after_utc for file in files)


def renew_certificates(home: Path, now: dt.datetime, progress: Progress) -> Renewed:
    """New certificates, whatever is left of those there are; a running broker shows them before this returns.

    Raises ConfigError where there are none or the authority's key is elsewhere, and TransientError if a running broker does
    not take them on: they are used from its next start.
    """
    home = home.resolve()
    found = _found(home)
    with exclusive(home / "up.lock", progress, _WAITING):
        state = read_state(home)
        ports = state.ports if state is not None and state.secured else remembered(home)
        assert ports is not None
        before = found.authority.read_bytes()
        renew(found, ports.hosts, now)
        shown = (
            _taken_on(home, ports, found) if state is not None and state.bootstrap_servers and state.all_alive else ()
        )
        if (home / FOLDER / "credentials" / "control.yaml").exists():
            tell_own_users(home, ports, registry_url(ports))
    return Renewed(_facts(found, now), found.authority.read_bytes() != before, shown)


def _taken_on(home: Path, ports: Ports, found: Certificates) -> tuple[str, ...]:
    """The listeners, once each shows what lies in the folder."""
    places = {
        "clients": (ports.inside, ports.broker),
        "internal": (HOST, ports.internal or 0),
        "controller": (HOST, ports.controller),
    }
    if ports.outside:
        places["outside"] = (HOST, ports.outside.port)
    entries = [
        ConfigEntry(
            f"listener.name.{name}.ssl.keystore.location", KEY_STORE, incremental_operation=AlterConfigOpType.SET
        )
        for name in places
    ]
    broker = ConfigResource(ResourceType.BROKER, _NODE, incremental_configs=entries)
    client = admin(administrator(home, ports, registry_url(ports)))
    try:
        for done in client.incremental_alter_configs([broker], request_timeout=_TIMEOUT_S).values():
            done.result()
    except KafkaException as error:
        raise _not_yet(error.args[0].str()) from error
    serial, until = read_certificate(found.broker).serial_number, time.monotonic() + _TIMEOUT_S
    for name, (host, port) in places.items():
        while any(_serial(host, port) != serial for _ in range(_LOOKS)):
            if time.monotonic() > until:
                raise _not_yet(name)
            time.sleep(_LOOK_EVERY_S)
    return tuple(places)


def _serial(host: str, port: int) -> int | None:
    try:
        return presented(host, port).serial_number
    except OSError:
        return None


def _found(home: Path) -> Certificates:
    folder = home / FOLDER
    if not (folder / "admin.pem").exists():
        raise ConfigError(
            Text("there is no secured cluster here.", "此处没有安全集群。"),
            where=str(folder),
            hint=Text("'bus up --secure' makes one.", "'bus up --secure' 可创建。"),
        )
    return certificates(folder)


def _facts(found: Certificates, now: dt.datetime) -> tuple[CertificateFacts, ...]:
    named = {"authority": found.authority, "broker": found.broker, "administrator": found.admin}
    return tuple(_fact(name, read_certificate(file), now) for name, file in named.items())


def _fact(name: str, certificate: x509.Certificate, now: dt.datetime) -> CertificateFacts:
    ends = certificate.not_valid_after_utc
    hosts = () if name == "authority" else tuple(sorted(valid_for(certificate)))
    return CertificateFacts(name, ends, (ends - now).days, hosts, f"{certificate.serial_number:x}")


def _not_yet(why: str) -> TransientError:
    return TransientError(
        Text(
            f"the certificates are renewed, but the running broker does not show them ({why}).",
            f"证书已更新, 但运行中的代理尚未启用({why})。",
        ),
        hint=Text("Run it again, or 'bus down' and 'bus up'.", "请重试, 或先 'bus down' 再 'bus up'。"),
    )
