"""How much of the catalogue is connected, and whether what is connected is as fresh as its entry promises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # not exported, though its own documentation shows it

from infra.control.register.judge import Connected, contradictions
from infra.control.register.log import opened
from infra.control.register.state import RegisterState
from infra.control.topics import partition_counts
from infra.runtime.kafka import admin
from infra.runtime.log import unreachable
from infra.runtime.settings import Settings
from schemas.catalogue_entry import CatalogueEntry, Update
from schemas.ids import source_topic
from schemas.text import Text

DAY_MS = 24 * 3600 * 1000
LONGEST_DAYS: dict[Update, int | None] = {
    "realtime": 1,
    "daily": 2,
    "weekly": 8,
    "monthly": 32,
    "quarterly": 93,
    "yearly": 367,
    "irregular": None,
}
"""Days after the last change event from which a resource is late: its longest period and a day to deliver in. A realtime
resource that had no event for a whole day is asked about, as one that promises nothing regular never is."""
assert set(LONGEST_DAYS) == set(get_args(Update))

Freshness = Literal["fresh", "late", "empty", "irregular"]


@dataclass(frozen=True, slots=True)
class DepartmentCoverage:
    """Entries of one department: catalogued (已编目) in all, connected (已挂接) among them, and how fresh those are."""

    department: str
    title: str
    catalogued: int
    connected: int
    fresh: int
    late: int
    empty: int
    irregular: int


@dataclass(frozen=True, slots=True)
class Late:
    """A connected resource without a change event for longer than its update frequency allows; `last`: never, if None."""

    id: str
    title: str
    provider: str
    update: Update
    last: int | None
    """Milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole city. `uncatalogued`: contracts without an entry; `contradicting`: entries their contract does not bear out."""

    departments: tuple[DepartmentCoverage, ...]
    late: tuple[Late, ...]
    uncatalogued: tuple[str, ...]
    contradicting: Mapping[str, Text] = field(default_factory=dict)


def coverage(settings: Settings, now_ms: int) -> Coverage:
    """The report as of `now_ms`. `settings` must be located; raises what reading logs raises."""
    with opened(settings) as projection:
        state, contracts = projection.state(), projection.contracts()
    connected = [name for name in contracts if ("CatalogueEntry", name) in state.texts]
    return cover(state, contracts, last_events(settings, connected), now_ms)


def cover(state: RegisterState, contracts: Mapping[str, Connected], last: Mapping[str, int], now_ms: int) -> Coverage:
    """The report from its parts (pure). `last`: time of the newest change event of each resource that has one."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    late = []
    for entry in state.catalogue.values():
        counts[entry.provider]["catalogued"] += 1
        if entry.id not in contracts:
            continue
        at = last.get(entry.id)
        found = freshness(entry, at, now_ms)
        counts[entry.provider]["connected"] += 1
        counts[entry.provider][found] += 1
        if found == "late" or (found == "empty" and entry.update != "irregular"):
            late.append(Late(entry.id, entry.title, entry.provider, entry.update, at))
    names = ("catalogued", "connected", "fresh", "late", "empty", "irregular")
    departments = tuple(
        DepartmentCoverage(d.id, d.title, *(counts[d.id][n] for n in names))
        for d in sorted(state.departments.values(), key=lambda d: (d.level, d.id))
    )
    uncatalogued = tuple(sorted(name for name in contracts if ("CatalogueEntry", name) not in state.texts))
    return Coverage(departments, tuple(late), uncatalogued, contradictions(state, contracts))


def freshness(entry: CatalogueEntry, last: int | None, now_ms: int) -> Freshness:
    """Of a connected resource whose newest change event is of `last`."""
    if last is None:
        return "empty"
    days = LONGEST_DAYS[entry.update]
    if days is None:
        return "irregular"
    return "late" if now_ms - last > days * DAY_MS else "fresh"


def last_events(settings: Settings, resources: list[str]) -> dict[str, int]:
    """When the newest change event of each resource was written, for those that have any."""
    client = admin(settings)
    partitions = partition_counts(client)
    places = [
        TopicPartition(topic, n)
        for r in resources
        for topic in [source_topic(r)]
        for n in range(partitions.get(topic, 0))
    ]
    times = _newest(client, places, settings) if places else {}
    return {r: at for r in resources if (at := times.get(source_topic(r), -1)) >= 0}


def _newest(client: AdminClient, places: list[TopicPartition], settings: Settings) -> dict[str, int]:
    newest: dict[str, int] = {}
    spec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    for place, answer in client.list_offsets(dict.fromkeys(places, spec)).items():
        try:
            at = int(answer.result().timestamp)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:  # gone since it was listed
                continue
            raise unreachable(settings, error) from error
        newest[place.topic] = max(newest.get(place.topic, -1), at)
    return newest
