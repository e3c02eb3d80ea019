"""Two hundred resources with one event a second each on one worker: what a benchmark of one resource hides.

Publish acknowledged -> visible to a read_committed reader of the grant's topic.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from infra.bus.bench import load
from infra.bus.demo.flow import exchange, wait_exchanged
from infra.bus.latency import percentile
from infra.control import apply_files
from infra.runtime.kafka import consumer_config, producer_config
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.errors import TransientError
from schemas.ids import grant_topic, source_topic
from schemas.text import Text

_WARM_UP = 3


def measure(settings: Settings, resources: int, seconds: int, folder: Path) -> dict[str, float]:
    """Percentiles of release in milliseconds, over `seconds` of `resources` events a second, after three warm-up seconds."""
    names = [f"bench.many-{n}" for n in range(resources)]
    schema_ids = _apply(settings, names, folder / "many")
    prepared = {name: values(name, schema_ids[name], seconds + _WARM_UP) for name in names}
    with exchange(settings, folder / "many-exchange.log"):
        wait_exchanged(settings, names, 60.0)
        reader = Reader(settings, names)
        reader.start()
        acknowledged = publish(settings, prepared, seconds + _WARM_UP)
        reader.finish(len(acknowledged), 60.0)
    counted = [key for key, at in acknowledged.items() if not key.endswith(_SKIPPED)]
    took = [max(0.0, (reader.seen[key] - acknowledged[key]) * 1000) for key in counted]
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "max": percentile(took, 1.0)}


_SKIPPED = tuple(f"{n:04d}" for n in range(_WARM_UP))


def _apply(settings: Settings, names: list[str], folder: Path) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.avsc").write_text(json.dumps(load.contract(name).source))
        grant = {
            "kind": "Grant",
            "id": f"{name}.grant",
            "subscriber": "subscriber",
            "resource": name,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"id_no": "pass", "name": {"mask": "partial", "keep_first": 1}},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
        (folder / f"{name}.yaml").write_text(json.dumps(grant))
    facts: list[Any] = [a.fact for a in apply_files(settings, [folder], by="bench") if a.kind == "contract"]
    return {f.resource: f.schema_id for f in facts}


def values(name: str, schema_id: int, count: int) -> list[tuple[bytes, bytes]]:
    """(key, value) of `count` creates of a resource; the key tells resource and second."""
    codec = codec_for(change_event_schema(load.contract(name)), schema_id)
    rows = load.rows(0, count, 0)
    for n, row in enumerate(rows):
        row["id_no"] = f"{name}#{n:04d}"
    batch = load.batch(codec.arrow, "c", [None] * count, rows, 0)
    return [(r["id_no"].encode(), v) for r, v in zip(rows, codec.encode(batch), strict=True)]


def publish(settings: Settings, values: dict[str, list[tuple[bytes, bytes]]], seconds: int) -> dict[str, float]:
    """Every resource once a second, evenly spread; when each was acknowledged."""
    producer = Producer(producer_config(settings) | {"linger.ms": 0})
    acknowledged: dict[str, float] = {}
    failed: list[str] = []

    def landed(error: Any, message: Any) -> None:
        if error is not None:
            failed.append(error.name())
        else:
            acknowledged[message.key().decode()] = time.perf_counter()

    began, step = time.perf_counter(), 1 / len(values)
    for second in range(seconds):
        for n, (name, pairs) in enumerate(values.items()):
            while (wait := began + second + n * step - time.perf_counter()) > 0:
                producer.poll(min(wait, 0.01))
            key, value = pairs[second]
            producer.produce(source_topic(name), value, key, partition=0, on_delivery=landed)
    if producer.flush(30) or failed:
        raise TransientError(
            Text("the broker did not take the load.", "代理未接收全部数据。"), where=", ".join(set(failed))
        )
    return acknowledged


class Reader(threading.Thread):
    """Reads all grant topics as a subscriber would; when each key was first seen."""

    def __init__(self, settings: Settings, names: list[str]) -> None:
        super().__init__(name="bench-reader", daemon=True)
        self._consumer = Consumer(consumer_config(settings, "bench.reader", **{"fetch.wait.max.ms": 500}))
        self._consumer.assign([TopicPartition(grant_topic(f"{n}.grant", 1), 0, 0) for n in names])
        self._stop_reading = threading.Event()
        self.seen: dict[str, float] = {}

    def run(self) -> None:
        while not self._stop_reading.is_set():
            for message in self._consumer.consume(500, 0.005):
                if message.error() is None and (key := message.key()) is not None:
                    self.seen.setdefault(bytes(key).decode(), time.perf_counter())
        self._consumer.close()

    def finish(self, count: int, limit_s: float) -> None:
        """Wait for `count` keys. TransientError if they do not come within `limit_s` seconds."""
        deadline = time.monotonic() + limit_s
        while len(self.seen) < count and time.monotonic() < deadline:
            self._stop_reading.wait(0.02)
        self._stop_reading.set()
        self.join()
        if len(self.seen) < count:
            raise TransientError(
                Text(f"only {len(self.seen)} of {count} were released.", f"仅放行 {len(self.seen)}/{count}。")
            )
