"""The SQLite sink: one file, one table per grant, positions beside the rows in the same transaction."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping
from typing import Any

from consumers.events import Batch
from consumers.sink import Held, Written, Zombie, check_back, must_refill
from consumers.sinks.sqlite import ddl
from consumers.sinks.sqlite.file import connect, failures, transaction
from consumers.sinks.sqlite.settings import SqliteSettings
from consumers.values import Convert, in_utc, json_text, key_of, row_of
from consumers.view import Kind, Origin, View


def _instant(value: dt.datetime) -> str:
    # isoformat, not strftime: that writes the year 1 as "1", which would not sort
    return in_utc(value).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


_CONVERT: dict[Kind, Convert] = {
    "text": str,
    "boolean": int,
    "date": dt.date.isoformat,
    "time": dt.time.isoformat,
    "timestamp": _instant,
    "local": dt.datetime.isoformat,
    "decimal": str,
    "json": json_text,
}


class SqliteSink:
    """See `consumers.sink.Sink`."""

    def __init__(self, settings: SqliteSettings) -> None:
        self._settings = settings
        self._db: sqlite3.Connection | None = None

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Make file and table ready; the positions held."""
        self.close()
        self._view = view
        self._converts = [(i, _CONVERT[c.kind]) for i, c in enumerate(view.columns) if c.kind in _CONVERT]
        self._upsert, self._delete = ddl.upsert(view), ddl.delete(view)
        with failures(self._settings.path):
            # what a power cut may take is whole transactions, rows and positions together: they are read and written again
            self._db = connect(self._settings.path, self._settings.lock_timeout_s, "NORMAL")
            with transaction(self._db) as db:
                for statement in ddl.OWN_TABLES.split(";"):
                    db.execute(statement)
                if must_refill(view, self._origin(db), rebuild=rebuild):
                    self._refill(db)
                return self._held(db)

    def write(self, batch: Batch) -> Written:
        """Apply one batch, all or nothing."""
        upserts, deletes = self._split(batch)
        view = self._view
        with failures(self._settings.path), transaction(self._db) as db:
            for partition, step in batch.steps.items():
                origin = view.origin
                place = (view.grant, partition, origin.topic_id, origin.generation, step.expected)
                if db.execute(ddl.ADVANCE, (step.next, step.events, *place)).rowcount != 1:
                    raise Zombie(view, partition)
            deleted = db.executemany(self._delete, deletes).rowcount if deletes else 0
            if upserts:
                db.executemany(self._upsert, upserts)
            if batch.unreadable:
                rejected = [(view.grant, view.origin.topic_id, *place, reason) for place, reason in batch.unreadable]
                db.executemany(ddl.REJECT, rejected)
        return Written(len(upserts), deleted)

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back, all or none."""
        view, origin = self._view, self._view.origin
        with failures(self._settings.path), transaction(self._db) as db:
            held = self._held(db)
            check_back(view, held.positions, positions)
            for partition, position in positions.items():
                place = (view.grant, partition, origin.topic_id, origin.generation, held.positions[partition])
                if db.execute(ddl.ADVANCE, (position, 0, *place)).rowcount != 1:
                    raise Zombie(view, partition)
            db.execute(
                "UPDATE _bus_views SET since_ms = strftime('%s', 'now') * 1000 WHERE grant_id = ?", (view.grant,)
            )
            return self._held(db)

    def close(self) -> None:
        """Give back the file."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _split(self, batch: Batch) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Rows to upsert and keys to delete, as SQLite stores them."""
        upserts, deletes = [], []
        for change in batch.latest():
            key = key_of(self._view, change)
            if change.row is None:
                deletes.append(self._stored(key))
            else:
                upserts.append(self._stored(row_of(self._view, change, key)))
        return upserts, deletes

    def _stored(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        out = list(values)
        for i, convert in self._converts:
            if i < len(out) and out[i] is not None:
                out[i] = convert(out[i])
        return tuple(out)

    def _origin(self, db: sqlite3.Connection) -> Origin | None:
        found = db.execute(
            "SELECT topic, topic_id, generation, partitions FROM _bus_views WHERE grant_id = ?", (self._view.grant,)
        ).fetchone()
        return Origin(*found) if found else None

    def _refill(self, db: sqlite3.Connection) -> None:
        view, origin = self._view, self._view.origin
        db.execute(f"DROP TABLE IF EXISTS {ddl.quoted(view.table)}")
        db.execute(ddl.create(view))
        db.execute(
            "INSERT OR REPLACE INTO _bus_views VALUES (?, ?, ?, ?, ?, ?, strftime('%s', 'now') * 1000)",
            (view.grant, view.table, origin.topic, origin.topic_id, origin.generation, origin.partitions),
        )
        db.execute("DELETE FROM _bus_positions WHERE grant_id = ?", (view.grant,))
        db.executemany(
            "INSERT INTO _bus_positions VALUES (?, ?, ?, ?, 0, 0)",
            [(view.grant, p, origin.topic_id, origin.generation) for p in range(origin.partitions)],
        )

    def _held(self, db: sqlite3.Connection) -> Held:
        rows = db.execute(
            "SELECT partition, next_offset, events FROM _bus_positions WHERE grant_id = ?", (self._view.grant,)
        ).fetchall()
        (since,) = db.execute("SELECT since_ms FROM _bus_views WHERE grant_id = ?", (self._view.grant,)).fetchone()
        return Held({p: offset for p, offset, _ in rows}, sum(events for _, _, events in rows), since)
