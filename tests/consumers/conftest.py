"""A real PostgreSQL server for the session, and a fresh database schema per test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from tests.kit.mariadb import MariadbServer, ask, mariadb_server
from tests.kit.postgres import postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URI of the session's server."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """URI of a database of this test alone."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    yield postgres.rpartition("/")[0] + "/" + name
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """The session's MariaDB server."""
    with mariadb_server() as server:
        yield server


@pytest.fixture
def mysql_database(mariadb: MariadbServer) -> Iterator[str]:
    """Address of a MariaDB database of this test alone."""
    name = f"t{secrets.token_hex(6)}"
    ask(mariadb.url, f"CREATE DATABASE {name}")
    yield mariadb.url.rpartition("/")[0] + "/" + name
    ask(mariadb.url, f"DROP DATABASE {name}")
