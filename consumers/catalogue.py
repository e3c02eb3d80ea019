"""The sinks there are. A new one is a folder under `sinks/` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from consumers.sink import Sink
from schemas.errors import ConfigError
from schemas.text import Text
from schemas.validation import build

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


def _files(url: str) -> Sink:
    from consumers.sinks.files.settings import settings_of
    from consumers.sinks.files.sink import FilesSink

    return FilesSink(settings_of(url))


def _webhook(url: str) -> Sink:
    from consumers.sinks.webhook.settings import load_settings
    from consumers.sinks.webhook.sink import WebhookSink

    return WebhookSink(load_settings(_path(url, "webhook:shuiwu.yaml")))


def _excel(url: str) -> Sink:
    from consumers.sinks.excel.settings import ExcelSettings
    from consumers.sinks.excel.sink import ExcelSink

    return ExcelSink(build(ExcelSettings, {"path": str(_path(url, "excel:delivery/shuiwu.xlsx"))}, shown(url)))


SINKS: dict[str, Callable[[str], Sink]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "parquet": _files,
    "csv": _files,
    "jsonl": _files,
    "webhook": _webhook,
    "excel": _excel,
}
"""What stands before the first `:` of a sink's address -> how to make it."""

_PATHS = frozenset({"sqlite", "parquet", "csv", "jsonl", "webhook", "excel"})
"""Kinds whose address is a path: nothing in it is a secret."""


def sink_for(url: str) -> Sink:
    """A new sink for an address of a kind in `SINKS`, such as `sqlite:PATH`.

    ConfigError for any other address, and for settings that are wrong.
    """
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
