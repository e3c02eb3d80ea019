"""The sinks there are. A new one is a folder under `sinks/` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from consumers.sink import Sink
from consumers.sinks.postgresql.settings import PostgresqlSettings
from consumers.sinks.postgresql.sink import PostgresqlSink
from consumers.sinks.sqlite.settings import SqliteSettings
from consumers.sinks.sqlite.sink import SqliteSink
from schemas.errors import ConfigError
from schemas.text import Text


def _sqlite(url: str) -> Sink:
    path = url.removeprefix("sqlite:")
    if not path:
        raise ConfigError(
            Text("a SQLite sink names a file.", "SQLite 目标须指明文件。"),
            where="sqlite:",
            hint=Text("For example sqlite:delivery/shuiwu.db.", "例如 sqlite:delivery/shuiwu.db。"),
        )
    return SqliteSink(SqliteSettings(path=Path(path)))


def _postgresql(url: str) -> Sink:
    return PostgresqlSink(PostgresqlSettings(url=SecretStr(url)))


SINKS: dict[str, Callable[[str], Sink]] = {"sqlite": _sqlite, "postgresql": _postgresql}
"""What stands before the first `:` of a sink's address -> how to make it."""


def sink_for(url: str) -> Sink:
    """A new sink for `sqlite:PATH` or `postgresql://user@host/database`. ConfigError for any other address."""
    make = SINKS.get(url.partition(":")[0])
    if make is None:
        raise ConfigError(
            Text("no sink has this kind of address.", "没有与该地址类型对应的投递目标。"),
            where=shown(url),
            hint=Text(f"There are: {', '.join(SINKS)}.", f"可用类型: {', '.join(SINKS)}。"),
        )
    return make(url)


def shown(url: str) -> str:
    """A sink's address for people and reports: without user, password and parameters."""
    kind, _, rest = url.partition(":")
    if kind == "sqlite":
        return url
    return (
        f"{kind}:{'//' if rest.startswith('//') else ''}{rest.rpartition('@')[2].removeprefix('//').partition('?')[0]}"
    )
