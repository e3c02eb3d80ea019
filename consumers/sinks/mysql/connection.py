"""Connections to a MySQL-compatible server, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.constants import CLIENT

from consumers.sinks.mysql.errors import as_ours
from consumers.sinks.mysql.settings import MysqlSettings

Db = Any  # the driver has no types


def connect(settings: MysqlSettings) -> Db:
    """A connection in UTC that is strict about values and commits each statement. Raises the driver's errors."""
    return pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value(),
        database=settings.database,
        charset="utf8mb4",
        sql_mode="STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION",
        init_command=f"SET SESSION lock_wait_timeout = {settings.lock_timeout_s}, "
        f"innodb_lock_wait_timeout = {settings.lock_timeout_s}, time_zone = '+00:00'",
        autocommit=True,  # every transaction is written out
        client_flag=CLIENT.FOUND_ROWS,
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.answer_timeout_s,
        write_timeout=settings.answer_timeout_s,
        ssl_ca=None if settings.ssl_ca is None else str(settings.ssl_ca),
        ssl_verify_cert=None if settings.ssl_ca is None else True,
        ssl_verify_identity=None if settings.ssl_ca is None else True,
    )


@contextmanager
def failures(settings: MysqlSettings) -> Iterator[None]:
    """The driver's errors as ours, cut from their cause, whose text may quote values."""
    try:
        yield
    except pymysql.err.Error as error:
        raise as_ours(error, settings.shown) from None
    except OSError as error:
        raise as_ours(pymysql.err.OperationalError(2013, type(error).__name__), settings.shown) from None
