"""What makes the embedded broker a secured one, and how the administrator gets in.

    CLIENTS     SASL_SSL, SCRAM-SHA-512: everybody, each with a password of its own
    INTERNAL    SSL with client certificates: the broker itself and the administrator, who are super users by certificate,
                so that no first password has to be told to anybody
    CONTROLLER  the same
    OUTSIDE     where departments on other machines get in (`--outside`): as CLIENTS, on every interface
All but OUTSIDE are on loopback, or CLIENTS on the address the bus's own processes in other containers use (`--inside`).
Nobody may do anything that no ACL allows.
"""

from __future__ import annotations

from pathlib import Path

from infra.cluster.artefacts import Installation
from infra.cluster.ports import HOST, Ports
from infra.cluster.quotas import set_quotas
from infra.runtime.credentials import read_credentials
from infra.runtime.kafka import admin
from infra.runtime.settings import CREDENTIALS, Settings
from infra.security.acls import APPLICATIONS, CONTROL, EXCHANGE, OWN_USERS, wanted
from infra.security.certificates import ADMIN, BROKER, certificates, write_private
from infra.security.handing_over import write_credentials
from infra.security.principals import NewUser, list_users, make_users
from infra.security.quotas import DESK, EVERYBODY, UNBOUNDED
from infra.security.reconcile import Drift, drift, held, repair
from schemas.policy_state import PolicyState

FOLDER = "security"
"""In the state folder: certificates, and credentials of the bus's own users."""

KEY_STORE = f"../{FOLDER}/broker.pem"
"""The broker's certificate and key, as the broker finds it."""
_PORTS = "ports.json"
REAUTHENTICATE_MS = 60_000
"""A user that was removed loses its open connections within this time."""


def properties(ports: Ports) -> dict[str, str]:
    """What differs from the unsecured broker. Paths are relative to the broker's folder."""
    assert ports.internal is not None
    inside, internal = f"CLIENTS://{ports.inside}:{ports.broker}", f"INTERNAL://{HOST}:{ports.internal}"
    settings = {
        "listeners": f"{inside},{internal},CONTROLLER://{HOST}:{ports.controller}",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL,OUTSIDE:SASL_SSL",
        "inter.broker.listener.name": "INTERNAL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        **_passwords("clients"),
        "listener.name.internal.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": KEY_STORE,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"../{FOLDER}/ca.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:CN={BROKER};User:CN={ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
    }
    if ports.outside is None:
        return settings
    return settings | {
        "listeners": f"{settings['listeners']},OUTSIDE://0.0.0.0:{ports.outside.port}",
        "advertised.listeners": f"{inside},{internal},OUTSIDE://{ports.outside}",
        **_passwords("outside"),
    }


def _passwords(listener: str) -> dict[str, str]:
    mechanism = f"listener.name.{listener}.scram-sha-512"
    return {
        f"{mechanism}.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        f"{mechanism}.connections.max.reauth.ms": str(REAUTHENTICATE_MS),
    }


def remembered(home: Path) -> Ports | None:
    """Where a secured cluster listened that has lost its `cluster.json`: credentials that were handed out name it."""
    file = home / FOLDER / _PORTS
    return Ports.model_validate_json(file.read_bytes()) if file.exists() else None


def remember(home: Path, ports: Ports) -> None:
    """Write it down."""
    write_private(home / FOLDER / _PORTS, ports.model_dump_json(indent=2, exclude_none=True) + "\n")


def administrator(home: Path, ports: Ports, registry_url: str) -> Settings:
    """Settings of who may do everything: whoever can read the folder's certificates."""
    found = certificates(home / FOLDER)
    return Settings(
        home=home,
        bootstrap_servers=f"{HOST}:{ports.internal}",
        registry_url=registry_url,
        security_protocol="SSL",
        ssl_ca_location=found.authority,
        ssl_certificate_location=found.admin,
        ssl_key_location=found.admin_key,
    )


def admit(home: Path, ports: Ports, registry_url: str, installed: Installation) -> None:
    """Give the bus's own users a password (in `security/credentials`, 0600) and the rights they always have, and everybody
    else a quota.

    Run at every start: what is there stays, quotas that were changed too; a file that was lost is written anew with a new
    password.
    """
    root = administrator(home, ports, registry_url)
    client = admin(root)
    files = {user: _file(home, user) for user in OWN_USERS}
    files[CONTROL].parent.mkdir(mode=0o700, exist_ok=True)
    known = set(list_users(client))
    if not known:
        set_quotas(root, installed, {None: EVERYBODY, EXCHANGE: UNBOUNDED, APPLICATIONS: DESK})
    lost = [user for user, file in files.items() if user not in known or not file.exists()]
    for made in make_users(client, lost):
        _write(home, made, ports, registry_url)
    tell_own_users(home, ports, registry_url)
    found = held(client)
    if found is not None:
        repair(client, Drift(drift(wanted(PolicyState(), {}), found).missing, ()))


def tell_own_users(home: Path, ports: Ports, registry_url: str) -> None:
    """Write the files of the bus's own users anew where address or authority are others than they say."""
    authority = certificates(home / FOLDER).authority.read_text(encoding="ascii")
    outside = str(ports.outside) if ports.outside else None
    for user in OWN_USERS:
        said = read_credentials(_file(home, user))
        now = (_address(ports), registry_url, authority, outside if user == CONTROL else None)
        if (said.bootstrap_servers, said.registry_url, said.ca, said.outside) != now:
            _write(home, NewUser(user, said.password.get_secret_value()), ports, registry_url)


def _write(home: Path, user: NewUser, ports: Ports, registry_url: str) -> None:
    """Only who hands out credentials is told where departments come in."""
    outside = str(ports.outside) if ports.outside and user.name == CONTROL else None
    authority = certificates(home / FOLDER).authority.read_text(encoding="ascii")
    file, address = _file(home, user.name), _address(ports)
    write_credentials(file, user, address, authority, registry_url=registry_url, outside=outside)


def _file(home: Path, user: str) -> Path:
    return home / FOLDER / CREDENTIALS / f"{user}.yaml"


def _address(ports: Ports) -> str:
    return f"{ports.inside}:{ports.broker}"
