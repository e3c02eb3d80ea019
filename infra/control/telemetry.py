"""What the controller tells: each function is one event, counted and logged together."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping

from prometheus_client import Gauge

from infra.control.deadlines.listing import Deadlines
from infra.runtime.logs import logger
from infra.runtime.metrics import BATCH_BUCKETS, counter, gauge, histogram
from infra.security.reconcile import Drift
from schemas.clock import end_of_day_ms

_log = logger("controller")
_OPEN = gauge("bus_open_applications", "Applications somebody still has to do something for, by status", ["state"])
_STEPS = gauge(
    "bus_open_deadlines",
    "Steps of applications to be taken, by who has to and which (late ones too)",
    ["department", "stage"],
)
_OVERDUE = gauge("bus_overdue_deadlines", "Steps of applications that are late", ["department", "stage"])
_UNKNOWN = gauge(
    "bus_unknown_deadlines",
    "Steps whose day is not known, because the calendar of a year is missing",
    ["department", "stage"],
)
_NEXT = gauge(
    "bus_next_deadline_timestamp_seconds", "When the earliest deadline of an open step ends", ["department", "stage"]
)
_RUNS = counter("bus_controller_runs_total", "Times a duty was done or failed", ["duty", "outcome"])
_TIME = histogram("bus_controller_run_seconds", "Time a duty takes", ["duty"], buckets=BATCH_BUCKETS)
_DRIFT = counter(
    "bus_acl_drift_total", "ACLs that were not as what is in force wants them, and were mended", ["reason"]
)
_CERTIFICATE_END = gauge(
    "bus_certificate_end_timestamp_seconds",
    "When the certificate ends that brokers show, and that of the authority we trust; absent without TLS",
    ["certificate"],
)
_SHOWN = 20
"""ACLs told one by one; the others are counted."""
_JUMPS = counter("bus_controller_clock_jumps_total", "Times this host's clock jumped")


def deadlines_seen(found: Deadlines) -> None:
    """All deadlines were worked out anew."""
    running = [d for d in found.due if d.state != "done"]
    _show(_OPEN, {(state,): count for state, count in found.open.items()})
    _show(_STEPS, Counter((d.department, d.step) for d in running))
    _show(_OVERDUE, Counter((d.department, d.step) for d in running if d.overdue))
    _show(_UNKNOWN, Counter((d.department, d.step) for d in running if d.missing_year is not None))
    ends: dict[tuple[str, ...], float] = {}
    for d in running:
        if d.due is not None:
            place = (d.department, d.step)
            ends[place] = min(ends.get(place, float("inf")), end_of_day_ms(d.due) / 1000)
    _show(_NEXT, ends)
    for application, by_ms in found.behind.items():
        _log.warning("clock behind the log", reason=application, seconds=by_ms / 1000)


def began(duty: str) -> None:
    """A controller took a duty on: from now on it is seen if it is never done."""
    _RUNS.labels(duty, "done")


def done(duty: str, seconds: float, did: int) -> None:
    """A duty was done; `did`: how much there was to do."""
    _RUNS.labels(duty, "done").inc()
    _TIME.labels(duty).observe(seconds)
    (_log.info if did else _log.debug)("duty done", duty=duty, count=did, seconds=round(seconds, 3))


def failed(duty: str, error: Exception, seconds: float, attempt: int, wait_s: float) -> None:
    """A duty failed and will be tried again after `wait_s`."""
    _RUNS.labels(duty, "failed").inc()
    _TIME.labels(duty).observe(seconds)
    _log.error("duty failed", duty=duty, error=error, attempt=attempt, wait_seconds=wait_s)


def acls_mended(found: Drift) -> None:
    """The broker allowed something else than what is in force, and does no longer."""
    _DRIFT.labels("missing").inc(len(found.missing))
    _DRIFT.labels("surplus").inc(len(found.surplus))
    for acl in found.surplus[:_SHOWN]:
        _log.warning(
            "an ACL nobody granted was removed", reason=f"{acl.principal} {acl.operation} {acl.kind} {acl.name}"
        )
    for acl in found.missing[:_SHOWN]:
        _log.warning("a missing ACL was added", reason=f"{acl.principal} {acl.operation} {acl.kind} {acl.name}")


def certificates_seen(ends: Mapping[str, dt.datetime]) -> None:
    """Until when clients believe the cluster."""
    for certificate, at in ends.items():
        _CERTIFICATE_END.labels(certificate).set(at.timestamp())


def certificate_ends(certificate: str, left_s: float) -> None:
    """One ends soon, or has ended."""
    _log.warning("a certificate ends soon", reason=certificate, seconds=round(left_s))


def clock_jumped(by_ms: int) -> None:
    """This host's clock moved by so much more than the time that passed."""
    _JUMPS.inc()
    _log.error("the clock jumped", seconds=by_ms / 1000)


def _show(metric: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
    """Set what there is and drop what there is no more; a reader in between never finds the metric empty."""
    for labels, value in values.items():
        metric.labels(*labels).set(value)
    for sample in [s for family in metric.collect() for s in family.samples]:
        labels = tuple(sample.labels[name] for name in metric._labelnames)
        if labels not in values:
            metric.remove(*labels)
