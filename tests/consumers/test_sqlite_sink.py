"""The SQLite sink passes the conformance suite, and keeps its file private."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consumers.catalogue import sink_for
from consumers.sink import Sink
from consumers.values import json_text
from consumers.view import Kind, View
from schemas.errors import PermanentError, TransientError
from tests.kit.sink_conformance import SinkConformance, a_view, batch, event


class SqliteTarget:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sink(self) -> Sink:
        return sink_for(f"sqlite:{self.path}")

    def rows(self, view: View) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(r) for r in db.execute(f'SELECT * FROM "{view.table}"')]

    def titles(self, view: View) -> Mapping[str, str]:
        with closing(sqlite3.connect(self.path)) as db:
            (text,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (view.table,)).fetchone()
        found = {"": text.splitlines()[0].partition(" -- ")[2]}
        return found | {m[1]: m[2] for m in re.finditer(r'^  "(\w+)" .*?, -- (.*)$', text, re.M)}

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind == "json":
            return json_text(value)
        if isinstance(value, dt.datetime):
            return "2026-11-24T02:31:46.123000Z" if kind == "timestamp" else "2026-11-24T10:31:46"
        return str(value) if kind in ("date", "time", "decimal") else value


class TestSqliteSink(SinkConformance):
    @pytest.fixture
    def target(self, tmp_path: Path) -> SqliteTarget:
        return SqliteTarget(tmp_path / "delivery" / "shuiwu.db")


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "delivery" / "shuiwu.db"
    sink = sink_for(f"sqlite:{path}")
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0)))
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    sink.close()
    assert modes == {"shuiwu.db": 0o600, "shuiwu.db-wal": 0o600, "shuiwu.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_locked_file_is_transient(tmp_path: Path) -> None:
    from consumers.sinks.sqlite.settings import SqliteSettings
    from consumers.sinks.sqlite.sink import SqliteSink

    path = tmp_path / "x.db"
    sink = SqliteSink(SqliteSettings(path=path, lock_timeout_s=0.05))
    sink.open(a_view())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError):
            sink.write(batch(event("c", "1", 0)))
        other.execute("ROLLBACK")
    assert sink.write(batch(event("c", "1", 0))).upserted == 1
    sink.close()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a database " * 100)
    with pytest.raises(PermanentError, match="SQLITE_NOTADB"):
        sink_for(f"sqlite:{path}").open(a_view())
    assert path.read_text().startswith("these are notes")


def test_text_with_nul_is_kept_whole(tmp_path: Path) -> None:
    target = SqliteTarget(tmp_path / "x.db")
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(event("c", "1\0", 0, {"name": "a\0b"})))
    sink.close()
    assert [(r["id"], r["name"]) for r in target.rows(a_view())] == [("1\0", "a\0b")]
