"""A resource of its own on a real cluster: applied, published to and exchanged, for tests of the exchange."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, Producer, TopicPartition

from infra.control import apply_contract, apply_grant
from infra.control.listing import state
from infra.runtime.kafka import admin, consumer_config, producer_config
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for, rows
from schemas.contract import Contract, parse_contract
from schemas.grant import Grant, parse_grant
from schemas.ids import EXCHANGE_GROUP, grant_topic, source_topic
from stream_apps.exchange.marks import Mark, read_mark

Event = tuple[str, dict[str, Any] | None, dict[str, Any] | None]
"""Operation, before, after."""


@dataclass
class Lab:
    """One resource `<word>.r` with a key `id`, a filterable `district`, a `name` and an `amount`."""

    settings: Settings
    word: str
    partitions: int = 1
    schema_id: int = -1
    _codec: Any = None
    _readers: dict[int, Any] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        return f"{self.word}.r"

    @property
    def topic(self) -> str:
        return source_topic(self.resource)

    def contract(self, *more: dict[str, Any]) -> Contract:
        fields: list[dict[str, Any]] = [
            {"name": "id", "type": "string"},
            {"name": "district", "type": "string", "filterable": True},
            {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "amount", "type": ["null", "long"], "default": None},
            *more,
        ]
        about = {
            "id": self.resource,
            "title": {"zh": "测试", "en": "Test"},
            "provider": self.word,
            "key": ["id"],
            "sharing": "conditional",
            "partitions": self.partitions,
        }
        return parse_contract({"type": "record", "name": "R", "resource": about, "fields": fields})

    def apply(self, *more: dict[str, Any]) -> None:
        contract = self.contract(*more)
        self.schema_id = apply_contract(self.settings, contract).schema_id
        self._codec = codec_for(change_event_schema(contract), self.schema_id)

    def grant(self, n: int = 1, **fields: Any) -> Grant:
        return parse_grant(
            {
                "id": f"{self.word}.g.{n}",
                "subscriber": f"{self.word}s{n}",
                "resource": self.resource,
                "purpose": "test",
                "basis": "test",
                "fields": {"id": "pass", "name": {"mask": "partial", "keep_first": 1}, "amount": "pass"},
                "valid": {"from": "2026-01-01", "until": "2099-12-31"},
            }
            | fields
        )

    def open(self, n: int = 1, **fields: Any) -> Grant:
        grant = self.grant(n, **fields)
        apply_grant(self.settings, grant)
        return grant

    def values(self, events: Sequence[Event]) -> list[tuple[bytes, bytes]]:
        """Kafka key and value of each event."""
        now = int(time.time() * 1000)
        columns: dict[str, list[Any]] = {
            "op": [op for op, _, _ in events],
            "key": [{"id": (after or before or {})["id"]} for _, before, after in events],
            "before": [before for _, before, _ in events],
            "after": [after for _, _, after in events],
            "event_id": ["e"] * len(events),
            "source": ["test"] * len(events),
            "position": ["0"] * len(events),
            "occurred_at": [None] * len(events),
            "published_at": [now] * len(events),
        }
        batch = pa.RecordBatch.from_arrays(
            [pa.array(columns[f.name], f.type) for f in self._codec.arrow], schema=self._codec.arrow
        )
        keys = [str(k["id"]).encode() for k in columns["key"]]
        return list(zip(keys, self._codec.encode(batch), strict=True))

    def publish(self, events: Sequence[Event], partition: int = 0) -> None:
        self.write(self.values(events), partition)

    def write(self, messages: Sequence[tuple[bytes, bytes | None]], partition: int = 0) -> None:
        """Raw messages, acknowledged."""
        producer = Producer(producer_config(self.settings))
        for key, value in messages:
            producer.produce(self.topic, value, key, partition=partition)
        assert producer.flush(30) == 0

    def released(self, n: int = 1, generation: int = 1) -> list[tuple[bytes, dict[str, Any] | None]]:
        """Everything committed in a grant's topic: Kafka key, and the event or None for a tombstone."""
        messages = self.messages(grant_topic(f"{self.word}.g.{n}", generation))
        events = iter(self.read([m.value() for m in messages if m.value() is not None]))
        return [(m.key(), None if m.value() is None else next(events)) for m in messages]

    def read(self, values: Sequence[bytes]) -> list[dict[str, Any]]:
        """View events of one schema."""
        if not values:
            return []
        schema_id = int.from_bytes(values[0][1:5], "big")
        if schema_id not in self._readers:
            registry = Registry(self.settings)
            self._readers[schema_id] = codec_for(registry.schema(schema_id), schema_id)
            registry.close()
        decoded = self._readers[schema_id].decode(values)
        assert not decoded.bad
        return [dict(row) for row in rows(decoded.batch)]

    def messages(self, topic: str) -> list[Any]:
        """Committed messages of all partitions of a topic."""
        consumer = Consumer(
            consumer_config(self.settings, "lab", **{"enable.partition.eof": True, "auto.offset.reset": "earliest"})
        )
        try:
            there = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, p, 0) for p in there])
            out, ended = [], 0
            while ended < len(there):
                for m in consumer.consume(10_000, 0.1):
                    error = m.error()
                    if error is None:
                        out.append(m)
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        ended += 1
            return out
        finally:
            consumer.close()

    def committed(self, partition: int = 0) -> tuple[int, Mark, str]:
        """What the exchange's group holds for a partition: offset, mark and its text."""
        asked = ConsumerGroupTopicPartitions(EXCHANGE_GROUP, [TopicPartition(self.topic, partition)])
        client = admin(self.settings)  # one that goes out of scope never answers
        answer = client.list_consumer_group_offsets([asked])[EXCHANGE_GROUP].result()
        place = answer.topic_partitions[0]
        return place.offset, read_mark(place.metadata or ""), place.metadata or ""

    def end(self, partition: int = 0) -> int:
        consumer = Consumer(consumer_config(self.settings, "lab"))
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=10)[1])
        finally:
            consumer.close()

    def settled(self, seconds: float = 30.0) -> None:
        """Wait until every record is exchanged and no grant waits for history."""
        ends = {p: self.end(p) for p in range(self.partitions)}
        within(seconds, lambda: all(self._done(p, end) for p, end in ends.items()))

    def caught_up(self, n: int, seconds: float = 60.0) -> None:
        """Wait until a grant has the history, so that it gets what comes live."""
        opened = state(self.settings).grants[f"{self.word}.g.{n}"].opened
        within(seconds, lambda: all(self._is_live(p, opened) for p in range(self.partitions)))

    def _is_live(self, partition: int, opened: int) -> bool:
        mark = self.committed(partition)[1]
        return mark.live >= opened and opened not in mark.off

    def _done(self, partition: int, end: int) -> bool:
        offset, mark, _ = self.committed(partition)
        return offset >= end and mark.transaction is not None and mark.replay is None


def within(seconds: float, true: Callable[[], bool]) -> None:
    """Look until it is true; the test fails when it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@dataclass
class Worker:
    """A process that exchanges."""

    settings: Settings
    log: Path
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those that name the cluster."""
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        environment = os.environ | {
            "BUS_HOME": str(self.settings.home),
            "BUS_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers or "",
            "BUS_REGISTRY_URL": self.settings.registry_url or "",
            "BUS_KEY_FILE": str(self.settings.key_file),
            "BUS_KEY_COMMAND": "",
            "BUS_KEY_FINGERPRINT": "",
            **self.environment,
        }
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream_apps.exchange", *self.arguments], stdout=out, stderr=out, env=environment
            )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As a supervisor does: SIGTERM. The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
        if self.process.poll() is None:
            self.kill()
        return self.process.wait()


@contextmanager
def worker(settings: Settings, log: Path, *arguments: str) -> Iterator[Worker]:
    """A worker that is gone afterwards."""
    made = Worker(settings, log, arguments)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def row(i: int, district: str = "a", name: str | None = "张三", amount: int | None = 1) -> dict[str, Any]:
    """A row of the lab's resource."""
    return {"id": f"k{i}", "district": district, "name": name, "amount": amount}
