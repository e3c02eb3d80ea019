"""What the webhook sink must not forget: positions, requests under way, and pointers to what was given up.

A request is announced here, by its offsets, before it is sent, and a resend covers exactly the offsets announced: so the
receiver sees the same id again. No content is kept.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consumers.sink import Held, Zombie, check_back, must_refill
from consumers.sinks.sqlite.file import connect, failures, transaction
from consumers.sinks.webhook.message import Request
from consumers.view import Origin, View

OPENING = -1
"""In place of a partition: the request that tells of the table."""

TABLES = """
CREATE TABLE IF NOT EXISTS _bus_views (
  grant_id TEXT PRIMARY KEY, topic TEXT NOT NULL, topic_id TEXT NOT NULL, generation INTEGER NOT NULL,
  partitions INTEGER NOT NULL, fill TEXT NOT NULL, since_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS _bus_positions (
  grant_id TEXT NOT NULL, partition INTEGER NOT NULL, topic_id TEXT NOT NULL, generation INTEGER NOT NULL,
  fill TEXT NOT NULL, next_offset INTEGER NOT NULL, events INTEGER NOT NULL,
  PRIMARY KEY (grant_id, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _bus_requests (
  grant_id TEXT NOT NULL, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, since_ms INTEGER, PRIMARY KEY (grant_id, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _bus_dead_letters (
  grant_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, first_offset INTEGER NOT NULL,
  next_offset INTEGER NOT NULL, events INTEGER NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """How often a request failed, and since when (milliseconds since 1970 UTC)."""

    attempts: int
    since_ms: int


class State:
    """The state of one grant in a file that several may share. Raises what `Sink` raises."""

    def __init__(self, path: Path, lock_timeout_s: float = 1.0) -> None:
        self._path, self._lock_timeout_s = path, lock_timeout_s
        self._db: sqlite3.Connection | None = None
        self.fill = ""
        """Of this filling of the receiver's table alone, so that ids of an earlier one are not taken for seen."""
        self.announced: dict[int, int] = {}
        """Requests under way: partition -> offset they end at."""

    def open(self, view: View, *, rebuild: bool) -> Held:
        """Positions held. A new filling has the request OPENING announced."""
        self._view = view
        with failures(self._path):
            # FULL: were an announcement forgotten after its request was sent, the resend would have another id
            self._db = connect(self._path, self._lock_timeout_s, "FULL")
            with transaction(self._db) as db:
                for statement in TABLES.split(";"):
                    db.execute(statement)
                if must_refill(view, self._origin(db), rebuild=rebuild):
                    self._refill(db)
                return self._held(db)

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back, under another filling: what is sent again is meant to be taken again, so it has other ids."""
        grant, fill = self._view.grant, secrets.token_hex(4)
        with failures(self._path), transaction(self._db) as db:
            check_back(self._view, self._held(db).positions, positions)
            db.execute(
                "UPDATE _bus_views SET fill = ?, since_ms = strftime('%s', 'now') * 1000 WHERE grant_id = ?",
                (fill, grant),
            )
            db.execute("UPDATE _bus_positions SET fill = ? WHERE grant_id = ?", (fill, grant))
            for partition, offset in positions.items():
                place = (grant, partition)
                db.execute("DELETE FROM _bus_requests WHERE grant_id = ? AND partition = ?", place)
                db.execute(
                    "UPDATE _bus_positions SET next_offset = ? WHERE grant_id = ? AND partition = ?", (offset, *place)
                )
            return self._held(db)

    def check(self, expected: Mapping[int, int]) -> None:
        """Zombie if a partition is not where this writer believes."""
        with failures(self._path), transaction(self._db) as db:
            for partition, position in expected.items():
                self._must_hold(db, partition, position)

    def announce(self, request: Request) -> None:
        """Before it is sent. Zombie if another deliverer has announced another one."""
        grant, ends = self._view.grant, (request.first, request.next)
        with failures(self._path), transaction(self._db) as db:
            self._must_hold(db, request.partition, request.first)
            db.execute(
                "INSERT OR IGNORE INTO _bus_requests (grant_id, partition, first_offset, next_offset) VALUES (?, ?, ?, ?)",
                (grant, request.partition, *ends),
            )
            found = db.execute(
                "SELECT first_offset, next_offset FROM _bus_requests WHERE grant_id = ? AND partition = ?",
                (grant, request.partition),
            ).fetchone()
            if found != ends:
                raise Zombie(self._view, request.partition)
        self.announced[request.partition] = request.next

    def settled(self, request: Request) -> None:
        """It was accepted, or there was nothing to tell: the position moves."""
        with failures(self._path), transaction(self._db) as db:
            self._settle(db, request)
        self.announced.pop(request.partition, None)

    def given_up(self, request: Request, reason: str, now_ms: int) -> None:
        """It is left: the position moves, and a pointer stays."""
        letter = (self._view.grant, self._view.origin.topic, request.partition, request.first, request.next)
        with failures(self._path), transaction(self._db) as db:
            self._settle(db, request)
            db.execute(
                "INSERT INTO _bus_dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*letter, request.events, reason, now_ms),
            )
        self.announced.pop(request.partition, None)

    def failed(self, request: Request, now_ms: int) -> Tried:
        """It failed once more. Zombie if it is no longer under way."""
        with failures(self._path), transaction(self._db) as db:
            found = db.execute(
                "UPDATE _bus_requests SET attempts = attempts + 1, since_ms = coalesce(since_ms, ?)"
                " WHERE grant_id = ? AND partition = ? AND first_offset = ? AND next_offset = ?"
                " RETURNING attempts, since_ms",
                (now_ms, self._view.grant, request.partition, request.first, request.next),
            ).fetchall()
            if not found:
                raise Zombie(self._view, request.partition)
            return Tried(*found[0])

    def forgive(self, request: Request) -> None:
        """Its budget begins anew: a person goes on after a stop."""
        with failures(self._path), transaction(self._db) as db:
            db.execute(
                "UPDATE _bus_requests SET attempts = 0, since_ms = NULL WHERE grant_id = ? AND partition = ?",
                (self._view.grant, request.partition),
            )

    def close(self) -> None:
        """Give back the file."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _settle(self, db: sqlite3.Connection, request: Request) -> None:
        self._must_hold(db, request.partition, request.first)
        place = (self._view.grant, request.partition)
        db.execute("DELETE FROM _bus_requests WHERE grant_id = ? AND partition = ?", place)
        if request.partition != OPENING:
            db.execute(
                "UPDATE _bus_positions SET next_offset = ?, events = events + ? WHERE grant_id = ? AND partition = ?",
                (request.next, request.events, *place),
            )

    def _must_hold(self, db: sqlite3.Connection, partition: int, position: int) -> None:
        origin = self._view.origin
        if partition == OPENING:
            held: tuple[str, int] | None = db.execute(
                "SELECT fill, 0 FROM _bus_views WHERE grant_id = ? AND topic_id = ? AND generation = ?",
                (self._view.grant, origin.topic_id, origin.generation),
            ).fetchone()
        else:
            held = db.execute(
                "SELECT fill, next_offset FROM _bus_positions"
                " WHERE grant_id = ? AND topic_id = ? AND generation = ? AND partition = ?",
                (self._view.grant, origin.topic_id, origin.generation, partition),
            ).fetchone()
        if held != (self.fill, position):
            raise Zombie(self._view, partition)

    def _origin(self, db: sqlite3.Connection) -> Origin | None:
        found = db.execute(
            "SELECT topic, topic_id, generation, partitions FROM _bus_views WHERE grant_id = ?", (self._view.grant,)
        ).fetchone()
        return Origin(*found) if found else None

    def _refill(self, db: sqlite3.Connection) -> None:
        view, origin, fill = self._view, self._view.origin, secrets.token_hex(4)
        db.execute(
            "INSERT OR REPLACE INTO _bus_views VALUES (?, ?, ?, ?, ?, ?, strftime('%s', 'now') * 1000)",
            (view.grant, origin.topic, origin.topic_id, origin.generation, origin.partitions, fill),
        )
        db.execute("DELETE FROM _bus_positions WHERE grant_id = ?", (view.grant,))
        db.execute("DELETE FROM _bus_requests WHERE grant_id = ?", (view.grant,))
        db.executemany(
            "INSERT INTO _bus_positions VALUES (?, ?, ?, ?, ?, 0, 0)",
            [(view.grant, p, origin.topic_id, origin.generation, fill) for p in range(origin.partitions)],
        )
        db.execute(
            "INSERT INTO _bus_requests (grant_id, partition, first_offset, next_offset) VALUES (?, ?, 0, 0)",
            (view.grant, OPENING),
        )

    def _held(self, db: sqlite3.Connection) -> Held:
        grant = (self._view.grant,)
        self.fill, since = db.execute("SELECT fill, since_ms FROM _bus_views WHERE grant_id = ?", grant).fetchone()
        self.announced = dict(
            db.execute("SELECT partition, next_offset FROM _bus_requests WHERE grant_id = ?", grant).fetchall()
        )
        rows = db.execute(
            "SELECT partition, next_offset, events FROM _bus_positions WHERE grant_id = ?", grant
        ).fetchall()
        return Held({p: offset for p, offset, _ in rows}, sum(events for _, _, events in rows), since)
