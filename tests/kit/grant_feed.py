"""A grant and its topic as control plane and exchange would make them, for tests of what reads them."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from infra.runtime.kafka import admin, consumer_config, producer_config
from infra.runtime.policy_log import append
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.grant import Grant
from schemas.ids import grant_topic, subject
from schemas.keys import key_text
from schemas.policy_log import ContractPublished, GrantEnded, GrantFenced, GrantOpened
from schemas.view_event import fingerprint, view_event_schema

ID = {"name": "id", "type": "string"}
FIELDS: list[dict[str, Any]] = [
    ID,
    {"name": "name", "type": ["null", "string"]},
    {"name": "amount", "type": ["null", "long"]},
]


@dataclass
class GrantFeed:
    """Opens, fills and ends one grant of its own (`word` makes its ids unique)."""

    settings: Settings
    word: str
    partitions: int = 1
    generation: int = 0
    fields: list[dict[str, Any]] = field(default_factory=lambda: list(FIELDS))
    _producer: Any = None

    @property
    def grant_id(self) -> str:
        return f"{self.word}.r.2026-001"

    @property
    def topic(self) -> str:
        return grant_topic(self.grant_id, self.generation)

    def open(self) -> None:
        """Open the next generation, with an empty topic of its own."""
        self.generation += 1
        self.schema = view_event_schema([ID], self.fields, before=False)
        self._parsed = fastavro.parse_schema(self.schema)
        self.create_topic()
        registry = Registry(self.settings)
        self.schema_id = registry.register(subject(self.topic), self.schema)
        registry.close()
        opened = GrantOpened(
            grant=Grant.model_validate(
                {
                    "id": self.grant_id,
                    "subscriber": self.word,
                    "resource": f"{self.word}.r",
                    "purpose": "综合治税",
                    "basis": "条例",
                    "fields": {f["name"]: "pass" for f in self.fields},
                    "valid": {"from": "2026-01-01", "until": "2099-12-31"},
                }
            ),
            generation=self.generation,
            topic=self.topic,
            schema_id=self.schema_id,
            fingerprint=fingerprint(self.schema),
            at=0,
            by="test",
        )
        append(self.settings, [self._contract(), opened])
        self._producer = Producer(producer_config(self.settings, f"feed.{self.topic}", **{"linger.ms": 0}))
        self._producer.init_transactions(20)

    def create_topic(self) -> None:
        """Create the generation's topic."""
        new = NewTopic(self.topic, self.partitions, config={"cleanup.policy": "compact"})
        client = admin(self.settings)  # kept until the answer is here: collected earlier, it takes the call with it
        client.create_topics([new])[self.topic].result(20)

    def delete_topic(self) -> None:
        """Delete the generation's topic."""
        client = admin(self.settings)
        client.delete_topics([self.topic])[self.topic].result(20)

    def value(self, op: str, key: str, row: dict[str, Any] | None, released_at: int | None = None) -> bytes:
        """A framed view event."""
        out = io.BytesIO()
        released = int(time.time() * 1000) if released_at is None else released_at
        event = {"op": op, "released_at": released, "key": {"id": key}, "after": None}
        if op != "d":
            event["after"] = {"id": key, **dict.fromkeys(f["name"] for f in self.fields[1:]), **(row or {})}
        fastavro.schemaless_writer(out, self._parsed, event)
        return b"\0" + struct.pack(">I", self.schema_id) + out.getvalue()

    def send(self, events: Sequence[tuple[str, str, dict[str, Any] | None]], *, abort: bool = False) -> None:
        """One transaction of (op, key, row); deletes are followed by tombstones. A key has one partition."""
        self._producer.begin_transaction()
        for op, key, row in events:
            place = sum(key.encode()) % self.partitions
            kafka_key = key_text([key]).encode()
            self._produce(self.value(op, key, row), kafka_key, place)
            if op == "d":
                self._produce(None, kafka_key, place)
        self._producer.flush(20)
        if abort:
            self._producer.abort_transaction(20)
        else:
            self._producer.commit_transaction(20)

    def send_raw(self, value: bytes, partition: int = 0) -> None:
        """One record with any value."""
        self._producer.begin_transaction()
        self._produce(value, b"raw", partition)
        self._producer.commit_transaction(20)

    def ends(self) -> dict[int, int]:
        """The offset after everything in each partition, markers included."""
        consumer = Consumer(consumer_config(self.settings, "feed"))
        places = [TopicPartition(self.topic, p) for p in range(self.partitions)]
        found = {p.partition: consumer.get_watermark_offsets(p, timeout=20, cached=False)[1] for p in places}
        consumer.close()
        return found

    def end(self, *, fence: bool = True) -> None:
        """Revoke the grant, and fence it after what was sent so far."""
        append(
            self.settings,
            [GrantEnded(grant=self.grant_id, generation=self.generation, reason="revoked", at=1, by="test")],
        )
        if fence:
            self.fence()

    def fence(self, generation: int | None = None, offsets: dict[int, int] | None = None) -> None:
        """State the fence of a generation (this one, at the topic's end)."""
        number = generation or self.generation
        fenced = GrantFenced(
            grant=self.grant_id,
            generation=number,
            topic=grant_topic(self.grant_id, number),
            offsets=self.ends() if offsets is None else offsets,
            at=2,
        )
        append(self.settings, [fenced])

    def _produce(self, value: bytes | None, key: bytes, partition: int) -> None:
        while True:
            try:
                self._producer.produce(self.topic, value, key, partition=partition)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _contract(self) -> ContractPublished:
        contract = {
            "type": "record",
            "name": "R",
            "resource": {
                "id": f"{self.word}.r",
                "title": {"zh": "企业登记信息", "en": "Registrations"},
                "provider": self.word,
                "key": ["id"],
                "sharing": "unconditional",
                "partitions": self.partitions,
            },
            "fields": [{**f, "doc": f"字段 {f['name']}"} for f in self.fields],
        }
        return ContractPublished(resource=f"{self.word}.r", schema_id=1, contract=contract, at=0, by="test")
