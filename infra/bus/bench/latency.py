"""`bus bench latency`: publish acknowledged -> row committed in the subscriber's SQLite file, at 500 events a second."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from infra.bus.bench import load
from infra.bus.demo.flow import deliveries, exchange
from infra.bus.latency import RowMeter, latencies_ms, percentile, publish_paced
from infra.control import apply_contract, apply_grant
from infra.runtime.settings import Settings
from producers.publisher import Publisher
from producers.run import contract_in_force, now_ms
from schemas.change_event import Row
from schemas.grant import parse_grant

RATE = 500
_RESOURCE, _WARM_UP_S = "bench.latency", 3


def measure(settings: Settings, seconds: int, folder: Path) -> dict[str, float]:
    """Percentiles in milliseconds over `seconds` of steady load, after three more that are not counted."""
    contract = load.contract(_RESOURCE)
    apply_contract(settings, contract)
    grant = parse_grant(
        {
            "id": f"{_RESOURCE}.grant",
            "subscriber": "subscriber",
            "resource": _RESOURCE,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"id_no": "pass", "name": {"mask": "partial", "keep_first": 1}, "phone": "pseudonym"},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
    )
    apply_grant(settings, grant)
    rows: list[Row] = load.rows(0, RATE * (seconds + _WARM_UP_S), 0)
    for row in rows:
        row["birth"] = dt.date(1970, 1, 1) + dt.timedelta(days=row["birth"])
    schema_id, _ = contract_in_force(settings, _RESOURCE, None)
    with (
        exchange(settings, folder / "latency-exchange.log"),
        deliveries(settings, [grant], settings.home / "sinks") as files,
        Publisher(settings, "bench", contract, schema_id, clock=now_ms) as publisher,
    ):
        meter = RowMeter(files[grant.id], grant.id)
        meter.settle(0, 30.0)
        meter.start()
        acknowledged = publish_paced(publisher, "bench", contract, rows, RATE)
        meter.finish(len(rows), 60.0)
    took = latencies_ms(acknowledged, meter.seen)[RATE * _WARM_UP_S :]
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "max": percentile(took, 1.0)}
