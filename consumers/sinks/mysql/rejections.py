"""The rows a MySQL-compatible database could not hold and the events that were passed over, as `_bus_rejections` names them."""

from __future__ import annotations

from contextlib import closing

from consumers.sinks.mysql.connection import connect, failures
from consumers.sinks.mysql.settings import MysqlSettings


def read_rejections(settings: MysqlSettings) -> list[tuple[str, int, int, str, int]]:
    """Grant, partition, offset, reason and moment (milliseconds since 1970 UTC), newest first; [] before the first delivery."""
    with failures(settings), closing(connect(settings)) as db, db.cursor() as cursor:
        there = cursor.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '_bus_rejections'"
        )
        if not there:
            return []
        cursor.execute(
            "SELECT grant_id, `partition`, `offset`, reason, CAST(UNIX_TIMESTAMP(at) * 1000 AS SIGNED) "
            "FROM _bus_rejections ORDER BY at DESC, grant_id, `partition`, `offset`"
        )
        return list(cursor.fetchall())
