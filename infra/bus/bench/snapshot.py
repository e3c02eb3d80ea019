"""`bus bench snapshot`: a new grant is given a long history while another grant on the same resource gets 200 events a second.

The other grant asks for rows that only the live load has, so it is live before the history is read again and what comes to it
is counted apart. Its latency (publish acknowledged to visible for a reader of its topic) is taken before the new grant is
opened and while that one catches up; afterwards the new grant's topic is counted against what was published.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from infra.bus.bench import load
from infra.bus.bench.many import Reader
from infra.bus.demo.flow import exchange, wait_exchanged
from infra.bus.latency import percentile
from infra.control import apply_contract, apply_grant
from infra.control.histories import histories
from infra.control.listing import state
from infra.runtime.kafka import admin, consumer_config, producer_config
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.errors import TransientError
from schemas.grant import Grant, parse_grant
from schemas.ids import grant_topic, source_topic
from schemas.text import Text

Say = Callable[[str], None]

RATE = 200
_RESOURCE, _DISTRICT = "bench.snapshot", "基准区"
_DISTINCT, _QUEUE = 200_000, 300_000
_BASELINE_S, _WARM_UP_S, _LOOK_S, _TELL_S = 20.0, 3.0, 0.1, 10.0


def measure(settings: Settings, records: int, folder: Path, say: Say) -> dict[str, Any]:
    """A history of `records` on a cluster that has nothing else. TransientError if something does not get through."""
    schema_id = apply_contract(settings, load.contract(_RESOURCE)).schema_id
    apply_grant(settings, _grant("grant", where=f"district = '{_DISTRICT}'"))
    say(f"publishing a history of {records:,} records")
    _publish_history(settings, schema_id, records)
    with exchange(settings, folder / "snapshot-exchange.log"):
        began = time.monotonic()
        wait_exchanged(settings, [_RESOURCE], 60 + records / 5_000)
        say(f"exchanged for the other grant in {time.monotonic() - began:.0f} s")
        live = _Live(settings, schema_id)
        with live:
            time.sleep(_WARM_UP_S + _BASELINE_S)
            opened_at = time.perf_counter()
            apply_grant(settings, _grant("late"))
            seconds = _caught_up(settings, records, say)
            over_at = time.perf_counter()
        took = live.took()
    received = _count(settings, grant_topic(f"{_RESOURCE}.late", 1))
    return {
        "records": records,
        "history_rate": settings.history_rate,
        "live_events_per_second": RATE,
        "seconds": round(seconds, 1),
        "records_per_second": round(records / seconds),
        "others_ms_without": _spread(took, live.began + _WARM_UP_S, opened_at),
        "others_ms_with": _spread(took, opened_at, over_at),
        "published": records + live.published,
        "received": received,
    }


def _grant(name: str, **more: Any) -> Grant:
    return parse_grant(
        {
            "id": f"{_RESOURCE}.{name}",
            "subscriber": f"subscriber-{name}",
            "resource": _RESOURCE,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"id_no": "pass", "name": {"mask": "partial", "keep_first": 1}, "phone": "pseudonym"},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
        | more
    )


def _publish_history(settings: Settings, schema_id: int, records: int) -> None:
    """Creates of up to `_DISTINCT` rows, over and over: what they cost to read and to judge is what counts."""
    codec, producer = (
        codec_for(change_event_schema(load.contract(_RESOURCE)), schema_id),
        Producer(producer_config(settings)),
    )
    made: list[list[dict[str, Any]]] = []
    for first in range(0, min(records, _DISTINCT), load.BATCH):
        rows = load.rows(first, load.BATCH, 0)
        values = codec.encode(load.batch(codec.arrow, "c", [None] * load.BATCH, rows, first))
        made.append([{"value": v, "key": r["id_no"].encode()} for v, r in zip(values, rows, strict=True)])
    for n, first in enumerate(range(0, records, load.BATCH)):
        batch = made[n % len(made)][: min(load.BATCH, records - first)]
        while len(producer) > _QUEUE:
            producer.poll(0.01)
        if producer.produce_batch(source_topic(_RESOURCE), batch, partition=0) != len(batch):
            raise TransientError(Text("the producer's queue is full.", "生产者队列已满。"), where=_RESOURCE)
    if producer.flush(120):
        raise TransientError(Text("the broker did not take the load.", "代理未接收全部数据。"), where=_RESOURCE)


class _Live:
    """`RATE` creates a second while the block runs, and a reader of the other grant's topic."""

    def __init__(self, settings: Settings, schema_id: int) -> None:
        self._codec = codec_for(change_event_schema(load.contract(_RESOURCE)), schema_id)
        self._producer = Producer(producer_config(settings) | {"linger.ms": 0})
        self._reader = Reader(settings, [_RESOURCE])
        self._acknowledged: dict[str, float] = {}
        self._failed: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-live", daemon=True)
        self.began, self.published = 0.0, 0

    def __enter__(self) -> _Live:
        self._reader.start()
        self.began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.flush(30)

    def took(self) -> list[tuple[float, float]]:
        """When each event was acknowledged (`perf_counter`), and the milliseconds until it was seen."""
        self._reader.finish(self.published, 60.0)
        if self._failed:
            raise TransientError(Text(f"the load failed: {self._failed[0]}.", f"负载失败: {self._failed[0]}。"))
        return [(at, max(0.0, (self._reader.seen[key] - at) * 1000)) for key, at in self._acknowledged.items()]

    def _landed(self, error: Any, message: Any) -> None:
        if error is None:
            self._acknowledged[message.key().decode()] = time.perf_counter()
        else:
            self._failed.append(error.name())

    def _run(self) -> None:
        topic = source_topic(_RESOURCE)
        while not self._stop.is_set():
            due = int((time.perf_counter() - self.began) * RATE) - self.published
            rows = load.rows(90_000_000 + self.published, due, 0)
            for row in rows:
                row["district"] = _DISTRICT
            values = self._codec.encode(load.batch(self._codec.arrow, "c", [None] * due, rows, 0)) if due > 0 else []
            for row, value in zip(rows, values, strict=True):
                self._producer.produce(topic, value, row["id_no"].encode(), partition=0, on_delivery=self._landed)
            self.published += len(rows)
            self._producer.poll(0.005)


def _caught_up(settings: Settings, records: int, say: Say) -> float:
    """Seconds until the late grant gets live records."""
    client, began, told = admin(settings), time.monotonic(), time.monotonic()
    grant = state(settings).grants[f"{_RESOURCE}.late"]
    while (history := histories(client, [grant]).get(grant.grant.id)) is not None:
        now = time.monotonic()
        if now - began > 120 + records / 1_000:
            raise TransientError(Text("the new grant does not catch up.", "新授权未能补齐历史数据。"))
        if now - told > _TELL_S:
            told = now
            say(f"{history.done:,} of {history.of:,} after {now - began:.0f} s")
        time.sleep(_LOOK_S)
    return time.monotonic() - began


def _count(settings: Settings, topic: str) -> int:
    """Events in partition 0 of a topic."""
    consumer = Consumer(consumer_config(settings, "bench.reader", **{"enable.partition.eof": True}))
    consumer.assign([TopicPartition(topic, 0, 0)])
    count, ended = 0, False
    while not ended:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            ended |= error is not None and error.code() == KafkaError._PARTITION_EOF
            count += error is None
    consumer.close()
    return count


def _spread(took: list[tuple[float, float]], begin: float, end: float) -> dict[str, float]:
    found = [ms for at, ms in took if begin <= at < end]
    return {"p50": percentile(found, 0.5), "p99": percentile(found, 0.99), "max": percentile(found, 1.0)}
