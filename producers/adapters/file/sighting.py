"""What one look through a file found: which keys it has, and which of its rows need a closer look.

Notes of one run, kept beside the state only because a file may have more keys than memory: they are written without any
care for durability, and thrown away at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from producers.adapters.file.state import MAX_TEXT, State
from producers.private import private_file

_TABLES = """
PRAGMA seen.journal_mode=OFF;
PRAGMA seen.synchronous=OFF;
CREATE TABLE seen.keys (key TEXT PRIMARY KEY, number INTEGER NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE seen.work (number INTEGER PRIMARY KEY, repeat INTEGER NOT NULL);
"""
_MISSING = "NOT EXISTS (SELECT 1 FROM seen.keys s WHERE s.key = p.key)"


class Sighting:
    """The keys of one file, joined with the state of what is published. Raises what `State` raises."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._path = state.path.with_suffix(".seen")
        self.repeated = 0
        """Rows exactly like an earlier one of the same key."""
        _forget(self._path)
        private_file(self._path)
        state.query("ATTACH DATABASE ? AS seen", [str(self._path)])
        for statement in _TABLES.split(";"):
            state.query(statement)

    def note(self, entries: Sequence[tuple[str, int, bytes]], unreadable: Sequence[int]) -> None:
        """Note (key, number, digest) of rows, and the numbers of rows without a readable key. Of rows with one key the
        first counts: one exactly like it is `repeated`, another is work."""
        with self._state.transaction() as db:
            added = db.executemany("INSERT OR IGNORE INTO seen.keys VALUES (?, ?, ?)", entries).rowcount
            work = [(number, 0) for number in unreadable]
            if added < len(entries):
                work += self._differing(entries)
            db.executemany("INSERT INTO seen.work VALUES (?, ?)", work)

    def compare(self) -> int:
        """Note as work every first row whose cells are not those that were published; how many are just those."""
        with self._state.transaction() as db:
            differing = db.execute(
                "INSERT INTO seen.work SELECT s.number, 0 FROM seen.keys s LEFT JOIN published p ON p.key = s.key "
                "WHERE p.digest IS NOT s.digest ORDER BY s.number"
            ).rowcount
        return int(self._state.query("SELECT count(*) FROM seen.keys")[0][0]) - differing

    def work(self, first: int, last: int) -> dict[int, bool]:
        """Of the rows from number `first` to `last`, those that need a look: whether their key came before."""
        found = self._state.query("SELECT number, repeat FROM seen.work WHERE number BETWEEN ? AND ?", (first, last))
        return {number: bool(repeat) for number, repeat in found}

    def last_work(self) -> int:
        """Number of the last row that needs a look; 0 if none does."""
        return int(self._state.query("SELECT coalesce(max(number), 0) FROM seen.work")[0][0])

    def missing(self) -> tuple[int, int]:
        """How many published rows the file does not have, and how many there are."""
        gone = self._state.query(f"SELECT count(*) FROM published p WHERE {_MISSING}")[0][0]
        return int(gone), int(self._state.query("SELECT count(*) FROM published")[0][0])

    def next_missing(self, after: str, count: int) -> list[tuple[str, str]]:
        """Up to `count` published rows (key, row) with keys beyond `after` that the file does not have, in key order."""
        found: list[tuple[str, str]] = []
        chars = 0
        select = f"SELECT key, row FROM published p WHERE key > ? AND {_MISSING} ORDER BY key LIMIT ?"
        for key, row in self._state.connection.execute(select, (after, count)):
            found.append((key, row))
            chars += len(row)
            if chars > MAX_TEXT:
                break
        return found

    def forget(self) -> None:
        """Throw the notes away, once the state is closed."""
        _forget(self._path)

    def _differing(self, entries: Sequence[tuple[str, int, bytes]]) -> list[tuple[int, int]]:
        work = []
        for key, number, digest in entries:
            first, its = self._state.query("SELECT number, digest FROM seen.keys WHERE key = ?", (key,))[0]
            if number == first:
                continue
            if digest == its:
                self.repeated += 1
            else:
                work.append((number, 1))
        return work


def _forget(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
