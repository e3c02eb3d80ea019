"""A view's table made anew where DDL commits by itself, so that a kill between any two steps leaves nothing wrong.

1. One transaction takes the positions away and says that the table is not ready: from here on no former writer can write,
   and whoever opens begins here again.
2. The new table is made beside and renamed into place in one step; the old one is dropped.
3. One transaction sets the positions to 0 and says ready.
"""

from __future__ import annotations

from typing import Any

from consumers.sinks.mysql import ddl
from consumers.view import View

Db = Any  # the driver has no types


def remake(db: Db, view: View) -> None:
    """Make the view's table and positions anew, empty. The caller holds the turn. Raises the driver's errors."""
    bar(db, view)
    swap(db, view)
    admit(db, view)


def bar(db: Db, view: View) -> None:
    """Step 1: nobody writes."""
    origin = view.origin
    db.begin()
    with db.cursor() as cursor:
        cursor.execute("DELETE FROM _bus_positions WHERE grant_id = %s", [view.grant])
        cursor.execute("DELETE FROM _bus_views WHERE grant_id = %s", [view.grant])
        cursor.execute(
            "INSERT INTO _bus_views (grant_id, table_name, topic, topic_id, generation, partitions, since_ms, ready) "
            "VALUES (%s, %s, %s, %s, %s, %s, UNIX_TIMESTAMP() * 1000, FALSE)",
            [view.grant, view.table, origin.topic, origin.topic_id, origin.generation, origin.partitions],
        )
    db.commit()


def swap(db: Db, view: View) -> None:
    """Step 2: an empty table of the view's shape, under its name."""
    new, old = ddl.beside(view, "new"), ddl.beside(view, "old")
    with db.cursor() as cursor:
        for left in (new, old):  # of an attempt that was killed
            cursor.execute(f"DROP TABLE IF EXISTS {ddl.quoted(left)}")
        cursor.execute(ddl.create(ddl.table_of(view, new)))
        there = cursor.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s "
            "AND table_type = 'BASE TABLE'",
            [view.table],
        )
        away = f"{ddl.quoted(view.table)} TO {ddl.quoted(old)}, " if there else ""
        cursor.execute(f"RENAME TABLE {away}{ddl.quoted(new)} TO {ddl.quoted(view.table)}")
        cursor.execute(f"DROP TABLE IF EXISTS {ddl.quoted(old)}")


def admit(db: Db, view: View) -> None:
    """Step 3: written from here on."""
    origin = view.origin
    db.begin()
    with db.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO _bus_positions (grant_id, `partition`, topic_id, generation, next_offset, events) "
            "VALUES (%s, %s, %s, %s, 0, 0)",
            [(view.grant, p, origin.topic_id, origin.generation) for p in range(origin.partitions)],
        )
        cursor.execute("UPDATE _bus_views SET ready = TRUE WHERE grant_id = %s", [view.grant])
    db.commit()
