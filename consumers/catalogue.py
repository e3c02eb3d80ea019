"""The sinks there are. A new one is a folder under `sinks/` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from consumers.sink import Sink
from schemas.errors import ConfigError
from schemas.text import Text

# Each maker imports its own sink: nobody loads a driver, or Arrow, for a sink that is not used.


def _sqlite(url: str) -> Sink:
    from consumers.sinks.sqlite.settings import SqliteSettings
    from consumers.sinks.sqlite.sink import SqliteSink

    return SqliteSink(SqliteSettings(path=_path(url, "sqlite:delivery/shuiwu.db")))


def _postgresql(url: str) -> Sink:
    from consumers.sinks.postgresql.settings import PostgresqlSettings
    from consumers.sinks.postgresql.sink import PostgresqlSink

    return PostgresqlSink(PostgresqlSettings(url=SecretStr(url)))


def _mysql(url: str) -> Sink:
    from consumers.sinks.mysql.settings import MysqlSettings
    from consumers.sinks.mysql.sink import MysqlSink

    return MysqlSink(MysqlSettings.from_url(url))


SINKS: dict[str, Callable[[str], Sink]] = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql}
"""What stands before the first `:` of a sink's address -> how to make it."""

_PATHS = frozenset({"sqlite"})
"""Kinds whose address is a path: nothing in it is a secret."""


def sink_for(url: str) -> Sink:
    """A new sink for `sqlite:PATH`, `postgresql://user@host/database` or `mysql://user@host/database`. ConfigError for any other address."""
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
    if kind in _PATHS:
        return url
    return (
        f"{kind}:{'//' if rest.startswith('//') else ''}{rest.rpartition('@')[2].removeprefix('//').partition('?')[0]}"
    )


def _path(url: str, example: str) -> Path:
    """The path of a `kind:PATH` address."""
    kind, _, path = url.partition(":")
    if not path:
        raise ConfigError(
            Text(f"a sink of kind {kind} names a path.", f"{kind} 类型的目标须指明路径。"),
            where=f"{kind}:",
            hint=Text(f"For example {example}.", f"例如 {example}。"),
        )
    return Path(path)
