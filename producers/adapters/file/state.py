"""The last state a file adapter published, in SQLite, kept equal to what Kafka holds whenever the process dies.

A batch's effect is written to a journal before its Kafka transaction is committed and applied after. On start the
position in Kafka decides: the journal's position means the batch was published and is applied now; the position before
means it was not and is dropped; anything else means that this state and Kafka do not belong together.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producers.private import private_file, private_folder
from schemas.errors import ConfigError, PermanentError
from schemas.text import Text

_TABLES = """
CREATE TABLE IF NOT EXISTS published (key TEXT PRIMARY KEY, row TEXT NOT NULL, digest BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
  one INTEGER PRIMARY KEY CHECK (one = 1), applied TEXT, pending TEXT, journal TEXT, recipe TEXT, anew INTEGER NOT NULL
);
INSERT OR IGNORE INTO position VALUES (1, NULL, NULL, NULL, NULL, 0);
"""
MAX_TEXT = 16 << 20
"""Characters of rows given back at once."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch makes of one key: its row as published (None: it is gone), and the digest of the cells it came from."""

    key: str
    row: str | None
    digest: bytes | None


class State:
    """One adapter's published rows (key text -> row as text). One process at a time holds it; one thread.

    ConfigError if another run holds it, or Kafka is at a position this state does not know. PermanentError for what
    SQLite cannot do (a full disk).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        private_folder(path.parent)
        private_file(path)
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ConfigError(
                Text("another run of this adapter is going on.", "该适配器正在另一进程中运行。"), where=str(path)
            ) from error
        self._db: sqlite3.Connection | None = None
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA cache_size=-32000;" + _TABLES)
        except sqlite3.Error as error:
            self.close()
            raise self._failed(error) from error

    @property
    def connection(self) -> sqlite3.Connection:
        """The open database, for the notes of one run (`Sighting`) that are joined with it."""
        if self._db is None:
            raise RuntimeError("the state is closed")
        return self._db

    def agree(self, position: str | None, *, anew: bool) -> None:
        """Bring the state to the position Kafka holds. `anew`: forget what was published and start a snapshot there."""
        applied, pending, journal = self.query("SELECT applied, pending, journal FROM position")[0]
        if anew:
            with self.transaction() as db:
                db.execute("DELETE FROM published")
                db.execute("UPDATE position SET applied = ?, pending = NULL, journal = NULL, anew = 1", (position,))
        elif pending is not None and pending == position:
            self.apply(pending, _changes(journal))
        elif applied == position:
            with self.transaction() as db:
                db.execute("UPDATE position SET pending = NULL, journal = NULL")
        else:
            raise ConfigError(
                Text(
                    f"the state is at position {applied}, Kafka at {position}: they do not belong together.",
                    f"状态位于 {applied}, Kafka 位于 {position}: 两者不一致。",
                ),
                where=str(self.path),
                hint=Text(
                    "Restore the state file, or publish the whole file as a snapshot (--snapshot).",
                    "请恢复状态文件, 或以快照方式重新发布整个文件(--snapshot)。",
                ),
            )

    def converted_by(self, recipe: str) -> None:
        """Digests count only for cells converted by the same recipe (mapping, contract, code): another one clears them."""
        if self.query("SELECT recipe FROM position")[0][0] != recipe:
            with self.transaction() as db:
                db.execute("UPDATE published SET digest = NULL")
                db.execute("UPDATE position SET recipe = ?", (recipe,))

    def in_snapshot(self) -> bool:
        """Whether a snapshot was begun (here or by a run that died) and not yet finished."""
        return bool(self.query("SELECT anew FROM position")[0][0])

    def finish_snapshot(self) -> None:
        """The snapshot has been published to its end."""
        with self.transaction() as db:
            db.execute("UPDATE position SET anew = 0")

    def published(self, keys: Sequence[str]) -> dict[str, str]:
        """The published row of each of `keys` that has one."""
        wanted = json.dumps(keys, ensure_ascii=False)
        return dict(
            self.query("SELECT key, row FROM published WHERE key IN (SELECT value FROM json_each(?))", [wanted])
        )

    def same_row(self, entries: Sequence[tuple[bytes, str]]) -> None:
        """These (digest, key) have other cells than before, but their row is the published one."""
        with self.transaction() as db:
            db.executemany("UPDATE published SET digest = ? WHERE key = ?", entries)

    def prepare(self, changes: Sequence[Change], position: str) -> None:
        """Write down, durably, what the batch at `position` makes of the state."""
        journal = json.dumps(
            [(c.key, c.row, None if c.digest is None else c.digest.hex()) for c in changes], ensure_ascii=False
        )
        with self.transaction(durable=True) as db:
            db.execute("UPDATE position SET pending = ?, journal = ?", (position, journal))

    def apply(self, position: str, changes: Sequence[Change]) -> None:
        """The batch at `position` is in Kafka."""
        ordered = sorted(changes, key=lambda c: c.key)  # neighbours in the tree are written together
        with self.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO published VALUES (?, ?, ?)",
                [(c.key, c.row, c.digest) for c in ordered if c.row is not None],
            )
            db.executemany("DELETE FROM published WHERE key = ?", [(c.key,) for c in ordered if c.row is None])
            db.execute("UPDATE position SET applied = ?, pending = NULL, journal = NULL", (position,))

    def close(self) -> None:
        """Close the file and let others have it."""
        if self._db is not None:
            self._db.close()
            self._db = None
        os.close(self._lock)

    def query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a SELECT."""
        try:
            return self.connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction. Not `durable`: safe when the process is killed; when the machine fails it may be undone, with
        all that followed it, and the journal of a durable one makes up for it."""
        db = self.connection
        try:
            db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> PermanentError:
        return PermanentError(
            Text(f"SQLite: {error}.", f"SQLite: {error}。"),
            where=str(self.path),
            hint=Text("Check the disk's space and the folder's rights.", "请检查磁盘空间与文件夹权限。"),
        )


def _changes(journal: str) -> list[Change]:
    return [Change(k, r, None if d is None else bytes.fromhex(d)) for k, r, d in json.loads(journal)]
