"""What a webhook gave up, as pointers: where to read it again, and why it was not accepted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from consumers.sinks.sqlite.file import failures
from consumers.sinks.webhook.settings import load_settings


@dataclass(frozen=True, slots=True)
class Letter:
    """Offsets `first` to before `next` of one partition, `events` view events among them. `reason`: status-500, timeout,
    unreachable, connection-lost. `at`: milliseconds since 1970 UTC."""

    grant: str
    topic: str
    partition: int
    first: int
    next: int
    events: int
    reason: str
    at: int


def letters(settings_file: Path, grant: str | None = None) -> list[Letter]:
    """The dead letters of `webhook:FILE`, of one grant or of all that share its state, oldest first. It only reads.

    ConfigError for a settings file that is wrong, TransientError for a state that is locked or cannot be opened.
    """
    path = load_settings(settings_file).state
    assert path is not None
    if not path.exists():
        return []
    with failures(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = '_bus_dead_letters'").fetchone():
            return []
        rows = db.execute(
            "SELECT grant_id, topic, partition, first_offset, next_offset, events, reason, at_ms FROM _bus_dead_letters"
            " WHERE ?1 IS NULL OR grant_id = ?1 ORDER BY at_ms, rowid",
            (grant,),
        ).fetchall()
    return [Letter(*row) for row in rows]
