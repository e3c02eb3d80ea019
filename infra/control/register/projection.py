"""The register as a database (`<home>/register.db`, SQLite): built from the logs, followed from where it stood, and thrown
away whenever it is not what the logs say. It holds nothing that is not in them.

Two logs are followed, each with its own offset: `bus.register`, and of `bus.grants` only which contracts there are.
"""

from __future__ import annotations

import os
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.control.register.judge import Connected
from infra.control.register.state import RegisterState
from schemas.catalogue_entry import CatalogueEntry
from schemas.register_log import Document, EntryPut, Kind, RegisterEvent, document_text, key_of

LAYOUT = 1
"""Raised with every change of the tables: a projection of another layout is rebuilt."""
_BUSY_S = 30.0

_TABLES = """
CREATE TABLE log (topic TEXT PRIMARY KEY, identity TEXT NOT NULL, next INTEGER NOT NULL);
CREATE TABLE document (kind TEXT, id TEXT, title TEXT NOT NULL, department TEXT, text TEXT NOT NULL, at INTEGER NOT NULL,
  by TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE entry (id TEXT PRIMARY KEY, code TEXT NOT NULL, title TEXT NOT NULL, provider TEXT NOT NULL, class TEXT NOT NULL,
  domain TEXT NOT NULL, sharing TEXT NOT NULL, open TEXT NOT NULL, refresh TEXT NOT NULL, level TEXT NOT NULL,
  personal TEXT NOT NULL, found_title TEXT NOT NULL, found_text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE contract (id TEXT PRIMARY KEY, provider TEXT NOT NULL, sharing TEXT NOT NULL) WITHOUT ROWID;
"""


def folded(text: str) -> str:
    """As text is compared in searches: full-width letters are letters, capitals are small."""
    return unicodedata.normalize("NFKC", text).lower()


class Projection:
    """The database at `path`, made (0600) if there is none. One thread at a time; other processes may use it meanwhile."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        try:
            self.sql = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, disk full: not the file's fault
                raise
            path.unlink()  # no database, or a broken one: the logs have everything
            self.sql = self._open()

    def close(self) -> None:
        """Give back the file."""
        self.sql.close()

    def __enter__(self) -> Projection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def place(self, topic: str) -> tuple[str, int]:
        """Identity of the log this was read from, and the offset of the next entry to read."""
        row = self.sql.execute("SELECT identity, next FROM log WHERE topic = ?", (topic,)).fetchone()
        return ("", 0) if row is None else (row[0], row[1])

    def state(self) -> RegisterState:
        """Directory and catalogue as they were last read."""
        return RegisterState({(kind, name): text for kind, name, text in self._documents()})

    def contracts(self) -> dict[str, Connected]:
        """Connected resources by id."""
        rows = self.sql.execute("SELECT id, provider, sharing FROM contract")
        return {name: Connected(provider, sharing) for name, provider, sharing in rows}

    def discard(self, topic: str) -> None:
        """Forget what was read from a log."""
        with self._writing():
            self.sql.execute("DELETE FROM log WHERE topic = ?", (topic,))

    def put_register(
        self, topic: str, identity: str, came: Iterable[tuple[int, RegisterEvent]], begin: int, end: int
    ) -> bool:
        """Fold in entries (offset, event) of the register that were read from offset `begin` up to `end`; those already here
        are passed over. False, and nothing happens, if somebody discarded what lies before `begin`: read again.
        """
        with self._writing():
            at = self._begin(topic, identity, ("document", "entry"))
            if at < begin:
                return False
            for offset, event in came:
                if offset >= at:
                    self._fold(event)
            self._end(topic, identity, max(at, end))
            return True

    def put_contracts(
        self, topic: str, identity: str, came: Iterable[tuple[int, tuple[str, Connected]]], begin: int, end: int
    ) -> bool:
        """The same for contracts (offset, (id, what it says))."""
        with self._writing():
            at = self._begin(topic, identity, ("contract",))
            if at < begin:
                return False
            rows = [(name, c.provider, c.sharing) for offset, (name, c) in came if offset >= at]
            self.sql.executemany("INSERT OR REPLACE INTO contract VALUES (?, ?, ?)", rows)
            self._end(topic, identity, max(at, end))
            return True

    def _open(self) -> sqlite3.Connection:
        self.path.touch(mode=0o600)
        os.chmod(self.path, 0o600)  # noqa: PTH101 - also one that somebody made readable
        sql = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        try:
            if sql.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
                self._lay_out(sql)
        except BaseException:
            sql.close()
            raise
        return sql

    def _lay_out(self, sql: sqlite3.Connection) -> None:
        sql.execute("BEGIN IMMEDIATE")
        if sql.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:  # nobody was faster
            for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                sql.execute(f'DROP TABLE "{name}"')
            for statement in _TABLES.split(";\n"):
                sql.execute(statement)
            sql.execute(f"PRAGMA user_version = {LAYOUT}")
        sql.execute("COMMIT")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.sql.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.sql.execute("ROLLBACK")
            raise
        self.sql.execute("COMMIT")

    def _begin(self, topic: str, identity: str, tables: tuple[str, ...]) -> int:
        """The offset up to which everything is here; what came from another log goes."""
        known, at = self.place(topic)
        if known == identity:
            return at
        for table in tables:
            self.sql.execute(f"DELETE FROM {table}")
        return 0

    def _end(self, topic: str, identity: str, end: int) -> None:
        self.sql.execute("INSERT OR REPLACE INTO log VALUES (?, ?, ?)", (topic, identity, end))

    def _fold(self, event: RegisterEvent) -> None:
        if isinstance(event, EntryPut):
            self._put(event.document, event.at, event.by)
            return
        self.sql.execute("DELETE FROM document WHERE kind = ? AND id = ?", (event.of, event.id))
        if event.of == "CatalogueEntry":
            self.sql.execute("DELETE FROM entry WHERE id = ?", (event.id,))

    def _put(self, document: Document, at: int, by: str) -> None:
        kind, name = key_of(document)
        owner = document.provider if isinstance(document, CatalogueEntry) else getattr(document, "department", None)
        row = (kind, name, document.title, owner, document_text(document), at, by)
        self.sql.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if isinstance(document, CatalogueEntry):
            self.sql.execute(f"INSERT OR REPLACE INTO entry VALUES ({', '.join('?' * 13)})", _searched(document))

    def _documents(self) -> Iterable[tuple[Kind, str, str]]:
        return self.sql.execute("SELECT kind, id, text FROM document ORDER BY kind, id")


def _searched(e: CatalogueEntry) -> tuple[str, ...]:
    words = [e.title, e.id, e.code, e.domain, e.description, *(f"{i.name} {i.title}" for i in e.items)]
    facts = (e.id, e.code, e.title, e.provider, e.class_, e.domain, e.sharing, e.open, e.update, e.level, e.personal)
    return (*facts, folded(e.title), folded("\n".join(words)))
