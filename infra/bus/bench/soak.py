"""`bus bench soak`: hours of steady load at half of what the machine can do; memory, open files and latency must stay flat.

First the capacity is measured: a burst through exchange and deliverer into PostgreSQL. Then half of it flows, updates of the
same hundred thousand rows, so that tables do not grow. Every ten seconds the resident memory and the open files of the exchange
and of the deliverer are noted. The first tenth, at least two minutes, is warm-up and not counted.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from infra.bus.bench import load
from infra.bus.bench.committed import CommittedMeter
from infra.bus.latency import percentile
from infra.bus.workers import process
from infra.control import apply_contract, apply_grant
from infra.runtime.kafka import producer_config
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.errors import TransientError
from schemas.grant import parse_grant
from schemas.ids import source_topic
from schemas.text import Text

KEYS = 100_000
_RESOURCE = "bench.soak"
_BURST, _BATCH, _TICK_S, _SAMPLE_S = 200_000, 2_000, 0.05, 10.0
_LIMIT_S = 180.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process and all it started. `at`: `time.perf_counter` seconds; memory in MiB."""

    at: float
    memory_mib: float
    files: int


@dataclass(slots=True)
class Flow:
    """What was published: (seconds, events acknowledged by then) at every growth."""

    sent: int = 0
    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    failed: str | None = None


def measure(settings: Settings, url: str, minutes: float, folder: Path, say: Say) -> dict[str, Any]:
    """Run it on a fresh cluster and an empty database. Raises TransientError where something stops flowing."""
    schema_id = apply_contract(settings, load.contract(_RESOURCE)).schema_id
    grant = f"{_RESOURCE}.grant"
    apply_grant(settings, parse_grant(_GRANT | {"id": grant}))
    values = _values(schema_id)
    flow = Flow()
    with (
        process(settings, "infra.bus.main", ["exchange"], folder / "soak-exchange.log") as exchange,
        process(settings, "infra.bus.bench.deliverer", [f"{grant}={url}"], folder / "soak-deliver.log") as deliverer,
        CommittedMeter(url) as meter,
    ):
        meter.await_opened([grant], _LIMIT_S)
        capacity = _capacity(settings, values, flow, meter, grant)
        say(f"capacity {capacity:,.0f} events/s; soaking at half of it for {minutes:g} minutes")
        watched = {"exchange": exchange.pid, "deliverer": deliverer.pid}
        begun = time.perf_counter()
        samples = _soak(settings, values, capacity / 2, minutes * 60, flow, watched, say)
        meter.await_events({grant: flow.sent}, _LIMIT_S)
    warm = begun + max(120.0, minutes * 6)
    latencies = _latencies(flow, meter.seen[grant], warm)
    third = max(1, len(latencies) // 3)
    return {
        "capacity_per_second": round(capacity),
        "events_per_second": round(capacity / 2),
        "minutes": minutes,
        "events": flow.sent,
        "processes": [_growth(name, [s for s in seen if s.at >= warm]) for name, seen in samples.items()],
        "latency_ms": [_spread("first third", latencies[:third]), _spread("last third", latencies[-third:])],
    }


def _capacity(settings: Settings, values: Sequence[Any], flow: Flow, meter: CommittedMeter, grant: str) -> float:
    """Events per second of a burst, from the first that is committed to the last."""
    producer = Producer(producer_config(settings))
    _send(producer, values, _BURST, flow)
    _flush(producer)
    flow.acknowledged.append((time.perf_counter(), flow.sent))
    meter.await_events({grant: _BURST}, _LIMIT_S)
    (first_at, first), (last_at, last) = meter.seen[grant][0], meter.seen[grant][-1]
    return (last - first) / max(last_at - first_at, 1e-9)


def _soak(
    settings: Settings,
    values: Sequence[Any],
    rate: float,
    seconds: float,
    flow: Flow,
    watched: dict[str, int],
    say: Say,
) -> dict[str, list[Sample]]:
    """Publish at `rate` for `seconds`; what was seen of each process meanwhile."""
    stop = threading.Event()
    publishing = threading.Thread(target=_publish, args=(settings, values, rate, flow, stop), name="soak-publish")
    samples: dict[str, list[Sample]] = {name: [] for name in watched}
    ends, said = time.monotonic() + seconds, 0
    publishing.start()
    try:
        while time.monotonic() < ends and publishing.is_alive():
            stop.wait(min(_SAMPLE_S, max(0.0, ends - time.monotonic())))
            for name, pid in watched.items():
                samples[name].append(_look(pid))
            minute = int((seconds - (ends - time.monotonic())) // 60)
            if minute > said:
                said = minute
                say(f"{minute} of {seconds / 60:g} minutes, {flow.sent:,} events; " + _now(samples))
    finally:
        stop.set()
        publishing.join()
    if flow.failed is not None:
        raise TransientError(Text(f"the load failed: {flow.failed}.", f"负载失败: {flow.failed}。"), where=_RESOURCE)
    return samples


def _publish(settings: Settings, values: Sequence[Any], rate: float, flow: Flow, stop: threading.Event) -> None:
    producer = Producer(producer_config(settings))
    began, before = time.perf_counter(), flow.sent
    try:
        while not stop.wait(_TICK_S):
            due = int((time.perf_counter() - began) * rate) - (flow.sent - before)
            if due > 0:
                _send(producer, values, due, flow)
                _flush(producer)
                flow.acknowledged.append((time.perf_counter(), flow.sent))
    except TransientError as error:
        flow.failed = str(error)


def _send(producer: Producer, values: Sequence[Any], count: int, flow: Flow) -> None:
    for start in range(flow.sent, flow.sent + count, _BATCH):
        stop = min(start + _BATCH, flow.sent + count)
        messages = [dict(values[i % len(values)]) for i in range(start, stop)]
        if producer.produce_batch(source_topic(_RESOURCE), messages, partition=0) != len(messages):
            raise TransientError(Text("the producer's queue is full.", "生产者队列已满。"), where=_RESOURCE)
        producer.poll(0)
    flow.sent += count


def _flush(producer: Producer) -> None:
    if producer.flush(60):
        raise TransientError(Text("the broker did not take the load.", "代理未接收全部数据。"), where=_RESOURCE)


def _values(schema_id: int) -> list[dict[str, bytes]]:
    """Updates of `KEYS` rows from one version to the other and back, so that every event changes what is released."""
    codec = codec_for(change_event_schema(load.contract(_RESOURCE)), schema_id)
    out: list[dict[str, bytes]] = []
    for version in (0, 1):
        for first in range(0, KEYS, load.BATCH):
            after, before = load.rows(first, load.BATCH, version), load.rows(first, load.BATCH, 1 - version)
            events = load.batch(codec.arrow, "u", [*before], after, first)
            out += [{"value": v, "key": r["id_no"].encode()} for v, r in zip(codec.encode(events), after, strict=True)]
    return out


def _look(pid: int) -> Sample:
    parent = psutil.Process(pid)
    everybody = [parent, *parent.children(recursive=True)]
    return Sample(
        time.perf_counter(), sum(p.memory_info().rss for p in everybody) / 2**20, sum(p.num_fds() for p in everybody)
    )


def _now(samples: dict[str, list[Sample]]) -> str:
    return ", ".join(f"{name} {seen[-1].memory_mib:.0f} MiB, {seen[-1].files} files" for name, seen in samples.items())


def _growth(name: str, seen: Sequence[Sample]) -> dict[str, Any]:
    """Medians of the first and the last third after warm-up."""
    third = max(1, len(seen) // 3)
    first, last = seen[:third], seen[-third:]
    early = percentile([s.memory_mib for s in first], 0.5)
    late = percentile([s.memory_mib for s in last], 0.5)
    return {
        "process": name,
        "memory_mib_first": early,
        "memory_mib_last": late,
        "memory_growth_percent": round((late / early - 1) * 100, 1),
        "files_first": int(percentile([s.files for s in first], 0.5)),
        "files_last": int(percentile([s.files for s in last], 0.5)),
    }


def _latencies(flow: Flow, seen: Sequence[tuple[float, int]], warm: float) -> list[float]:
    """Milliseconds from acknowledged to committed, one for each acknowledged step after warm-up (its last event)."""
    counts = [events for _, events in seen]
    return [
        max(0.0, (seen[bisect_left(counts, events)][0] - at) * 1000)
        for at, events in flow.acknowledged
        if at >= warm and events <= counts[-1]
    ]


def _spread(when: str, took: Sequence[float]) -> dict[str, Any]:
    return {
        "when": when,
        "p50": percentile(took, 0.5),
        "p99": percentile(took, 0.99),
        "max": percentile(took, 1.0),
    }


_GRANT: dict[str, Any] = {
    "subscriber": "subscriber",
    "resource": _RESOURCE,
    "purpose": "benchmark",
    "basis": "benchmark",
    "fields": {
        "id_no": "pass",
        "name": {"mask": "partial", "keep_first": 1},
        "phone": "pseudonym",
        "address": "pass",
        "updated_at": "pass",
    },
    "valid": {"from": "2026-01-01", "until": "2099-12-31"},
}
