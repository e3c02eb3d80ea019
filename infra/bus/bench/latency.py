"""`bus bench latency`: publish acknowledged -> row committed in PostgreSQL, at steady rates.

one     one grant, 1,000 events a second
many    20 grants over 5 resources, 200 events a second together
broken  the same, while the topic of one grant refuses whatever is written to it; that grant is not counted
Publishers run in this process, the exchange and the deliverer of all grants in one process each.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from infra.bus.bench import load
from infra.bus.bench.committed import CommittedMeter
from infra.bus.demo.flow import exchange
from infra.bus.latency import latencies_ms, percentile, publish_paced
from infra.bus.workers import process
from infra.control import apply_contract, apply_grant
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from producers.publisher import Publisher
from producers.run import contract_in_force, now_ms
from schemas.change_event import Row
from schemas.grant import Grant, parse_grant

WARM_UP_S = 3
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """`resources` with `grants` each, at `rate` events a second of all resources together; `broken`: one grant's topic is."""

    name: str
    resources: int
    grants: int
    rate: int
    broken: bool = False


LOADS = (Load("one", 1, 1, 1_000), Load("many", 5, 4, 200), Load("broken", 5, 4, 200, broken=True))


def measure(settings: Settings, url: str, what: Load, seconds: int, folder: Path) -> dict[str, Any]:
    """Percentiles in milliseconds over `seconds` of steady load, after three more that are not counted.

    url   of the PostgreSQL database to deliver into
    """
    resources = {
        f"bench.{what.name}-{n}": _grants(f"bench.{what.name}-{n}", what.grants) for n in range(what.resources)
    }
    for resource, grants in resources.items():
        apply_contract(settings, load.contract(resource))
        topics = [apply_grant(settings, grant).topic for grant in grants]
    watched = [g.id for grants in resources.values() for g in grants]
    if what.broken:
        _refuse_everything(settings, topics[-1])
    pairs = [f"{g}={url}" for g in watched]
    with (
        exchange(settings, folder / f"latency-{what.name}-exchange.log"),
        process(settings, "infra.bus.bench.deliverer", pairs, folder / f"latency-{what.name}-deliver.log"),
        CommittedMeter(url) as meter,
    ):
        meter.await_opened(watched, _LIMIT_S)
        counted = watched[:-1] if what.broken else watched
        rate, count = what.rate / what.resources, int(what.rate / what.resources * (seconds + WARM_UP_S))
        with ThreadPoolExecutor(what.resources, "publish") as pool:
            published = pool.map(lambda resource: _publish(settings, resource, rate, count), resources)
            acknowledged = dict(zip(resources, published, strict=True))
        meter.await_events(dict.fromkeys(counted, count), _LIMIT_S)
    skipped = int(rate * WARM_UP_S)
    took = [
        ms
        for resource, grants in resources.items()
        for grant in grants
        if grant.id in counted
        for ms in latencies_ms(acknowledged[resource], meter.seen[grant.id])[skipped:]
    ]
    return {
        "load": what.name,
        "grants": len(watched),
        "resources": what.resources,
        "events_per_second": what.rate,
        "p50": percentile(took, 0.5),
        "p99": percentile(took, 0.99),
        "max": percentile(took, 1.0),
    }


def _publish(settings: Settings, resource: str, rate: float, count: int) -> Sequence[float]:
    schema_id, contract = contract_in_force(settings, resource, None)
    rows: list[Row] = load.rows(0, count, 0)
    for row in rows:
        row["birth"] = dt.date(1970, 1, 1) + dt.timedelta(days=row["birth"])
    with Publisher(settings, "bench", contract, schema_id, clock=now_ms) as publisher:
        return publish_paced(publisher, "bench", contract, rows, rate)


def _grants(resource: str, count: int) -> list[Grant]:
    return [
        parse_grant(
            {
                "id": f"{resource}.grant-{n}",
                "subscriber": f"subscriber-{n}",
                "resource": resource,
                "purpose": "benchmark",
                "basis": "benchmark",
                "fields": {"id_no": "pass", "name": {"mask": "partial", "keep_first": n + 1}, "phone": "pseudonym"},
                "valid": {"from": "2026-01-01", "until": "2099-12-31"},
            }
        )
        for n in range(count)
    ]


def _refuse_everything(settings: Settings, topic: str) -> None:
    """Let the broker refuse every record of a topic, as one whose limits somebody has changed does."""
    tiny = ConfigEntry("max.message.bytes", "10", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[tiny])
    client = admin(settings)  # kept until the answer is here: collected earlier, it takes the call with it
    client.incremental_alter_configs([change])[change].result(20)
