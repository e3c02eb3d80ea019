"""The events that were passed over on the way into a SQLite file, as `_bus_rejections` names them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from schemas.errors import ConfigError
from schemas.text import Text


def read_rejections(path: Path) -> list[tuple[str, int, int, str, int]]:
    """Grant, partition, offset, reason and moment (milliseconds since 1970 UTC), newest first. ConfigError for a file that is no
    sink of the bus."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return db.execute(
                'SELECT grant_id, partition, "offset", reason, at FROM _bus_rejections ORDER BY at DESC, grant_id, partition'
            ).fetchall()
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise ConfigError(
            Text(f"this is no file the bus delivers into ({name}).", f"该文件不是总线的投递目标({name})。"),
            where=str(path),
        ) from None
