"""PostgreSQL as a store of `bus bench delivery`: a throw-away server whose commits wait for the disk.

The bare loop is what a program would do that has nothing else to do: one connection; for each batch a transaction with COPY
of the rows, row by row as psycopg takes them, into a temporary table and one INSERT … ON CONFLICT from it. Its table is the
bus's: same columns, types and key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from consumers.events import Batch
from consumers.sinks.postgresql import ddl
from consumers.view import View
from infra.bus.throwaway_postgres import PostgresServer, postgres_server


class PostgresqlStore:
    """See `infra.bus.bench.delivery.Store`. Every place is a database."""

    name = "postgresql"
    options: tuple[str, ...] = ()

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._made = 0

    def fresh(self) -> str:
        """A new database on a server that has nothing left to write; the one before is gone."""
        before, self._made = self._made, self._made + 1
        with psycopg.connect(self._server.url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"bench{before}")))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"bench{self._made}")))
            admin.execute("CHECKPOINT")
        return f"{self._server.url.rpartition('/')[0]}/bench{self._made}"

    def bare(self, address: str, view: View, batches: Sequence[Batch]) -> float:
        """COPY and merge, nothing else."""
        ready = [_rows(view, batch) for batch in batches]
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in view.columns)
        rest = [sql.Identifier(c.name) for c in view.columns if not c.key]
        copy = sql.SQL("COPY stage ({}) FROM STDIN").format(names)
        merge = sql.SQL("INSERT INTO {} SELECT {} FROM stage ON CONFLICT ({}) DO UPDATE SET {}").format(
            sql.Identifier(view.table),
            names,
            sql.SQL(", ").join(sql.Identifier(c.name) for c in view.key),
            sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(n) for n in rest),
        )
        with psycopg.connect(address, autocommit=True) as db:
            for statement in ddl.statements(ddl.table_of(view), "public"):
                db.execute(statement.encode())
            db.execute(
                sql.SQL("CREATE TEMP TABLE stage ON COMMIT DELETE ROWS AS SELECT * FROM {} WITH NO DATA").format(
                    sql.Identifier(view.table)
                )
            )
            began = time.perf_counter()
            for rows in ready:
                with db.transaction(), db.cursor() as cursor:
                    with cursor.copy(copy) as into:
                        for row in rows:
                            into.write_row(row)
                    cursor.execute(merge)
            return time.perf_counter() - began

    @contextmanager
    def watch(self, address: str) -> Iterator[Callable[[], int]]:
        """What the deliverer counts in the transactions of the rows, asked over one connection."""
        with psycopg.connect(address, autocommit=True) as db:

            def held() -> int:
                there = db.execute("SELECT to_regclass('_bus_positions')").fetchone()
                if there is None or there[0] is None:
                    return 0
                found = db.execute("SELECT coalesce(sum(events), 0) FROM _bus_positions").fetchone()
                return int(found[0]) if found else 0

            yield held


@contextmanager
def postgresql_store() -> Iterator[PostgresqlStore]:
    """The store on a server that ends with the block."""
    with postgres_server(durable=True) as server:
        yield PostgresqlStore(server)


def _rows(view: View, batch: Batch) -> list[tuple[Any, ...]]:
    """The last row of each key, in the table's order."""
    fields = [c.field for c in view.columns]
    return [tuple(change.row[f] for f in fields) for change in batch.latest() if change.row is not None]
