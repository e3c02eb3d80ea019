"""What sinks could not hold, as pointers: one list, whichever sink keeps them.

A sink kind that keeps rejections is a line in `KEEPERS`; it needs no connection to Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consumers.catalogue import shown
from schemas.errors import ConfigError
from schemas.text import Text
from schemas.validation import build


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a sink could not hold, or not hand on: one event of a grant's topic, or several in a row where the sink takes them
    together. `next`: the offset after the last of them. `at`: when, in milliseconds since 1970 UTC."""

    grant: str
    partition: int
    offset: int
    next: int
    reason: str
    at: int


def _of_one(grant: str, partition: int, offset: int, reason: str, at: int) -> Rejection:
    return Rejection(grant, partition, offset, offset + 1, reason, at)


def _postgresql(url: str) -> list[Rejection]:
    from pydantic import SecretStr

    from consumers.sinks.postgresql.rejections import read_rejections
    from consumers.sinks.postgresql.settings import PostgresqlSettings

    return [_of_one(*one) for one in read_rejections(PostgresqlSettings(url=SecretStr(url)))]


def _sqlite(url: str) -> list[Rejection]:
    from consumers.sinks.sqlite.rejections import read_rejections

    return [_of_one(*one) for one in read_rejections(Path(url.partition(":")[2]))]


def _mysql(url: str) -> list[Rejection]:
    from consumers.sinks.mysql.rejections import read_rejections
    from consumers.sinks.mysql.settings import MysqlSettings

    return [_of_one(*one) for one in read_rejections(MysqlSettings.from_url(url))]


def _excel(url: str) -> list[Rejection]:
    from consumers.sinks.excel.settings import ExcelSettings
    from consumers.sinks.sqlite.rejections import read_rejections

    found = build(ExcelSettings, {"path": url.partition(":")[2]}, shown(url))
    return [_of_one(*one) for one in read_rejections(found.rows)]


def _webhook(url: str) -> list[Rejection]:
    from consumers.sinks.webhook.letters import letters

    found = letters(Path(url.partition(":")[2]))
    return [Rejection(one.grant, one.partition, one.first, one.next, one.reason, one.at) for one in reversed(found)]


KEEPERS: dict[str, Callable[[str], Sequence[Rejection]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "sqlite": _sqlite,
    "excel": _excel,
    "webhook": _webhook,
}
"""What stands before the first `:` of a sink's address -> how to read what it rejected."""


def rejections(url: str) -> Sequence[Rejection]:
    """Newest first. ConfigError for a kind of sink that keeps none; what its `open` raises if it is out of reach."""
    keeper = KEEPERS.get(url.partition(":")[0])
    if keeper is None:
        raise ConfigError(
            Text("this kind of sink keeps no list of what it rejected.", "该类型的目标不保存拒收清单。"),
            where=shown(url),
            hint=Text(f"These do: {', '.join(KEEPERS)}.", f"保存清单的类型: {', '.join(KEEPERS)}。"),
        )
    return keeper(url)
