"""What makes the embedded broker a secured one, and how the administrator gets in.

    CLIENTS     SASL_SSL, SCRAM-SHA-512: everybody, each with a password of its own
    INTERNAL    SSL with client certificates: the broker itself and the administrator, who are super users by certificate,
                so that no first password has to be told to anybody
    CONTROLLER  the same
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
from infra.security.acls import APPLICATIONS, EXCHANGE, OWN_USERS, wanted
from infra.security.certificates import ADMIN, BROKER, certificates
from infra.security.handing_over import write_credentials
from infra.security.principals import NewUser, list_users, make_users
from infra.security.quotas import DESK, EVERYBODY, UNBOUNDED
from infra.security.reconcile import Drift, drift, held, repair
from schemas.policy_log import PolicyState

FOLDER = "security"
"""In the state folder: certificates, and credentials of the bus's own users."""

REAUTHENTICATE_MS = 60_000
"""A user that was removed loses its open connections within this time."""


def properties(ports: Ports) -> dict[str, str]:
    """What differs from the unsecured broker. Paths are relative to the broker's folder."""
    assert ports.internal is not None
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listeners": (
            f"CLIENTS://{HOST}:{ports.broker},INTERNAL://{HOST}:{ports.internal},CONTROLLER://{HOST}:{ports.controller}"
        ),
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "INTERNAL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.clients.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.clients.scram-sha-512.connections.max.reauth.ms": str(REAUTHENTICATE_MS),
        "listener.name.internal.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": f"../{FOLDER}/broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"../{FOLDER}/ca.pem",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:CN={BROKER};User:CN={ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
    }


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
    folder = home / FOLDER / CREDENTIALS
    folder.mkdir(mode=0o700, exist_ok=True)
    files = {user: folder / f"{user}.yaml" for user in OWN_USERS}
    known = set(list_users(client))
    if not known:
        set_quotas(root, installed, {None: EVERYBODY, EXCHANGE: UNBOUNDED, APPLICATIONS: DESK})
    lost = [user for user, file in files.items() if user not in known or not file.exists()]
    address = f"{HOST}:{ports.broker}"
    authority = certificates(home / FOLDER).authority.read_text(encoding="ascii")
    for made in make_users(client, lost):
        write_credentials(files[made.name], made, address, authority, registry_url=registry_url)
    for user in files.keys() - set(lost):
        said = read_credentials(files[user])
        if (said.bootstrap_servers, said.registry_url) != (address, registry_url):  # the ports were taken by others
            same = NewUser(user, said.password.get_secret_value())
            write_credentials(files[user], same, address, authority, registry_url=registry_url)
    found = held(client)
    if found is not None:
        repair(client, Drift(drift(wanted(PolicyState(), {}), found).missing, ()))
