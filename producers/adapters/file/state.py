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
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from producers.quarantine import private_folder
from schemas.errors import ConfigError, PermanentError
from schemas.text import Text

_TABLES = """
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), applied TEXT, pending TEXT);
CREATE TABLE IF NOT EXISTS published (key TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (key TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, number INTEGER NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO position VALUES (1, NULL, NULL);
"""


class State:
    """One adapter's published rows (key text -> row as text). One process at a time holds it; one thread.

    ConfigError if another run holds it, or Kafka is at a position this state does not know. PermanentError for what
    SQLite cannot do (a full disk).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        private_folder(path.parent)
        self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ConfigError(
                Text("another run of this adapter is going on.", "该适配器正在另一进程中运行。"), where=str(path)
            ) from error
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;" + _TABLES
            )
        except sqlite3.Error as error:
            os.close(self._lock)
            raise self._failed(error) from error

    def agree(self, position: str | None, *, anew: bool) -> None:
        """Bring the state to the position Kafka holds. `anew`: forget what was published and start from there."""
        applied, pending = self._db.execute("SELECT applied, pending FROM position").fetchone()
        if anew:
            self._forget(position)
        elif pending is not None and pending == position:
            self.apply(pending)
        elif applied == position:
            self._many("DELETE FROM journal", [()], pending=None)
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

    def published(self, keys: Sequence[str]) -> dict[str, str]:
        """The published row of each of `keys` that has one."""
        return self._of("SELECT key, row FROM published", keys)

    def see(self, entries: Iterable[tuple[str, int, bytes]]) -> None:
        """Note keys of the file with row number and digest; the first row of a key stays."""
        self._many("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", entries)

    def first_rows(self, keys: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Number and digest of the first row of each of `keys`."""
        found = self._query(
            "SELECT key, number, digest FROM seen WHERE key IN (SELECT value FROM json_each(?))", (_json(keys),)
        )
        return {k: (n, d) for k, n, d in found}

    def forget_seen(self) -> None:
        """Begin a new look through a file."""
        self._many("DELETE FROM seen", [()])

    def missing(self) -> tuple[int, int]:
        """How many published rows the file does not have, and how many there are."""
        gone = "SELECT count(*) FROM published p WHERE NOT EXISTS (SELECT 1 FROM seen s WHERE s.key = p.key)"
        return int(self._query(gone)[0][0]), int(self._query("SELECT count(*) FROM published")[0][0])

    def next_missing(self, after: str, count: int) -> list[tuple[str, str]]:
        """Up to `count` published rows with keys beyond `after` that the file does not have, in key order."""
        return self._query(
            "SELECT key, row FROM published p WHERE key > ? AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.key = p.key) "
            "ORDER BY key LIMIT ?",
            (after, count),
        )

    def prepare(self, changes: Iterable[tuple[str, str | None]], position: str) -> None:
        """Write down what the batch at `position` makes of the state (None: the row is gone)."""
        self._many("INSERT OR REPLACE INTO journal VALUES (?, ?)", changes, pending=position)

    def apply(self, position: str) -> None:
        """The batch at `position` is in Kafka."""
        try:
            self._db.execute("BEGIN")
            self._db.execute("INSERT OR REPLACE INTO published SELECT key, row FROM journal WHERE row IS NOT NULL")
            self._db.execute("DELETE FROM published WHERE key IN (SELECT key FROM journal WHERE row IS NULL)")
            self._db.execute("DELETE FROM journal")
            self._db.execute("UPDATE position SET applied = ?, pending = NULL", (position,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        os.close(self._lock)

    def _forget(self, position: str | None) -> None:
        self._many("DELETE FROM published", [()])
        self._many("DELETE FROM journal", [()], pending=None)
        self._query("UPDATE position SET applied = ?, pending = NULL", (position,))

    def _of(self, select: str, keys: Sequence[str]) -> dict[str, str]:
        return dict(self._query(f"{select} WHERE key IN (SELECT value FROM json_each(?))", (_json(keys),)))

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _many(self, sql: str, entries: Iterable[Sequence[object]], **position: str | None) -> None:
        try:
            self._db.execute("BEGIN")
            self._db.executemany(sql, entries)
            if position:
                self._db.execute("UPDATE position SET pending = ?", (position["pending"],))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> PermanentError:
        return PermanentError(
            Text(f"SQLite: {error}.", f"SQLite: {error}。"),
            where=str(self.path),
            hint=Text("Check the disk's space and the folder's rights.", "请检查磁盘空间与文件夹权限。"),
        )


def _json(keys: Sequence[str]) -> str:
    return json.dumps(keys, ensure_ascii=False)
