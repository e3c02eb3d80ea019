"""A resource of each test's own on the session's cluster, and what its source topic holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from infra.control.topics import create, of_resource, partition_counts
from infra.runtime.kafka import admin, consumer_config
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for, rows
from schemas.contract import Contract, parse_contract
from schemas.ids import quarantine_topic, source_topic, subject
from tests.conftest import Cluster


@dataclass
class Bench:
    """A resource ready to publish to."""

    settings: Settings
    contract: Contract
    schema_id: int
    folder: Path

    @property
    def resource(self) -> str:
        return self.contract.id

    def mapping(self, **more: Any) -> Path:
        path = self.folder / "mapping.yaml"
        columns = {"code": {"column": "编号"}, "amount": {"column": "金额"}, "day": {"column": "日期"}}
        path.write_text(
            json.dumps({"adapter": "reg", "resource": self.resource, "mode": "full", "columns": columns} | more)
        )
        return path

    def file(self, lines: list[str], header: str = "编号,金额,日期") -> Path:
        path = self.folder / "data.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    def events(self) -> list[dict[str, Any]]:
        codec = codec_for(self.contract.source and change_event_schema(self.contract), self.schema_id)
        values = [m.value() for m in drain(self.settings, source_topic(self.resource))]
        decoded = codec.decode(values)
        assert not decoded.bad
        return rows(decoded.batch)

    def quarantined(self) -> list[dict[str, Any]]:
        return [json.loads(m.value()) for m in drain(self.settings, quarantine_topic(self.resource))]


def drain(settings: Settings, topic: str) -> list[Any]:
    """Every committed record of a topic, partition by partition."""
    consumer = Consumer(consumer_config(settings, "test.drain", **{"enable.partition.eof": True}))
    found: list[Any] = []
    try:
        count = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        for n in range(count):
            place = TopicPartition(topic, n, 0)
            end = consumer.get_watermark_offsets(place, timeout=10, cached=False)[1]
            consumer.assign([place])
            at = 0
            while at < end:
                for m in consumer.consume(10_000, 0.2):
                    error = m.error()
                    if error is None:
                        found.append(m)
                        at = m.offset() + 1
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF
                        at = m.offset()
    finally:
        consumer.close()
    return found


@pytest.fixture
def bench(cluster: Cluster, unique: str, tmp_path: Path) -> Bench:
    return make_bench(cluster, unique, tmp_path)


def make_bench(cluster: Cluster, unique: str, folder: Path, partitions: int = 1) -> Bench:
    settings = cluster.settings.model_copy(update={"home": folder / "home"})
    contract = parse_contract(
        {
            "type": "record",
            "name": "Row",
            "resource": {
                "id": f"{unique}.rows",
                "title": {"zh": "行", "en": "Rows"},
                "provider": unique,
                "key": ["code"],
                "sharing": "conditional",
                "partitions": partitions,
            },
            "fields": [
                {"name": "code", "type": "string"},
                {"name": "amount", "type": ["null", "long"], "default": None, "rules": {"min": 0}},
                {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
            ],
        }
    )
    client = admin(settings)
    create(client, of_resource(contract.id, partitions), partition_counts(client))
    registry = Registry(settings)
    schema_id = registry.register(subject(source_topic(contract.id)), change_event_schema(contract))
    registry.close()
    return Bench(settings, contract, schema_id, folder)


Make = Callable[..., Bench]
