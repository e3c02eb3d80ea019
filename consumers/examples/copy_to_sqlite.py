"""Copy a grant to a table of one's own, exactly once: rows and position are stored in one transaction.

Run: BUS_CREDENTIALS=shuiwu.yaml python -m consumers.examples.copy_to_sqlite shuiwu.enterprise.2026-001 copy.db
Whatever kills it, the table and the position stay together; the count of changes in `progress` shows that none was applied
twice. A program that keeps its rows elsewhere does the same with its own database.
"""

import json
import sqlite3
import sys
from contextlib import closing
from typing import Literal

from consumers import Event, GenerationStarted, GrantEnded, Subscriber

TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS copy (key TEXT PRIMARY KEY, row TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT NOT NULL, changes INTEGER NOT NULL);
INSERT OR IGNORE INTO progress VALUES (1, '', 0);
"""


def main(grant: str, path: str, until: Literal["ended", "caught_up"] = "ended") -> None:
    """Until the grant ends, or everything there is has been copied."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(TABLES)
        (held,) = db.execute("SELECT position FROM progress").fetchone()
        with Subscriber(grant=grant, start=held, until=until) as events:
            for event in events:
                if isinstance(event, GrantEnded):
                    print(event.message.en)
                    break
                db.execute("BEGIN IMMEDIATE")
                apply(db, event)
                held = advance(db, held, event)
                db.execute("COMMIT")


def apply(db: sqlite3.Connection, event: Event | GenerationStarted) -> None:
    """What the event means for the table."""
    if isinstance(event, GenerationStarted):
        db.execute("DELETE FROM copy")
        return
    key = json.dumps(event.key, ensure_ascii=False, default=str)
    if event.after is None:
        db.execute("DELETE FROM copy WHERE key = ?", (key,))
    else:
        row = json.dumps(event.after, ensure_ascii=False, default=str)
        db.execute("INSERT OR REPLACE INTO copy VALUES (?, ?)", (key, row))


def advance(db: sqlite3.Connection, held: str, event: Event | GenerationStarted) -> str:
    """Move the position from the one this program read; if another one moved it meanwhile, nothing is committed."""
    position = str(event.position)
    moved = db.execute(
        "UPDATE progress SET position = ?, changes = changes + ? WHERE position = ?",
        (position, isinstance(event, Event), held),
    )
    if moved.rowcount != 1:
        db.execute("ROLLBACK")
        raise SystemExit("another program copies into this database")
    return position


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
