"""What publishing tells: each function is one event, counted and logged together, once per batch."""

from __future__ import annotations

from collections.abc import Mapping

from infra.runtime.logs import logger
from infra.runtime.metrics import BATCH_BUCKETS, counter, histogram
from schemas.errors import BusError

_log = logger("publish")
_EVENTS = counter("bus_published_events_total", "Change events committed to source topics", ["resource", "op"])
_BYTES = counter("bus_published_bytes_total", "Bytes of committed change events", ["resource"])
_QUARANTINED = counter("bus_quarantined_rows_total", "Rows kept back by their provider", ["resource", "reason"])
_BATCH = histogram("bus_publish_batch_seconds", "One transaction, begin to commit", ["resource"], buckets=BATCH_BUCKETS)
_RETRIES = counter("bus_publish_retries_total", "Runs begun again after something was out of reach", ["resource"])


def published(
    resource: str, by_op: Mapping[str, int], size: int, rejected: Mapping[str, int], seconds: float, position: str
) -> None:
    """A batch is committed: events by operation, their bytes, rejected rows by reason, seconds of the transaction."""
    for op, count in by_op.items():
        _EVENTS.labels(resource, op).inc(count)
    for reason, count in rejected.items():
        _QUARANTINED.labels(resource, reason).inc(count)
    _BYTES.labels(resource).inc(size)
    _BATCH.labels(resource).observe(seconds)
    _log.debug(
        "published",
        resource=resource,
        records=sum(by_op.values()),
        bytes=size,
        quarantined=sum(rejected.values()),
        seconds=round(seconds, 4),
        position=position,
    )


def retried(resource: str, error: BusError, attempt: int, wait_s: float) -> None:
    """Something is out of reach; the run begins again from the position Kafka holds."""
    _RETRIES.labels(resource).inc()
    _log.warning("retrying", resource=resource, error=error, attempt=attempt, wait_seconds=round(wait_s, 2))


def finished(resource: str, adapter: str, published: int, quarantined: int) -> None:
    """A run is over."""
    _log.info("finished", resource=resource, adapter=adapter, published=published, quarantined=quarantined)
