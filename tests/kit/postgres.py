"""A throw-away PostgreSQL server for tests, as benchmarks use it too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.bus import throwaway_postgres


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URI of a running server's database, whose user may do everything in it."""
    with throwaway_postgres.postgres_server() as server:
        yield server.url
