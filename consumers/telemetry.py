"""What deliveries tell: each function is one event, counted and logged together, once per batch."""

from __future__ import annotations

from dataclasses import dataclass

from consumers.events import Batch, Place
from consumers.sink import Written
from infra.runtime.logs import logger
from infra.runtime.metrics import BATCH_BUCKETS, counter, gauge, histogram
from schemas.errors import BusError
from schemas.text import Text

_log = logger("deliver")
_EVENTS = counter("bus_delivered_events_total", "View events whose effect is durable in a sink", ["grant", "op"])
_ROWS = counter("bus_delivered_rows_total", "Rows changed in sinks", ["grant", "outcome"])
_LATENCY = histogram("bus_delivery_latency_seconds", "From release to the sink's commit", ["grant"])
_WRITE = histogram("bus_delivery_write_seconds", "One batch into a sink", ["grant"], buckets=BATCH_BUCKETS)
_LAG = gauge("bus_delivery_lag_records", "Offsets of the grant's topic not yet in the sink", ["grant"])
_LAG_TIME = gauge("bus_delivery_lag_seconds", "Age of the newest delivered event while there is lag, else 0", ["grant"])
_RETRIES = counter("bus_delivery_retries_total", "Deliveries begun again after something was out of reach", ["grant"])
_STOPPED = counter("bus_delivery_stopped_total", "Deliveries that ended, by what ended them", ["grant", "reason"])


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of one batch: seconds of the write, and of each event from release to commit (empty where not exact)."""

    write_s: float
    latencies_s: list[float]


def delivered(
    grant: str, topic: str, batch: Batch, written: Written, measured: Measured, by_op: dict[str, int]
) -> None:
    """A batch is durable in the sink."""
    for op, count in by_op.items():
        _EVENTS.labels(grant, op).inc(count)
    for outcome, count in (
        ("upserted", written.upserted),
        ("deleted", written.deleted),
        ("rejected", written.rejected),
    ):
        if count:
            _ROWS.labels(grant, outcome).inc(count)
    _WRITE.labels(grant).observe(measured.write_s)
    latency = _LATENCY.labels(grant)
    for seconds in measured.latencies_s:
        latency.observe(seconds)
    offsets = {p: step.next for p, step in batch.steps.items()}
    _log.debug(
        "delivered",
        grant=grant,
        topic=topic,
        records=len(batch.records),
        offsets=offsets,
        seconds=round(measured.write_s, 4),
    )


def skipped(grant: str, topic: str, place: Place, reason: str) -> None:
    """An event that cannot be read was passed over, because that was asked for."""
    _ROWS.labels(grant, "unreadable").inc()
    _log.warning("skipped", grant=grant, topic=topic, partition=place.partition, offset=place.offset, reason=reason)


def lagging(grant: str, records: int, seconds: float) -> None:
    """How far a delivery is behind: offsets, and the age of what it delivered last (0 if it is not behind)."""
    _LAG.labels(grant).set(records)
    _LAG_TIME.labels(grant).set(seconds if records else 0.0)


def retried(grant: str, error: BusError, attempt: int, wait_s: float) -> None:
    """Something is out of reach; the delivery begins again from the positions the sink holds."""
    _RETRIES.labels(grant).inc()
    _log.warning("retrying", grant=grant, error=error, attempt=attempt, wait_seconds=round(wait_s, 2))


def rebuilt(grant: str, topic: str, generation: int) -> None:
    """A delivery begins at the beginning of a topic."""
    _log.info("from the beginning", grant=grant, topic=topic, generation=generation)


def ended(grant: str, generation: int, reason: str, message: Text) -> None:
    """The grant is over; the message says whether everything before its fence was read, and what is to be destroyed."""
    _STOPPED.labels(grant, reason).inc()
    _log.info("grant ended", grant=grant, generation=generation, reason=reason, hint=str(message))


def superseded(grant: str, generation: int, message: Text) -> None:
    """The grant was amended; the delivery goes on with its next generation, which the message names."""
    _log.warning("grant was amended", grant=grant, generation=generation, hint=str(message))


def failed(grant: str, error: BusError) -> None:
    """A delivery stops because trying again gives the same result."""
    _STOPPED.labels(grant, "error").inc()
    _log.error("delivery stopped", grant=grant, error=error, where=error.where)
