"""The MySQL-compatible sink: many-row INSERT … ON DUPLICATE KEY UPDATE, deletes by key and positions, in one transaction.

There is no staging table: without COPY it would only write every row twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql

from consumers.events import Batch, Place, Step
from consumers.refusals import Refusals
from consumers.sink import Held, Written, Zombie, check_back, must_refill
from consumers.sinks.mysql import ddl
from consumers.sinks.mysql.connection import Db, connect, failures
from consumers.sinks.mysql.errors import refusal
from consumers.sinks.mysql.remake import remake
from consumers.sinks.mysql.settings import MysqlSettings
from consumers.sinks.mysql.staged import Row, Staged, Staging, Values
from consumers.view import Origin, View
from schemas.errors import PermanentError, TransientError
from schemas.text import Text

_DELETE_KEYS = 1_000


class MysqlSink:
    """See `consumers.sink.Sink`."""

    def __init__(self, settings: MysqlSettings) -> None:
        self._settings = settings
        self._db: Db | None = None

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Connect, make the tables ready; the positions held."""
        self.close()
        self._view, self._refusals = view, Refusals()
        self._staging = Staging(view)
        self._upsert = ddl.upsert(view)
        with failures(self._settings):
            self._db = connect(self._settings)
            with self._turn():
                for table in ddl.OWN_TABLES:
                    self._run(ddl.create(table))
                found = self._run(
                    "SELECT topic, topic_id, generation, partitions, ready FROM _bus_views WHERE grant_id = %s",
                    [view.grant],
                )
                origin = Origin(*found[0][:4]) if found else None
                unfinished = bool(found) and not found[0][4]
                if must_refill(view, origin, rebuild=rebuild or unfinished):
                    remake(self._connection, view)
                return self._held()

    def write(self, batch: Batch) -> Written:
        """Apply one batch, all or nothing; but single rows the database refuses whatever comes with them are rejected."""
        staged = self._staging.of(batch)
        with failures(self._settings):
            try:
                written = self._apply(batch, staged)
            except pymysql.err.Error as error:
                refused = self._refused(staged.upserts) if refusal(error) else {}
                self._refusals.add(len(refused), len(staged.upserts) - len(refused))
                if not refused or self._refusals.too_many:
                    raise
                return self._apply(batch, staged.without(refused))
            self._refusals.add(0, len(staged.upserts))
            return written

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back, all or none."""
        with failures(self._settings), self._transaction():
            held = self._held(locked=True)
            check_back(self._view, held.positions, positions)
            self._advance({p: Step(held.positions[p], back, 0) for p, back in positions.items()})
            self._run(
                "UPDATE _bus_views SET since_ms = UNIX_TIMESTAMP() * 1000 WHERE grant_id = %s", [self._view.grant]
            )
            return self._held()

    def close(self) -> None:
        """Give back the connection."""
        db, self._db = self._db, None
        if db is not None:
            db._force_close()  # no farewell: it would be waited for, and may raise

    @property
    def _connection(self) -> Db:
        if self._db is None:
            raise pymysql.err.InterfaceError(0, "not open")
        return self._db

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Two deliverers that open at once take turns. The server gives the turn back when the connection ends."""
        name = "exchange-bus:" + hashlib.sha256(self._settings.database.encode()).hexdigest()[:32]
        if self._run("SELECT GET_LOCK(%s, %s)", [name, self._settings.lock_timeout_s])[0][0] != 1:
            raise TransientError(
                Text("another deliverer is opening its tables.", "另一投递进程正在打开其数据表。"),
                where=self._settings.shown,
            )
        yield
        self._run("SELECT RELEASE_LOCK(%s)", [name])  # not after an error: then the connection ends

    @contextmanager
    def _transaction(self, *, keep: bool = True) -> Iterator[None]:
        db = self._connection
        db.begin()
        try:
            yield
            if keep:
                db.commit()
            else:
                db.rollback()
        except BaseException:
            if db.open:
                db.rollback()
            raise

    def _apply(self, batch: Batch, staged: Staged) -> Written:
        with self._transaction():
            self._advance(batch.steps)
            deleted = self._delete(staged.deletes)
            if staged.upserts:
                self._check_unique()
                self._put(staged.upserts)
            pointers = [*staged.rejected, *batch.unreadable]
            if pointers:
                self._note(pointers)
        return Written(len(staged.upserts), deleted, len(staged.rejected))

    def _refused(self, rows: Sequence[Row]) -> dict[Place, str]:
        """The rows the database does not take even alone, each with the word why; found by halves, and nothing is kept."""
        try:
            with self._transaction(keep=False):
                self._put(rows)
        except pymysql.err.Error as error:
            word = refusal(error)
            if word is None:
                raise
            if len(rows) == 1:
                return {rows[0].place: word}
            half = len(rows) // 2
            return self._refused(rows[:half]) | self._refused(rows[half:])
        return {}

    def _advance(self, steps: Mapping[int, Step]) -> None:
        view, origin = self._view, self._view.origin
        for partition, step in sorted(steps.items()):  # in one order, so that two deliverers cannot deadlock
            with self._connection.cursor() as cursor:
                moved = cursor.execute(
                    "UPDATE _bus_positions SET next_offset = %s, events = events + %s WHERE grant_id = %s "
                    "AND `partition` = %s AND topic_id = %s AND generation = %s AND next_offset = %s",
                    [step.next, step.events, view.grant, partition, origin.topic_id, origin.generation, step.expected],
                )
            if moved != 1:
                raise Zombie(view, partition)

    def _delete(self, keys: Sequence[Values]) -> int:
        deleted = 0
        with self._connection.cursor() as cursor:
            for start in range(0, len(keys), _DELETE_KEYS):
                some = keys[start : start + _DELETE_KEYS]
                deleted += cursor.execute(ddl.delete(self._view, len(some)), [part for key in some for part in key])
        return deleted

    def _put(self, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(self._upsert, [row.values for row in rows])

    def _check_unique(self) -> None:
        """ON DUPLICATE KEY UPDATE would overwrite another row where somebody's own unique index sees a duplicate. The
        table was touched first, so until the commit nobody can add an index."""
        self._run(f"SELECT 1 FROM {ddl.quoted(self._view.table)} LIMIT 0", [])
        found = self._run(
            "SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %s "
            "AND non_unique = 0 AND index_name <> 'PRIMARY' ORDER BY index_name LIMIT 1",
            [self._view.table],
        )
        if found:
            raise PermanentError(
                Text(
                    f"the table has a unique index of its own, '{found[0][0]}', under which two rows could become one.",
                    f"数据表上另有唯一索引 '{found[0][0]}', 可能使两行合并为一行。",
                ),
                where=f"{self._settings.shown} {self._view.table}",
                hint=Text(
                    "Drop it or make it non-unique, then deliver again; delivery goes on where it stopped.",
                    "请删除该索引或改为非唯一索引, 再重新投递, 将从停止处继续。",
                ),
            )

    def _note(self, pointers: Sequence[tuple[Place, str]]) -> None:
        view = self._view
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT IGNORE INTO _bus_rejections (grant_id, topic_id, `partition`, `offset`, reason) "
                "VALUES (%s, %s, %s, %s, %s)",
                [(view.grant, view.origin.topic_id, *place, reason) for place, reason in pointers],
            )

    def _held(self, *, locked: bool = False) -> Held:
        statement = (
            "SELECT `partition`, next_offset, events FROM _bus_positions WHERE grant_id = %s ORDER BY `partition`"
        )
        rows = self._run(statement + (" FOR UPDATE" if locked else ""), [self._view.grant])
        ((since,),) = self._run("SELECT since_ms FROM _bus_views WHERE grant_id = %s", [self._view.grant])
        return Held({p: offset for p, offset, _ in rows}, sum(int(events) for _, _, events in rows), since)

    def _run(self, statement: str, values: Sequence[Any] | None = None) -> Sequence[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            found: Sequence[Any] = cursor.fetchall()
            return found
