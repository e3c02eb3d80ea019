"""What deliveries tell: each function is one event, counted and logged together, once per batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consumers.absence import Nearness
from consumers.events import Batch, Place
from consumers.sink import Written
from infra.runtime.counted_histogram import CountedHistogram
from infra.runtime.logs import logger
from infra.runtime.metrics import BATCH_BUCKETS, counter, gauge, histogram
from schemas.errors import BusError
from schemas.text import Text

_log = logger("deliver")
_EVENTS = counter("bus_delivered_events_total", "View events whose effect is durable in a sink", ["grant", "op"])
_ROWS = counter("bus_delivered_rows_total", "Rows changed in sinks", ["grant", "outcome"])
_LATENCY = CountedHistogram("bus_delivery_latency_seconds", "From release to the sink's commit", "grant")
_WRITE = histogram("bus_delivery_write_seconds", "One batch into a sink", ["grant"], buckets=BATCH_BUCKETS)
_LAG = gauge("bus_delivery_lag_records", "Offsets of the grant's topic not yet in the sink", ["grant"])
_LAG_TIME = gauge("bus_delivery_lag_seconds", "Age of the newest delivered event while there is lag, else 0", ["grant"])
_OLDEST = gauge(
    "bus_delivery_oldest_unread_seconds", "Age of the record delivered next, when it was read; 0 at the end", ["grant"]
)
_REBUILT = counter("bus_delivery_rebuilt_total", "Copies made anew after too long an absence", ["grant"])
_RETRIES = counter("bus_delivery_retries_total", "Deliveries begun again after something was out of reach", ["grant"])
_STOPPED = counter("bus_delivery_stopped_total", "Deliveries that ended, by what ended them", ["grant", "reason"])


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of one batch: seconds of the write; milliseconds from release to commit -> events (empty where not exact)."""

    write_s: float
    latencies_ms: Mapping[int, int]


def delivered(
    grant: str, topic: str, batch: Batch, written: Written, measured: Measured, by_op: Mapping[str, int]
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
    _LATENCY.add(grant, {ms / 1000: count for ms, count in measured.latencies_ms.items()})
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
    if not records:
        _OLDEST.labels(grant).set(0)


def retried(grant: str, error: BusError, attempt: int, wait_s: float) -> None:
    """Something is out of reach; the delivery begins again from the positions the sink holds."""
    _RETRIES.labels(grant).inc()
    _log.warning("retrying", grant=grant, error=error, attempt=attempt, wait_seconds=round(wait_s, 2))


def waiting(grant: str, age_s: float) -> None:
    """How long the record that is delivered next has waited."""
    _OLDEST.labels(grant).set(age_s)


def falling_behind(grant: str, nearness: Nearness, age_s: float, left_s: float) -> None:
    """A delivery has left something unread for so long that its copy may soon have to be made anew."""
    _log.warning(
        "falling behind",
        grant=grant,
        waited_hours=round(age_s / 3600, 1),
        rebuilt_in_hours=round(left_s / 3600, 1),
        hint=str(
            Text(
                f"more than {nearness} of the time is gone for which the topic keeps deletes; a faster sink or more deliverers "
                "are needed, else the copy is made anew from the beginning.",
                f"主题保留删除记录的时限已过 {'一半' if nearness == 'half' else '四分之三'}; 请提高目标写入速度或增加投递进程, "
                "否则将自主题开头重建副本。",
            )
        ),
    )


def away_too_long(grant: str, error: BusError) -> None:
    """A copy is made anew, because deletes may be missing from what was left unread."""
    _REBUILT.labels(grant).inc()
    _log.warning("rebuilding", grant=grant, error=error, where=error.where)


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


def shared(group: str, grant: str) -> None:
    """The group has left a grant to this process, which begins to deliver it."""
    _log.info("delivering", where=group, grant=grant)


def handed_over(group: str, grant: str) -> None:
    """The group has taken a grant away, and its batch at hand is through."""
    _log.info("handed over", where=group, grant=grant)


def group_troubled(group: str, answer: str) -> None:
    """Kafka answers the group with an error that passes, or that concerns one topic."""
    _log.warning("group troubled", where=group, error=answer)


def failed(grant: str, error: BusError) -> None:
    """A delivery stops because trying again gives the same result."""
    _STOPPED.labels(grant, "error").inc()
    _log.error("delivery stopped", grant=grant, error=error, where=error.where)
