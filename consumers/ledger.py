"""Where a program has stopped, kept in a file of its own: one position, moved with each acknowledgement.

SQLite because it does what is needed here and nothing has to be written for it: a change is whole or absent after a crash,
one that was made survives a `kill -9` of the program, and one connection can shut out all others.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

from consumers.position import Position
from schemas.errors import BusError, ConfigError, PermanentError
from schemas.text import Text

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Ledger:
    """The position of one program in one grant. One holder at a time, of all processes; any thread. Close it when done.

    A power cut may lose the last acknowledgements (the disk is not asked to confirm each); a dead process loses none.
    Raises ConfigError if somebody else holds the file, or it is another grant's, and PermanentError where the disk fails.
    """

    def __init__(self, path: Path, grant: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        except OSError as error:
            raise self._failed(type(error).__name__) from error
        self._db: sqlite3.Connection | None = None
        try:
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            self._db.executescript(_OPEN)
            row = self._db.execute("SELECT position FROM ledger").fetchone()
        except sqlite3.Error as error:
            self.close()
            raise self._said(error) from error
        self.position: Position | None = None
        """The position held; None if nothing was ever acknowledged."""
        if row is not None:
            self.position = Position.parse(row[0])
            if self.position.grant != grant:
                self.close()
                raise self._other_grant(grant)

    def hold(self, position: Position | None) -> None:
        """Hold `position` from now on, or none. After `close` this does nothing."""
        with self._lock:
            if self._db is None:
                return
            try:
                if position is None:
                    self._db.execute("DELETE FROM ledger")
                else:
                    self._db.execute("INSERT OR REPLACE INTO ledger VALUES (1, ?)", (str(position),))
            except sqlite3.Error as error:
                raise self._said(error) from error
            self.position = position

    def close(self) -> None:
        """Give back the file. May be called twice."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _said(self, error: sqlite3.Error) -> BusError:
        if getattr(error, "sqlite_errorcode", None) in _BUSY:
            return ConfigError(
                Text("another program reads with this ledger.", "另有程序正在使用该订阅台账。"),
                where=str(self.path),
                hint=Text(
                    "Stop it, or give this program a ledger of its own: Subscriber(…, ledger=PATH).",
                    "请停止该程序, 或为本程序指定独立台账: Subscriber(…, ledger=路径)。",
                ),
            )
        return self._failed(getattr(error, "sqlite_errorname", type(error).__name__))

    def _failed(self, code: str) -> PermanentError:
        return PermanentError(
            Text(f"the ledger cannot be read or written ({code}).", f"订阅台账无法读写({code})。"),
            where=str(self.path),
            hint=Text("Check the disk and who owns the folder.", "请检查磁盘及目录权限。"),
        )

    def _other_grant(self, grant: str) -> ConfigError:
        held = self.position.grant if self.position else ""
        return ConfigError(
            Text(f"this ledger belongs to grant {held}, not {grant}.", f"该台账属于授权 {held}, 而非 {grant}。"),
            where=str(self.path),
            hint=Text("Every grant needs a ledger of its own.", "每个授权须使用各自的台账。"),
        )


_OPEN = """
PRAGMA locking_mode=EXCLUSIVE;
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS ledger (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT NOT NULL);
COMMIT;
"""
