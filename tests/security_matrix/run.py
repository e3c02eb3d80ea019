"""A matrix from nothing: a secured cluster that is thrown away, a city on it, every cell, and the table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from infra.cluster import running
from infra.cluster.progress import Progress
from infra.runtime.settings import Settings
from tests.security_matrix.matrix import Matrix, set_up, try_all
from tests.security_matrix.scenario import City


def run(city: City, *, progress: Progress | None = None) -> Matrix:
    """Every cell of a city, on a cluster of its own: what is allowed is done, so that nothing is left of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="security-matrix-") as folder:
        home = Path(folder)
        given = Settings()
        with running(home, secure=True, repository=given.maven_repository, progress=progress) as state:
            control = Settings(home=home, bootstrap_servers=None, registry_url=None).located()
            exchange = Settings(home=home, bootstrap_servers=None, registry_url=None).located("exchange")
            own = {"control": control, "exchange": exchange}
            users = set_up(city, control)
            return try_all(city, lambda user: own.get(user) or users(user), intruders(control, state.ports.internal))


def intruders(control: Settings, internal: int | None) -> Mapping[str, Settings]:
    """Who knows where the cluster is, and not how to get in."""

    def but(**changed: object) -> Settings:
        return control.model_copy(update=changed)

    return {
        "wrong password": but(sasl_password=SecretStr("wrong")),
        "unknown user": but(sasl_username="nobody"),
        "no password": but(security_protocol="SSL"),
        "no TLS": but(security_protocol="SASL_PLAINTEXT"),
        "nothing": but(security_protocol="PLAINTEXT"),
        "no certificate, broker's port": but(security_protocol="SSL", bootstrap_servers=f"127.0.0.1:{internal}"),
    }
