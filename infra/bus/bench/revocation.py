"""`bus bench revocation`: from the command that ends a grant to the last record its subscriber gets, by each way, under load.

Each repetition has a resource of its own, so that no history weighs on the next: 5,000 events a second flow, two grants are
opened (grant to first record), one is revoked and one is suspended. Of both, several readers note when their last record came.
The clock starts before the command: its own time counts in.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from infra.bus.bench import load
from infra.bus.bench.last_seen import FileWatch, Reading
from infra.bus.bench.pace import committed
from infra.bus.bench.parties import Parties
from infra.bus.demo.flow import deliveries, exchange
from infra.bus.latency import percentile
from infra.control import apply_contract, revoke
from infra.runtime.kafka import admin, producer_config
from infra.runtime.settings import Settings
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.errors import TransientError
from schemas.grant import Grant, parse_grant
from schemas.ids import EXCHANGE_GROUP, source_topic
from schemas.policy_log import EndReason
from schemas.text import Text

RATE = 5_000
_TICK_S, _FLOW_S, _QUIET_S = 0.02, 1.0, 3.0
_FIRST_S = 30.0
REASONS: tuple[EndReason, ...] = ("revoked", "suspended")
_FETCHES: dict[str, dict[str, Any]] = {
    "own consumer": {"fetch.wait.max.ms": 500},
    "long fetch wait, 10 s": {"fetch.wait.max.ms": 10_000},
    "parked fetch, 1000 ms": {"fetch.wait.max.ms": 1000, "fetch.min.bytes": 50_000_000},
    "parked fetch, 2000 ms": {"fetch.wait.max.ms": 2000, "fetch.min.bytes": 50_000_000},
}
"""The subscriber's own clients. One that waits for more bytes than come is always parked at the broker, for as long as it says,
and asks again only then; the longer wait is shorter than `_QUIET_S`, so that what it brings is seen."""


@dataclass(slots=True)
class Found:
    """What was measured, in milliseconds: by reason and way the last record, the commands' own time, grant to first record."""

    last: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    command: dict[str, list[float]] = field(default_factory=dict)
    first: list[float] = field(default_factory=list)
    past_fence: int = 0

    def facts(self) -> dict[str, Any]:
        """As it is shown and written."""
        ways = [
            {"ended": reason, "way": way, **_spread(took), "within_1_s": f"{sum(t <= 1000 for t in took)}/{len(took)}"}
            for (reason, way), took in sorted(self.last.items())
        ]
        commands = [{"command": reason, **_spread(took)} for reason, took in sorted(self.command.items())]
        return {
            "last_record_ms": ways,
            "acknowledged_ms": commands,
            "grant_to_first_record_ms": [_spread(self.first)],
            "records_past_fence": self.past_fence,
        }


def _spread(took: Sequence[float]) -> dict[str, float]:
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "max": percentile(took, 1.0)}


def departments() -> list[str]:
    """Everybody who takes part: the provider, and a subscriber for each reason."""
    return [load.contract("bench.any").resource.provider, *map(_subscriber, REASONS)]


def measure(parties: Parties, repetitions: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Run it on a fresh cluster. Raises TransientError where nothing flows."""
    found, busy = Found(), [os.getloadavg()[0]]
    with exchange(parties.exchange, folder / "revocation-exchange.log"):
        _repetition(parties, "bench.warm-up", Found())
        for n in range(repetitions):
            _repetition(parties, f"bench.revocation-{n}", found)
            busy.append(os.getloadavg()[0])
            say(
                f"{n + 1}/{repetitions}: last record after at most {max(took[-1] for took in found.last.values()):.0f} ms"
            )
    return found.facts() | {
        "events_per_second": RATE,
        "repetitions": repetitions,
        "protocol": parties.control.security_protocol,
        "load_average": {"p50": round(percentile(busy, 0.5), 1), "max": round(max(busy), 1)},
    }


def _repetition(parties: Parties, resource: str, found: Found) -> None:
    contract, settings = load.contract(resource), parties.control
    schema_id = apply_contract(settings, contract).schema_id
    with ExitStack() as open_, flowing(parties.of(contract.resource.provider), resource, schema_id):
        _wait_exchanged(settings, resource)
        grants = {reason: _grant(resource, reason) for reason in REASONS}
        readers: dict[str, dict[str, Reading]] = {}
        for reason, grant in grants.items():
            began = time.perf_counter()
            applied, reader = parties.open(grant, contract), parties.of(grant.subscriber)
            readings = {w: Reading(reader, grant.subscriber, applied.topic, more) for w, more in _FETCHES.items()}
            readers[reason] = {way: open_.enter_context(r) for way, r in readings.items()}
            found.first.append((readers[reason]["own consumer"].first(_FIRST_S) - began) * 1000)
        files: dict[str, Path] = {}
        for grant in grants.values():  # each department runs its own deliverer
            files |= open_.enter_context(deliveries(parties.of(grant.subscriber), [grant], settings.home / "sinks"))
        watches = {r: open_.enter_context(FileWatch(files[g.id], g.id)) for r, g in grants.items()}
        for seen in (*watches.values(), *(r for own in readers.values() for r in own.values())):
            seen.first(_FIRST_S)  # whoever never got anything would seem to have lost it in time
        time.sleep(_FLOW_S)
        for reason, grant in grants.items():
            _end(
                parties.ordered_by(contract.resource.provider),
                grant,
                reason,
                {**readers[reason], "bus deliver": watches[reason]},
                found,
            )


def _end(
    settings: Settings, grant: Grant, reason: EndReason, readers: dict[str, Reading | FileWatch], found: Found
) -> None:
    began = time.perf_counter()
    fence = revoke(settings, grant.id, reason=reason, by="bench")
    found.command.setdefault(reason, []).append((time.perf_counter() - began) * 1000)
    time.sleep(_QUIET_S)
    for way, reader in readers.items():
        found.last.setdefault((reason, way), []).append(max(0.0, (reader.last - began) * 1000))
        if isinstance(reader, Reading):
            found.past_fence += max(0, reader.position - fence.offsets[0])


def _grant(resource: str, reason: str) -> Grant:
    return parse_grant(
        {
            "id": f"{resource}.{reason}",
            "subscriber": _subscriber(reason),
            "resource": resource,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"id_no": "pass", "name": {"mask": "partial", "keep_first": 1}, "phone": "pseudonym"},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
    )


def _subscriber(reason: str) -> str:
    return f"subscriber-{reason}"


def _wait_exchanged(settings: Settings, resource: str) -> None:
    """Return when the exchange has passed a second's load of a resource. TransientError if it does not."""
    client, deadline = admin(settings), time.monotonic() + _FIRST_S
    while committed(client, EXCHANGE_GROUP, source_topic(resource)) < RATE:
        if time.monotonic() > deadline:
            raise TransientError(Text("the exchange does not take it up.", "交换程序未开始处理。"), where=resource)
        time.sleep(_TICK_S)


@contextmanager
def flowing(settings: Settings, resource: str, schema_id: int) -> Iterator[None]:
    """Creates of ever new rows, evenly spread, while the block runs. TransientError if the broker does not take them."""
    stop, failed = threading.Event(), list[str]()
    thread = threading.Thread(
        target=_publish, args=(settings, resource, schema_id, stop, failed), name="bench-load", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise TransientError(Text(f"the load failed: {failed[0]}.", f"负载失败: {failed[0]}。"), where=resource)


def _publish(settings: Settings, resource: str, schema_id: int, stop: threading.Event, failed: list[str]) -> None:
    codec = codec_for(change_event_schema(load.contract(resource)), schema_id)
    producer = Producer(producer_config(settings))
    began, sent = time.perf_counter(), 0
    while not stop.wait(_TICK_S):
        due = int((time.perf_counter() - began) * RATE) - sent
        if due > 0:
            rows = load.rows(sent, due, 0)
            values = codec.encode(load.batch(codec.arrow, "c", [None] * due, rows, sent))
            messages = [{"value": v, "key": r["id_no"].encode()} for v, r in zip(values, rows, strict=True)]
            if producer.produce_batch(source_topic(resource), messages, partition=0) != due:
                failed.append("the producer's queue is full")
                return
            sent += due
        producer.poll(0)
    if producer.flush(30):
        failed.append("the broker did not take it all")
