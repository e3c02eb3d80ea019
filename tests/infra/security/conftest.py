"""A secured cluster for the session: TLS, passwords, nothing allowed but by ACL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.cluster import running
from infra.control.principals import hand_over
from infra.runtime.settings import Settings
from tests.conftest import own_key


@dataclass(slots=True, frozen=True)
class SecureCluster:
    """A secured cluster as its users see it."""

    home: Path
    key_file: Path

    @property
    def settings(self) -> Settings:
        """Of who runs commands here: the user `control`."""
        return self._settings().located()

    @property
    def exchange(self) -> Settings:
        """Of the exchange."""
        return self._settings().located("exchange")

    def settings_for(self, file: Path) -> Settings:
        """Of who holds a credentials file."""
        return Settings(home=self.home / "elsewhere", credentials=file, key_file=self.key_file).located()

    def system(self, department: str, system: str, to: Path) -> Settings:
        """Of a system that gets its (next) credentials now."""
        hand_over(self.settings, department, system, to)
        return self.settings_for(to)

    def _settings(self) -> Settings:
        return Settings(home=self.home, key_file=self.key_file)


@pytest.fixture(scope="session")
def secure_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """Ends with the session."""
    home = tmp_path_factory.mktemp("secured")
    key_file = own_key(tmp_path_factory.mktemp("secure-custodian"))
    with running(home, secure=True, repository=Settings().maven_repository):
        yield SecureCluster(home, key_file)
