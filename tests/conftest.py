"""What every test may ask for: a real cluster for the whole session, and words no other test uses."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.cluster import running
from infra.runtime.custodian import held_keys
from infra.runtime.settings import Settings


@dataclass(slots=True, frozen=True)
class Cluster:
    """Addresses of a Kafka broker and a registry, a state folder for what the test keeps, and the master key its log pins."""

    bootstrap_servers: str
    registry_url: str
    home: Path
    key_file: Path

    @property
    def settings(self) -> Settings:
        """Settings of a process that works on this cluster."""
        return Settings(
            home=self.home,
            bootstrap_servers=self.bootstrap_servers,
            registry_url=self.registry_url,
            key_file=self.key_file,
        )


def own_key(folder: Path) -> Path:
    """The file of a master key in a folder that is no state folder."""
    path = folder / "master.key"
    path.write_text("ab" * 32)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster BUS_BOOTSTRAP_SERVERS and BUS_REGISTRY_URL name, else an embedded one that ends with the session."""
    home = tmp_path_factory.mktemp("cluster")
    given = Settings()
    if given.bootstrap_servers or given.registry_url:
        given = given.located()
        assert given.bootstrap_servers and given.registry_url
        held_keys(given)
        yield Cluster(given.bootstrap_servers, given.registry_url, home, given.key_file)
        return
    key_file = own_key(tmp_path_factory.mktemp("custodian"))
    with running(home, repository=given.maven_repository) as state:
        assert state.bootstrap_servers and state.registry_url
        yield Cluster(state.bootstrap_servers, state.registry_url, home, key_file)


@pytest.fixture
def unique() -> str:
    """An id word of this test alone, for its departments, resources, topics, groups and subjects."""
    return f"t{secrets.token_hex(4)}"
