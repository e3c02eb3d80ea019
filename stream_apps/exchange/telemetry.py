"""What the exchange tells: named events, each a log line and its metrics together, per batch and never per record."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from infra.runtime.logs import logger
from infra.runtime.metrics import BATCH_BUCKETS, LATENCY_BUCKETS, REGISTRY, counter, gauge, histogram
from schemas.ids import resource_of
from stream_apps.exchange.inflight import Judging
from stream_apps.exchange.judge import Fault, Judged
from stream_apps.transport.unit import Place

_log = logger("exchange")

_IN = counter("bus_exchange_in_events_total", "Records read, tombstones included.", ["resource"])
_IN_BYTES = counter("bus_exchange_in_bytes_total", "Bytes of values read.", ["resource"])
_TOMBSTONES = counter("bus_exchange_tombstones_total", "Tombstones read.", ["resource"])
_JUDGED = counter(
    "bus_exchange_judged_events_total", "Change events by what a view made of them.", ["resource", "view", "outcome"]
)
_OUT = counter("bus_exchange_out_events_total", "Events released to a grant's topic.", ["resource", "view"])
_OUT_BYTES = counter("bus_exchange_out_bytes_total", "Bytes released to a grant's topic.", ["resource", "view"])
_DEAD = counter("bus_exchange_dead_letters_total", "Dead letters.", ["resource", "reason"])
_RETRIED = counter(
    "bus_exchange_retried_letters_total",
    "Dead letters looked at once more, by what became of them.",
    ["resource", "outcome"],
)
_DEATHS = counter(
    "bus_exchange_deaths_total",
    "Times this worker was found to have died while it judged records (stage: slice), or one alone (record).",
    ["resource", "stage"],
)
_WITHHELD = counter(
    "bus_exchange_withheld_events_total", "Records passed while a grant was withheld.", ["resource", "view", "reason"]
)
_BATCH = histogram("bus_exchange_batch_seconds", "Time of one unit of work.", ["stage"], buckets=BATCH_BUCKETS)
_ABORTS = counter("bus_exchange_aborts_total", "Units undone and read again.", ["reason"])
_REBALANCES = counter("bus_exchange_rebalances_total", "Times partitions were assigned or revoked.", ["state"])
_OWNED = gauge("bus_exchange_owned_partitions", "Partitions this worker owns.")
_PAUSED = gauge("bus_exchange_paused_partitions", "Partitions that wait.", ["resource", "reason"])
_EPOCH = gauge("bus_exchange_policy_epoch_info", "Policy epoch in force: the last entry of the control log read.")
_LAG = gauge("bus_exchange_lag_records", "Records not yet exchanged.", ["resource", "partition"])
_HISTORY = gauge(
    "bus_exchange_history_records",
    "Records (offsets) of history that a grant which catches up was given (state: done), or has yet to be given (left).",
    ["resource", "partition", "view", "state"],
)
_LAG_S = gauge("bus_exchange_lag_seconds", "Age of the last record exchanged while records wait, else 0.", ["resource"])


class _Releases(Collector):
    """Histogram of publish to release, filled a batch at a time (the client's own takes one value per call)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._edges = np.array(LATENCY_BUCKETS)
        self._found: dict[str, tuple[npt.NDArray[np.int64], float]] = {}

    def add(self, resource: str, seconds: npt.NDArray[np.float64]) -> None:
        """The delays of one batch."""
        counts = np.bincount(np.searchsorted(self._edges, seconds), minlength=len(self._edges) + 1)
        with self._lock:
            before, total = self._found.get(resource, (np.zeros(len(self._edges) + 1, np.int64), 0.0))
            self._found[resource] = before + counts, total + float(seconds.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """As Prometheus asks."""
        family = HistogramMetricFamily(
            "bus_exchange_release_seconds", "From publishing to release.", labels=["resource"]
        )
        with self._lock:
            for resource, (counts, total) in self._found.items():
                sums = np.cumsum(counts).tolist()
                names = [*map(str, LATENCY_BUCKETS), "+Inf"]
                family.add_metric([resource], list(zip(names, sums, strict=True)), total)
        yield family


_RELEASES = _Releases()
REGISTRY.register(_RELEASES)


def judged(resource: str, result: Judged, withheld: Mapping[str, str], released_ms: int) -> None:
    """A slice was committed. `withheld`: reason by grant that got nothing of it."""
    _IN.labels(resource).inc(result.records)
    _IN_BYTES.labels(resource).inc(result.bytes_in)
    if result.tombstones:
        _TOMBSTONES.labels(resource).inc(result.tombstones)
    for grant, outcomes in result.outcomes.items():
        for outcome, n in outcomes.items():
            _JUDGED.labels(resource, grant, outcome).inc(n)
    for grant, (events, size) in result.written.items():
        _OUT.labels(resource, grant).inc(events)
        _OUT_BYTES.labels(resource, grant).inc(size)
    for grant, reason in withheld.items():
        _WITHHELD.labels(resource, grant, reason).inc(result.records)
    if len(result.published):
        _RELEASES.add(resource, np.maximum(released_ms - result.published, 0) / 1000.0)
        _newest[resource] = int(result.published[-1])
    if result.faults:
        _dead_letters(resource, result.faults)


_newest: dict[str, int] = {}
"""Publishing time of the last record exchanged, by resource."""


def _dead_letters(resource: str, faults: Sequence[Fault]) -> None:
    reasons: dict[str, int] = {}
    for fault in faults:
        reasons[fault.reason] = reasons.get(fault.reason, 0) + 1
    for reason, n in reasons.items():
        _DEAD.labels(resource, reason).inc(n)
        _log.warning("dead_letters", resource=resource, reason=reason, dead_lettered=n)


def unit_done(*marks: float) -> None:
    """A unit ended: `time.perf_counter()` at its start, when it was judged, and when it was committed."""
    for stage, (start, end) in zip(("judge", "commit"), pairwise(marks), strict=True):
        _BATCH.labels(stage).observe(end - start)
    _BATCH.labels("unit").observe(marks[-1] - marks[0])


def aborted(reason: str, refused: Mapping[str, str] | None = None) -> None:
    """A unit was undone. `refused`: topics that take nothing for now, and why."""
    _ABORTS.labels(reason).inc()
    _log.warning("unit_aborted", reason=reason)
    for topic, why in (refused or {}).items():
        _log.warning("topic_refuses", topic=topic, reason=why)


def assigned(places: Sequence[Place], owned: int) -> None:
    """Partitions came."""
    _REBALANCES.labels("assigned").inc()
    _OWNED.set(owned)
    _log.info("assigned", partitions=len(places), count=owned)


def revoked(places: Sequence[Place], owned: int) -> None:
    """Partitions went."""
    _REBALANCES.labels("revoked").inc()
    _OWNED.set(owned)
    _log.info("revoked", partitions=len(places), count=owned)


def epoch(number: int) -> None:
    """Another policy is in force."""
    _EPOCH.set(number)
    _log.info("policy", epoch=number)


def paused(place: Place, reason: str, error: BaseException | None = None) -> None:
    """A partition waits."""
    _PAUSED.labels(resource_of(place.topic), reason).inc()
    _log.warning("paused", topic=place.topic, partition=place.partition, reason=reason, error=error)


def resumed(place: Place, reason: str) -> None:
    """It waits no longer."""
    _PAUSED.labels(resource_of(place.topic), reason).dec()
    _log.info("resumed", topic=place.topic, partition=place.partition, reason=reason)


def replaying(place: Place, grants: int, offset: int) -> None:
    """From an offset on, grants are given a partition's history."""
    _log.info("replaying", topic=place.topic, partition=place.partition, count=grants, offset=offset)


def history_given(place: Place, grants: Sequence[str], done: int, left: int) -> None:
    """A chunk of history was committed: offsets these grants were given since the pass began, and have yet to be given."""
    resource, partition = resource_of(place.topic), str(place.partition)
    for grant in _catching_up.get(place, frozenset()) - set(grants):
        _forget_history(place, grant)
    _catching_up[place] = frozenset(grants)
    for grant in grants:
        _HISTORY.labels(resource, partition, grant, "done").set(done)
        _HISTORY.labels(resource, partition, grant, "left").set(left)


def history_left(place: Place) -> None:
    """No history of a partition is being given now."""
    for grant in _catching_up.pop(place, frozenset()):
        _forget_history(place, grant)


def _forget_history(place: Place, grant: str) -> None:
    for state in ("done", "left"):
        _HISTORY.remove(resource_of(place.topic), str(place.partition), grant, state)


_catching_up: dict[Place, frozenset[str]] = {}


def lost_track(place: Place, seconds: int) -> None:
    """So long ago all that was unread began: the grants that were live may have lost ends of rows to compaction."""
    _log.error("lost_track", topic=place.topic, partition=place.partition, age_s=seconds)


def topics_made_anew(place: Place, grants: int) -> None:
    """The topics of so many grants were deleted and created again since the partition's last commit: they get the history again."""
    _log.warning("topics_made_anew", topic=place.topic, partition=place.partition, count=grants)


def history_waits(error: BaseException, seconds: float) -> None:
    """A pass over a partition's history was given up; another goes on where its last commit was."""
    _log.warning("history_waits", error=error, wait_s=seconds)


def replayed(place: Place, grants: int, offset: int) -> None:
    """New grants on a partition have been given its history, and are live from this offset on."""
    _log.info("replayed", topic=place.topic, partition=place.partition, count=grants, offset=offset)


def lag(records: Mapping[Place, int], now_ms: int) -> None:
    """What waits."""
    waiting: dict[str, int] = {}
    for place, n in records.items():
        resource = resource_of(place.topic)
        _LAG.labels(resource, str(place.partition)).set(n)
        waiting[resource] = waiting.get(resource, 0) + n
    for resource, n in waiting.items():
        age = (now_ms - _newest[resource]) / 1000 if n and resource in _newest else 0.0
        _LAG_S.labels(resource).set(max(age, 0.0))


def keys_renewed(count: int, current: int) -> None:
    """The custodian gave other master keys than before."""
    _log.info("keys_renewed", count=count, version=current)


def keys_not_renewed(error: BaseException) -> None:
    """The custodian has not, or not yet, the keys that the control log speaks of; the former ones go on serving."""
    _log.warning("keys_not_renewed", error=error)


def not_verified() -> None:
    """No folder of signers is set: grants are executed as they stand in the log, whoever wrote them."""
    _log.warning("grants_not_verified")


def signers_changed(people: int) -> None:
    """Other people, keys or roles may sign than before; every grant is judged again."""
    _log.info("signers_changed", count=people)


def signers_not_read(error: BaseException) -> None:
    """The folder of signers cannot be read: nobody signs, so nothing is released, until it can."""
    _log.error("signers_not_read", error=error)


def started(instance: str, transaction: str, port: int | None) -> None:
    """The worker is ready."""
    _log.info("started", instance=instance, transaction=transaction, port=port)


def judged_again(resource: str, result: Judged) -> None:
    """A chunk of history was committed for new grants: released events count, records read do not."""
    for grant, (events, size) in result.written.items():
        _OUT.labels(resource, grant).inc(events)
        _OUT_BYTES.labels(resource, grant).inc(size)
    if result.faults:
        _dead_letters(resource, result.faults)


def died_judging(left: Judging) -> None:
    """The process before this one died while it judged these records."""
    alone = left.alone is not None
    _DEATHS.labels(resource_of(left.place.topic), "record" if alone else "slice").inc()
    _log.warning(
        "died_judging",
        topic=left.place.topic,
        partition=left.place.partition,
        offset=left.alone if alone else left.start,
        offsets=1 if alone else left.end - left.start,
        stage="history" if left.history else "live",
    )


def tried(place: Place, offset: int, deadly: bool) -> None:
    """A record at which this worker died was tried out in a child process."""
    outcome = "dies" if deadly else "lives"
    _log.warning("tried", topic=place.topic, partition=place.partition, offset=offset, outcome=outcome)


def not_on_record(error: OSError) -> None:
    """What is being judged, or what is suspect, cannot be kept in the state folder: a record that kills does so again."""
    _log.error("not_on_record", error=error, path=error.filename, reason=error.strerror)


def retried(place: Place, order: int, outcomes: Sequence[str]) -> None:
    """An order to judge dead letters once more was carried out on a partition; a word for each letter."""
    resource = resource_of(place.topic)
    for outcome in sorted(set(outcomes)):
        n = outcomes.count(outcome)
        _RETRIED.labels(resource, outcome).inc(n)
        _log.info("retried", topic=place.topic, partition=place.partition, epoch=order, outcome=outcome, count=n)


def retry_waits(place: Place, order: int, error: BaseException) -> None:
    """An order cannot be carried out for now; it is tried again."""
    _log.warning("retry_waits", topic=place.topic, partition=place.partition, epoch=order, error=error)


def left_hanging(seconds: float) -> None:
    """A unit did not come to an end: the process ends without it, and its transaction is aborted by the broker or its successor."""
    _log.error("left_hanging", seconds=seconds)
