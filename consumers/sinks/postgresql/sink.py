"""The PostgreSQL sink: COPY into a staging table, then one merge, one purge and the positions, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from consumers.events import Batch, Change
from consumers.sink import Held, Written, Zombie, must_refill
from consumers.sinks.postgresql import ddl
from consumers.sinks.postgresql.errors import as_ours
from consumers.sinks.postgresql.settings import PostgresqlSettings
from consumers.values import Convert, in_utc, json_text, key_of, row_of
from consumers.view import Kind, Origin, View

NUL_REASON = "text-holds-nul"
"""PostgreSQL's text and jsonb cannot hold U+0000. Replacing it would deliver what nobody sent; so the row is withheld,
any earlier row under its key is deleted because it is no longer true, and a pointer to the event is kept."""


class Unstorable(Exception):
    """A value PostgreSQL has no place for."""


class PostgresqlSink:
    """See `consumers.sink.Sink`."""

    def __init__(self, settings: PostgresqlSettings) -> None:
        self._settings = settings
        self._db: psycopg.Connection[Any] | None = None

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Connect, make the tables ready; the positions held."""
        self.close()
        self._view = view
        self._table = sql.Identifier(self._settings.db_schema, view.table)
        self._converts = [(i, _CONVERT[c.kind]) for i, c in enumerate(view.columns) if c.kind in _CONVERT]
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
        """Apply one batch, all or nothing."""
        rows, rejected = self._split(batch)
        gone = sum(1 for row in rows if row[-1])
        with self._failures(), self._connection.transaction():
            self._advance(batch)
            if rows:
                self._stage(rows)
            deleted = self._connection.execute(ddl.purge(self._view, self._table)).rowcount if gone else 0
            if len(rows) > gone:
                self._connection.execute(ddl.merge(self._view, self._table))
            if rejected:
                self._note(rejected)
        return Written(len(rows) - gone, deleted, len(rejected))

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
            options=f"-c statement_timeout={settings.statement_timeout_s * 1000} -c timezone=Asia/Shanghai "
            f"-c idle_in_transaction_session_timeout={settings.idle_in_transaction_timeout_s * 1000}",
            keepalives_idle=10,
            keepalives_interval=3,
            keepalives_count=3,
        )

    def _split(self, batch: Batch) -> tuple[list[tuple[Any, ...]], list[Change]]:
        """Staging rows, and the changes whose rows PostgreSQL cannot hold."""
        rows: list[tuple[Any, ...]] = []
        rejected: list[Change] = []
        empty = (None,) * (len(self._view.columns) - len(self._view.key))
        for change in batch.latest():
            key = key_of(self._view, change)
            try:
                if change.row is not None:
                    rows.append((*self._stored(row_of(self._view, change, key)), False))
                    continue
            except Unstorable:
                rejected.append(change)
            try:
                rows.append((*self._stored(key), *empty, True))
            except Unstorable:
                continue  # no row of the table can have this key; the create was rejected, so its delete has no work
        return rows, rejected

    def _stored(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        out = list(values)
        for i, convert in self._converts:
            if i < len(out) and out[i] is not None:
                out[i] = convert(out[i])
        return tuple(out)

    def _advance(self, batch: Batch) -> None:
        view, origin = self._view, self._view.origin
        for partition, step in sorted(batch.steps.items()):  # in one order, so that two deliverers cannot deadlock
            moved = self._connection.execute(
                self._sql(
                    "UPDATE {schema}._bus_positions SET next_offset = %s, events = events + %s, updated_at = now() WHERE "
                    "grant_id = %s AND partition = %s AND topic_id = %s AND generation = %s AND next_offset = %s"
                ),
                [step.next, step.events, view.grant, partition, origin.topic_id, origin.generation, step.expected],
            )
            if moved.rowcount != 1:
                raise Zombie(view, partition)

    def _stage(self, rows: list[tuple[Any, ...]]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(ddl.copy(self._view)) as copy:
            for row in rows:
                copy.write_row(row)

    def _note(self, rejected: list[Change]) -> None:
        view = self._view
        with self._connection.cursor() as cursor:
            cursor.executemany(
                self._sql(
                    'INSERT INTO {schema}._bus_rejections (grant_id, topic_id, partition, "offset", reason) '
                    "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
                ),
                [(view.grant, view.origin.topic_id, *change.place, NUL_REASON) for change in rejected],
            )

    def _origin(self) -> Origin | None:
        found = self._connection.execute(
            self._sql("SELECT topic, topic_id, generation, partitions FROM {schema}._bus_views WHERE grant_id = %s"),
            [self._view.grant],
        ).fetchone()
        return Origin(*found) if found else None

    def _refill(self) -> None:
        view, origin, db = self._view, self._view.origin, self._connection
        db.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._table))
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

    def _held(self) -> Held:
        rows = self._connection.execute(
            self._sql("SELECT partition, next_offset, events FROM {schema}._bus_positions WHERE grant_id = %s"),
            [self._view.grant],
        ).fetchall()
        return Held({p: offset for p, offset, _ in rows}, sum(events for _, _, events in rows))

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


def _text(value: Any) -> str:
    text = str(value)
    if "\0" in text:
        raise Unstorable
    return text


def _json(value: Any) -> str:
    text = json_text(value)
    # every U+0000 is written so; the sequence after a backslash is text that was sent as such
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise Unstorable
    return text


_CONVERT: dict[Kind, Convert] = {"text": _text, "json": _json, "timestamp": in_utc}
