"""A matrix from nothing: a secured cluster that is thrown away, a city on it, and every cell."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from infra.cluster import running
from infra.runtime.settings import Settings
from infra.security.acls import OWN_USERS
from tests.security_matrix.matrix import Matrix, set_up, try_all
from tests.security_matrix.scenario import City


@dataclass(frozen=True, slots=True)
class Prepared:
    """A city on its cluster. `login`: how each of its users gets in; `intruders`: those who know where it is, and not how."""

    control: Settings
    login: Callable[[str], Settings]
    intruders: Mapping[str, Settings]


@contextmanager
def prepared(city: City) -> Iterator[Prepared]:
    """A city on a cluster of its own: what is allowed is done, so that nothing is left of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="security-matrix-") as folder:
        home, given = Path(folder), Settings()
        with running(home, secure=True, repository=given.maven_repository) as state:
            here = given.model_copy(
                update={"home": home, "bootstrap_servers": None, "registry_url": None, "credentials": None}
            )
            own = {name: here.located(name) for name in OWN_USERS}
            users = set_up(city, own["control"])
            outside = _intruders(own["control"], state.ports.internal)
            yield Prepared(own["control"], lambda user: own.get(user) or users(user), outside)


def run(city: City) -> Matrix:
    """Every cell of a city."""
    with prepared(city) as there:
        return try_all(city, there.login, there.intruders)


def _intruders(control: Settings, internal: int | None) -> Mapping[str, Settings]:
    def but(**changed: object) -> Settings:
        return control.model_copy(update=changed)

    return {
        "wrong password": but(sasl_password=SecretStr("wrong")),
        "unknown user": but(sasl_username="nobody"),
        "no password": but(security_protocol="SSL"),
        "no TLS": but(security_protocol="SASL_PLAINTEXT"),
        "nothing": but(security_protocol="PLAINTEXT"),
        "no certificate": but(security_protocol="SSL", bootstrap_servers=f"127.0.0.1:{internal}"),
    }
