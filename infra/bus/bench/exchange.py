"""`bus bench exchange`: records per second of the exchange as a ratio to a byte copy on the same broker.

One resource, one partition, half of the events updates with `before`; with one grant, and with four. Exchange and copy
take turns over the same source topic, three rounds each; the median of the rounds' ratios counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra.bus.bench import load
from infra.bus.bench.pace import pace
from infra.bus.workers import process
from infra.control import apply_contract, apply_grant
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import EXCHANGE_GROUP, source_topic
from schemas.text import Text

COPY_GROUP = "bench.copy"
COPY_TOPIC = "bench.copied"
_LIMIT_S = 300.0
_GROUP_S, _LOOK_S = 20.0, 0.2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each, in records per second."""

    views: int
    copy: float
    exchange: float

    @property
    def ratio(self) -> float:
        """Exchange to copy."""
        return self.exchange / self.copy


def measure(settings: Settings, views: int, events: int, rounds: int, logs: Path, say: Say) -> list[Round]:
    """`rounds` turns over `events` records of one resource with `views` grants, on a cluster that has nothing else.

    `say` hears of progress. Raises TransientError if either does not get through.
    """
    client = admin(settings)
    _create(client, COPY_TOPIC)
    resource = f"bench.views-{views}"
    say(f"loading {events:,} events for {views} view(s)")
    applied = apply_contract(settings, load.contract(resource))
    for grant in load.grants(resource, views):
        apply_grant(settings, grant)
    load.load(settings, resource, applied.schema_id, events)
    out: list[Round] = []
    for n in range(rounds):
        copy = _copy_pace(settings, client, resource, events, logs)
        exchange = _exchange_pace(settings, client, resource, events, logs)
        out.append(Round(views, copy, exchange))
        say(f"{views} view(s), round {n + 1}: copy {copy:,.0f}/s, exchange {exchange:,.0f}/s")
    return out


def ratios(rounds: list[Round]) -> dict[str, float]:
    """Median ratio to the copy loop by number of views."""
    counts = sorted({r.views for r in rounds})
    return {str(v): round(statistics.median(r.ratio for r in rounds if r.views == v), 3) for v in counts}


def _copy_pace(settings: Settings, client: AdminClient, resource: str, events: int, logs: Path) -> float:
    topic = source_topic(resource)
    _forget(client, COPY_GROUP)
    with process(settings, "infra.bus.bench.copy_loop", [topic, COPY_TOPIC, COPY_GROUP], logs / "copy.log") as child:
        return pace(client, COPY_GROUP, topic, events, lambda: child.poll() is None, _LIMIT_S)


def _exchange_pace(settings: Settings, client: AdminClient, resource: str, events: int, logs: Path) -> float:
    topic = source_topic(resource)
    _forget(client, EXCHANGE_GROUP)
    with process(settings, "infra.bus.main", ["exchange"], logs / "exchange.log") as child:
        return pace(client, EXCHANGE_GROUP, topic, events, lambda: child.poll() is None, _LIMIT_S)


def _forget(client: AdminClient, group: str) -> None:
    """The group without any committed offset, so that it reads from the beginning. A member that was killed stays in the
    group until its session ends: that is waited for, before the clock of the next turn runs."""
    deadline = time.monotonic() + _GROUP_S
    while not _deleted(client, group):
        if time.monotonic() > deadline:
            raise TransientError(Text("the group still has members.", "消费组仍有成员。"), where=group)
        time.sleep(_LOOK_S)


def _deleted(client: AdminClient, group: str) -> bool:
    try:
        client.delete_consumer_groups([group])[group].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.NON_EMPTY_GROUP:
            return False
        if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
    return True


def _create(client: AdminClient, topic: str) -> None:
    try:
        client.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": str(8 << 20)})])[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
