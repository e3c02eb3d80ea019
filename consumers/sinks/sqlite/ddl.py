"""SQL of the SQLite sink. Titles stand as comments in the CREATE statements, which SQLite keeps word for word."""

from __future__ import annotations

from consumers.view import Column, Kind, View

TYPES: dict[Kind, str] = {
    "text": "TEXT",
    "int": "INTEGER",
    "long": "INTEGER",
    "double": "REAL",
    "boolean": "INTEGER",
    "bytes": "BLOB",
}
"""Everything else is TEXT: dates and times as ISO 8601 (instants in UTC), decimals exact, nested values as JSON."""

OWN_TABLES = """
CREATE TABLE IF NOT EXISTS _bus_views (
  grant_id TEXT PRIMARY KEY, table_name TEXT NOT NULL, topic TEXT NOT NULL, topic_id TEXT NOT NULL,
  generation INTEGER NOT NULL, partitions INTEGER NOT NULL, since_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS _bus_positions (
  grant_id TEXT NOT NULL, partition INTEGER NOT NULL, topic_id TEXT NOT NULL, generation INTEGER NOT NULL,
  next_offset INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (grant_id, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _bus_rejections (
  grant_id TEXT NOT NULL, topic_id TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL,
  reason TEXT NOT NULL, at INTEGER NOT NULL DEFAULT (unixepoch() * 1000),
  PRIMARY KEY (grant_id, topic_id, partition, "offset")) WITHOUT ROWID;
"""

REJECT = (
    """INSERT OR IGNORE INTO _bus_rejections (grant_id, topic_id, partition, "offset", reason) VALUES (?, ?, ?, ?, ?)"""
)

ADVANCE = """UPDATE _bus_positions SET next_offset = ?, events = events + ?
 WHERE grant_id = ? AND partition = ? AND topic_id = ? AND generation = ? AND next_offset = ?"""


def quoted(name: str) -> str:
    """An identifier, whatever it is called."""
    return '"' + name.replace('"', '""') + '"'


def create(view: View) -> str:
    """The view's table."""
    lines = [
        f"  {quoted(c.name)} {TYPES.get(c.kind, 'TEXT')}{' NOT NULL' if c.key else ''},{_comment(c)}"
        for c in view.columns
    ]
    key = ", ".join(quoted(c.name) for c in view.key)
    return "\n".join(
        [f"CREATE TABLE {quoted(view.table)} ( -- {_line(view.title)}", *lines, f"  PRIMARY KEY ({key})", ")"]
    )


def upsert(view: View) -> str:
    """Insert a row, or overwrite the one with its key."""
    names = [quoted(c.name) for c in view.columns]
    rest = [quoted(c.name) for c in view.columns if not c.key]
    then = "UPDATE SET " + ", ".join(f"{n} = excluded.{n}" for n in rest) if rest else "NOTHING"
    return (
        f"INSERT INTO {quoted(view.table)} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(quoted(c.name) for c in view.key)}) DO {then}"
    )


def delete(view: View) -> str:
    """Delete the row with a key."""
    return f"DELETE FROM {quoted(view.table)} WHERE " + " AND ".join(f"{quoted(c.name)} = ?" for c in view.key)


def _comment(column: Column) -> str:
    return f" -- {_line(column.title)}" if column.title else ""


def _line(text: str) -> str:
    """On one line and without NUL, so that a comment cannot become SQL."""
    return " ".join(text.replace("\0", " ").split())
