"""A SQLite file of the bus: its owner's alone, one writer at a time, its errors as ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from schemas.errors import BusError, PermanentError, TransientError
from schemas.text import Text

_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


def connect(path: Path, lock_timeout_s: float, synchronous: Literal["NORMAL", "FULL"]) -> sqlite3.Connection:
    """Open the file, made with mode 0600 (its folder 0700) if it is absent. Call it within `failures`.

    After a power cut NORMAL may lose the last transactions, but whole; FULL loses none that was committed.
    """
    # before SQLite makes it for everyone; its -wal and -shm follow its mode
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    db = sqlite3.connect(
        path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=16
    )
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection | None) -> Iterator[sqlite3.Connection]:
    """All or nothing, excluding other writers from its beginning."""
    if db is None:
        raise sqlite3.ProgrammingError("not open")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def failures(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: by name only, and cut from their cause, because texts may quote values."""
    try:
        yield
    except BusError:
        raise
    except (sqlite3.Error, OSError, OverflowError, UnicodeError) as error:
        raise _as_ours(error, path) from None


def _as_ours(error: Exception, path: Path) -> BusError:
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    passing = isinstance(error, OSError) or name.startswith(_PASSING)
    kind = TransientError if passing else PermanentError
    return kind(
        Text(f"the SQLite file cannot be used ({name}).", f"SQLite 文件不可用({name})。"),
        where=str(path),
        hint=Text("Check its folder, free space and other programs using it.", "请检查目录、剩余空间及占用它的程序。"),
    )
