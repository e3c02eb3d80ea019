"""The reckoning: what every grant's subscriber must have, beside what it has."""

from __future__ import annotations

import datetime as dt
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from consumers.naming import table_name
from infra.bus.demo.city import Row
from infra.runtime.kafka import admin, ends
from infra.runtime.settings import Settings

JUDGED = "bus_exchange_judged_events"
_NOT_RELEASED = ("filtered", "unchanged", "not_valid")


@dataclass(frozen=True, slots=True)
class GrantAccount:
    """One line of the reckoning.

    published      change events of the grant's resource
    expected       view events worked out without the exchange
    delivered      view events the subscriber's database counted
    withheld       change events the exchange withheld (filter, unchanged), and those after the grant's end
    dead_lettered  change events that could not be judged
    table_equal    whether the subscriber's table holds exactly the rows it must
    """

    grant: str
    published: int
    expected: int
    delivered: int
    withheld: int
    dead_lettered: int
    table_equal: bool
    revoked: bool = False

    @property
    def reconciled(self) -> bool:
        """Delivered as expected, nothing unaccounted for, and the table as it must be."""
        accounted = self.delivered + self.withheld + self.dead_lettered
        return self.delivered == self.expected and accounted == self.published and self.table_equal


def outcomes(metrics_url: str) -> dict[str, Counter[str]]:
    """What the exchange says it did, by grant and outcome, from its metrics endpoint."""
    with urllib.request.urlopen(metrics_url, timeout=10) as answer:
        text = answer.read().decode()
    out: dict[str, Counter[str]] = {}
    for family in text_string_to_metric_families(text):
        if family.name == JUDGED:
            for sample in family.samples:
                if sample.name == JUDGED + "_total":
                    out.setdefault(sample.labels["view"], Counter())[sample.labels["outcome"]] += int(sample.value)
    return out


def withheld(counts: Counter[str]) -> int:
    """Change events withheld by decision."""
    return sum(counts[o] for o in _NOT_RELEASED)


def records_past(settings: Settings, topic: str, fence: Mapping[int, int]) -> int:
    """Offsets in a grant's topic at or behind its fence: must be 0, or something was written after access ended."""
    client = admin(settings)  # kept while it works: a client that goes out of scope drops its own requests
    found = ends(client, [TopicPartition(topic, p) for p in fence])
    return sum(max(0, found[topic, p] - offset) for p, offset in fence.items())


def table_rows(path: Path, grant: str, fields: Iterable[str]) -> Counter[tuple[Any, ...]]:
    """The released fields of every row in a subscriber's table."""
    names = ", ".join(f'"{f}"' for f in fields)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return Counter(db.execute(f'SELECT {names} FROM "{table_name(grant)}"').fetchall())


def held_events(path: Path, grant: str) -> int:
    """View events whose effect is in the file, counted in the transactions of their rows."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT sum(events) FROM _bus_positions WHERE grant_id = ?", [grant]).fetchone()
    return int(found[0] or 0)


def expected_rows(table: Mapping[tuple[Any, ...], Row]) -> Counter[tuple[Any, ...]]:
    """The same of an expected table: dates are text and booleans numbers in SQLite."""
    return Counter(tuple(_held(v) for v in row.values()) for row in table.values())


def _held(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return int(value) if isinstance(value, bool) else value
