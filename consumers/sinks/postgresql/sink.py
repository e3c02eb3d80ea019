"""The PostgreSQL sink: COPY into a staging table, then one merge, one purge and the positions, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.errors import CheckViolation, NotNullViolation, ProgramLimitExceeded

from consumers.column_records import latest_columns
from consumers.events import Batch, Place, Step
from consumers.refusals import Refusals
from consumers.sink import Held, Written, Zombie, check_back, must_refill
from consumers.sinks.postgresql import ddl
from consumers.sinks.postgresql.columns import csv_of
from consumers.sinks.postgresql.errors import as_ours
from consumers.sinks.postgresql.evolve import evolve, exists
from consumers.sinks.postgresql.settings import PostgresqlSettings
from consumers.sinks.postgresql.values import CONVERT, NUL_REASON, Unstorable
from consumers.values import key_of, row_of
from consumers.view import Origin, View

_REFUSALS = {
    ProgramLimitExceeded.sqlstate: "row-too-large",
    CheckViolation.sqlstate: "check-violated",
    NotNullViolation.sqlstate: "null-refused",
}
"""What one row alone can be refused for: a key that no index holds, and conditions its department has put on the table."""
REFUSED = (ProgramLimitExceeded, CheckViolation, NotNullViolation)


class _Row(NamedTuple):
    """A row to stage: its values as PostgreSQL stores them, whether it is a delete, and the event it comes from."""

    values: tuple[Any, ...]
    gone: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Staged:
    """What goes into the staging table: CSV, or rows; and pointers to the changes whose rows PostgreSQL cannot hold."""

    upserts: int
    gone: int
    csv: pa.Buffer | None = None
    rows: Sequence[_Row] = ()
    rejected: Sequence[tuple[Place, str]] = ()

    @staticmethod
    def of(rows: Sequence[_Row], rejected: Sequence[tuple[Place, str]] = ()) -> Staged:
        """Row by row."""
        gone = sum(row.gone for row in rows)
        return Staged(len(rows) - gone, gone, rows=rows, rejected=rejected)


class PostgresqlSink:
    """See `consumers.sink.Sink`."""

    def __init__(self, settings: PostgresqlSettings) -> None:
        self._settings = settings
        self._db: psycopg.Connection[Any] | None = None

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Connect, make the tables ready; the positions held."""
        self.close()
        self._view, self._refusals = view, Refusals()
        self._table = sql.Identifier(self._settings.db_schema, view.table)
        self._converts = [(i, CONVERT[c.kind]) for i, c in enumerate(view.columns) if c.kind in CONVERT]
        with self._failures():
            self._db = self._connect()
            with self._db.transaction():
                # two deliverers that open at once take turns; the lock ends with the transaction
                self._db.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended('exchange-bus:' || %s, 0))", [self._own]
                )
                for table in ddl.OWN_TABLES:
                    self._create(table, if_not_exists=True)
                if must_refill(view, self._origin(), rebuild=rebuild):
                    self._refill()
                held = self._held()
            self._db.execute(ddl.stage(self._table))
        return held

    def write(self, batch: Batch) -> Written:
        """Apply one batch, all or nothing; but single rows that PostgreSQL refuses whatever comes with them are rejected."""
        with self._failures():
            staged = self._staged(batch)
            try:
                written = self._apply(batch, staged)
            except REFUSED:
                rows, pointers = self._split(batch)  # row by row it shows which
                refused = self._refused(rows)
                self._refusals.add(len(refused), staged.upserts - len(refused))
                if not refused or self._refusals.too_many:
                    raise
                kept = [self._gone(row) if row.place in refused else row for row in rows]
                return self._apply(batch, Staged.of(kept, [*pointers, *refused.items()]))
            self._refusals.add(0, staged.upserts)
            return written

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back, all or none."""
        with self._failures(), self._connection.transaction():
            held = self._held(locked=True)
            check_back(self._view, held.positions, positions)
            self._advance({p: Step(held.positions[p], back, 0) for p, back in positions.items()})
            self._connection.execute(
                self._sql("UPDATE {schema}._bus_views SET since = now() WHERE grant_id = %s"), [self._view.grant]
            )
            return self._held()

    def close(self) -> None:
        """Give back the connection."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    @property
    def _own(self) -> str:
        return self._settings.db_schema

    @property
    def _connection(self) -> psycopg.Connection[Any]:
        if self._db is None:
            raise psycopg.InterfaceError("not open")
        return self._db

    def _connect(self) -> psycopg.Connection[Any]:
        settings = self._settings
        return psycopg.connect(
            settings.url.get_secret_value(),
            autocommit=True,  # every transaction is written out
            connect_timeout=settings.connect_timeout_s,
            application_name="exchange-bus deliver",
            options=f"-c statement_timeout={settings.statement_timeout_s * 1000} "
            f"-c lock_timeout={settings.lock_timeout_s * 1000} "
            f"-c idle_in_transaction_session_timeout={settings.idle_in_transaction_timeout_s * 1000} "
            "-c timezone=Asia/Shanghai",
            keepalives_idle=10,
            keepalives_interval=3,
            keepalives_count=3,
        )

    def _staged(self, batch: Batch) -> Staged:
        """By columns where the batch has them and PostgreSQL can hold every value, else row by row."""
        latest = latest_columns(self._view, batch)
        if latest is not None:
            try:
                return Staged(latest.count, len(latest.gone), csv=csv_of(self._view, latest))
            except Unstorable:
                pass  # row by row it shows which
        return Staged.of(*self._split(batch))

    def _apply(self, batch: Batch, staged: Staged) -> Written:
        with self._connection.transaction():
            self._advance(batch.steps)
            deleted = self._merge(staged)
            pointers = [*staged.rejected, *batch.unreadable]
            if pointers:
                self._note(pointers)
        return Written(staged.upserts, deleted, len(staged.rejected))

    def _merge(self, staged: Staged) -> int:
        """What is staged into the table; how many rows were deleted from it."""
        self._stage(staged)
        deleted = self._connection.execute(ddl.purge(self._view, self._table)).rowcount if staged.gone else 0
        if staged.upserts:
            self._connection.execute(ddl.merge(self._view, self._table))
        return deleted

    def _refused(self, rows: Sequence[_Row]) -> dict[Place, str]:
        """The rows that PostgreSQL does not take even alone, each with the word why; found by halves, and nothing is kept."""
        try:
            with self._connection.transaction(force_rollback=True):
                self._merge(Staged.of(rows))
        except REFUSED as error:
            if len(rows) == 1:
                return {rows[0].place: _REFUSALS[error.sqlstate or ""]}
            half = len(rows) // 2
            return self._refused(rows[:half]) | self._refused(rows[half:])
        return {}

    def _gone(self, row: _Row) -> _Row:
        """The delete of a row that cannot be held: an earlier one under its key is not true any more."""
        n = len(self._view.key)
        return _Row(row.values[:n] + (None,) * (len(row.values) - n), True, row.place)

    def _split(self, batch: Batch) -> tuple[list[_Row], list[tuple[Place, str]]]:
        """Staging rows, and pointers to the changes whose rows PostgreSQL's types cannot hold."""
        rows: list[_Row] = []
        rejected: list[tuple[Place, str]] = []
        empty = (None,) * (len(self._view.columns) - len(self._view.key))
        for change in batch.latest():
            key = key_of(self._view, change)
            try:
                if change.row is not None:
                    rows.append(_Row(self._stored(row_of(self._view, change, key)), False, change.place))
                    continue
            except Unstorable:
                rejected.append((change.place, NUL_REASON))
            try:
                rows.append(_Row((*self._stored(key), *empty), True, change.place))
            except Unstorable:
                continue  # no row of the table can have this key; the create was rejected, so its delete has no work
        return rows, rejected

    def _stored(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        out = list(values)
        for i, convert in self._converts:
            if i < len(out) and out[i] is not None:
                out[i] = convert(out[i])
        return tuple(out)

    def _advance(self, steps: Mapping[int, Step]) -> None:
        view, origin = self._view, self._view.origin
        for partition, step in sorted(steps.items()):  # in one order, so that two deliverers cannot deadlock
            moved = self._connection.execute(
                self._sql(
                    "UPDATE {schema}._bus_positions SET next_offset = %s, events = events + %s, updated_at = now() WHERE "
                    "grant_id = %s AND partition = %s AND topic_id = %s AND generation = %s AND next_offset = %s"
                ),
                [step.next, step.events, view.grant, partition, origin.topic_id, origin.generation, step.expected],
            )
            if moved.rowcount != 1:
                raise Zombie(view, partition)

    def _stage(self, staged: Staged) -> None:
        if not staged.upserts and not staged.gone:
            return
        statement = ddl.copy(self._view, csv=staged.csv is not None)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            if staged.csv is not None:
                copy.write(memoryview(staged.csv))
            for values, gone, _ in staged.rows:
                copy.write_row((*values, gone))

    def _note(self, pointers: Sequence[tuple[Place, str]]) -> None:
        view = self._view
        with self._connection.cursor() as cursor:
            cursor.executemany(
                self._sql(
                    'INSERT INTO {schema}._bus_rejections (grant_id, topic_id, partition, "offset", reason) '
                    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
                ),
                [(view.grant, view.origin.topic_id, *place, reason) for place, reason in pointers],
            )

    def _origin(self) -> Origin | None:
        found = self._connection.execute(
            self._sql("SELECT topic, topic_id, generation, partitions FROM {schema}._bus_views WHERE grant_id = %s"),
            [self._view.grant],
        ).fetchone()
        return Origin(*found) if found else None

    def _refill(self) -> None:
        view, origin, db = self._view, self._view.origin, self._connection
        if exists(db, self._settings.db_schema, view.table):
            evolve(db, self._settings.db_schema, view)
        else:
            self._create(ddl.table_of(view))
        for table in ("_bus_views", "_bus_positions"):
            db.execute(self._sql("DELETE FROM {schema}." + table + " WHERE grant_id = %s"), [view.grant])
        place = (origin.topic_id, origin.generation)
        db.execute(
            self._sql(
                "INSERT INTO {schema}._bus_views (grant_id, table_name, topic, topic_id, generation, partitions) "
                "VALUES (%s, %s, %s, %s, %s, %s)"
            ),
            [view.grant, view.table, origin.topic, *place, origin.partitions],
        )
        db.execute(
            self._sql(
                "INSERT INTO {schema}._bus_positions (grant_id, partition, topic_id, generation, next_offset, events) "
                "SELECT %s, p, %s, %s, 0, 0 FROM generate_series(0, %s) p"
            ),
            [view.grant, *place, origin.partitions - 1],
        )

    def _held(self, *, locked: bool = False) -> Held:
        rows = self._connection.execute(
            self._sql(
                "SELECT partition, next_offset, events FROM {schema}._bus_positions WHERE grant_id = %s ORDER BY partition"
                + (" FOR UPDATE" if locked else "")
            ),
            [self._view.grant],
        ).fetchall()
        since = self._connection.execute(
            self._sql("SELECT extract(epoch FROM since) * 1000 FROM {schema}._bus_views WHERE grant_id = %s"),
            [self._view.grant],
        ).fetchone()
        assert since is not None
        return Held({p: offset for p, offset, _ in rows}, sum(events for _, _, events in rows), int(since[0]))

    def _create(self, table: Any, *, if_not_exists: bool = False) -> None:
        for statement in ddl.statements(table, self._settings.db_schema, if_not_exists=if_not_exists):
            self._connection.execute(statement.encode())

    def _sql(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(schema=sql.Identifier(self._settings.db_schema))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """psycopg's errors as ours, cut from their cause, whose text may quote values."""
        try:
            yield
        except psycopg.Error as error:
            raise as_ours(error, self._settings.shown) from None
