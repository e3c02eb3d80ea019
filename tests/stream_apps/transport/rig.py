"""Topics, records and a worker made of a bare poller, for tests on a real cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from infra.runtime.kafka import admin, consumer_config, producer_config
from infra.runtime.settings import Settings
from stream_apps.transport.poller import Poller
from stream_apps.transport.source import Limits, Source
from stream_apps.transport.unit import Committed, Place, Unit

T = TypeVar("T")


class RecordingOwner:
    """Starts where the group stands, and remembers what it was told."""

    def __init__(self) -> None:
        self.owned: set[Place] = set()
        self.committed: dict[Place, Committed] = {}
        self.calls: list[str] = []

    def assigned(self, places: Mapping[Place, Committed]) -> Mapping[Place, int]:
        self.calls.append("assigned")
        self.owned |= places.keys()
        self.committed.update(places)
        return {place: held.offset or 0 for place, held in places.items()}

    def revoked(self, places: Sequence[Place]) -> None:
        self.calls.append("revoked")
        self.owned -= set(places)


class Worker:
    """A poller and the units it gave."""

    def __init__(self, settings: Settings, group: str, topics: Sequence[str], **limits: Any) -> None:
        self.owner = RecordingOwner()
        source = Source(consumer_config(settings, group), self.owner, lambda: topics, Limits(**limits))
        self.poller = Poller(source)
        self.poller.start()

    def unit(self, timeout: float = 15.0) -> Unit:
        """The next unit."""
        return eventually(self.poller.take, timeout, self.poller)

    def records(self, count: int) -> list[tuple[Place, int]]:
        """Place and offset of so many records, each unit done as it comes; slices must continue one another."""
        found: list[tuple[Place, int]] = []
        ends: dict[Place, int] = {}
        while len(found) < count:
            unit = self.unit()
            for part in unit.slices:
                assert ends.get(part.place, part.start) == part.start
                ends[part.place] = part.end
                found += [(part.place, m.offset() or 0) for m in part.messages]
            self.poller.done(unit)
        return found

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.poller.stop()
        assert self.poller.error is None


def eventually(look: Callable[[], T | None], timeout: float = 15.0, poller: Poller | None = None) -> T:
    """What `look` gives once it gives something true."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if poller is not None and poller.error is not None:
            raise poller.error
        if found := look():
            return found
        time.sleep(0.005)
    raise TimeoutError("it did not come")


def create(settings: Settings, *topics: str, partitions: int = 1) -> None:
    """Make topics."""
    client = admin(settings)
    for made in client.create_topics([NewTopic(topic, partitions) for topic in topics]).values():
        made.result()


def publish(settings: Settings, topic: str, count: int, partition: int = 0) -> None:
    """So many records, outside any transaction."""
    producer = Producer(producer_config(settings))
    for i in range(count):
        producer.produce(topic, b"%d" % i, partition=partition)
    assert producer.flush(10) == 0


def transact(settings: Settings, topic: str, *outcomes: bool, count: int = 3) -> None:
    """One transaction of `count` records for each outcome: committed if true, aborted if not."""
    producer = Producer(producer_config(settings, f"tx.{topic}"))
    producer.init_transactions(10)
    for commit in outcomes:
        producer.begin_transaction()
        for i in range(count):
            producer.produce(topic, b"%d" % i, partition=0)
        producer.flush(10)
        if commit:
            producer.commit_transaction(10)
        else:
            producer.abort_transaction(10)


def commit(producer: Producer, unit: Unit, group: Any = None) -> None:
    """A transaction that holds the unit's offsets and nothing else."""
    producer.begin_transaction()
    ends = [TopicPartition(*part.place, part.end) for part in unit.slices]
    producer.send_offsets_to_transaction(ends, group or unit.group, 10)
    producer.commit_transaction(10)


def committer(settings: Settings, name: str) -> Producer:
    """A transactional producer, ready."""
    producer = Producer(producer_config(settings, name))
    producer.init_transactions(10)
    return producer
