"""The rows PostgreSQL could not hold, as `_bus_rejections` names them."""

from __future__ import annotations

import psycopg
from psycopg import sql

from consumers.sinks.postgresql.errors import as_ours
from consumers.sinks.postgresql.settings import PostgresqlSettings


def read_rejections(settings: PostgresqlSettings) -> list[tuple[str, int, int, str, int]]:
    """Grant, partition, offset, reason and moment (milliseconds since 1970 UTC), newest first; [] before the first delivery."""
    try:
        with psycopg.connect(settings.url.get_secret_value(), connect_timeout=settings.connect_timeout_s) as db:
            (there,) = db.execute("SELECT to_regclass(%s)", [f'"{settings.db_schema}"._bus_rejections']).fetchone() or (
                None,
            )
            if there is None:
                return []
            return db.execute(
                sql.SQL(
                    'SELECT grant_id, partition, "offset", reason, (extract(epoch FROM at) * 1000)::bigint '
                    'FROM {}._bus_rejections ORDER BY at DESC, grant_id, partition, "offset"'
                ).format(sql.Identifier(settings.db_schema))
            ).fetchall()
    except psycopg.Error as error:
        raise as_ours(error, settings.shown) from None
