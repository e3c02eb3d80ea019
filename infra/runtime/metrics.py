"""Metrics of a process: one registry, names by rule, label values from the control plane only, one HTTP endpoint.

Rules, checked when a metric is made: the name begins with `bus_`, ends in its base unit (`_seconds`, `_bytes`, `_records`,
`_ratio`) or `_total` for counters; label names come from `LABELS`. Label values are ids, verdicts and reasons: a handful
of each, and never anything out of a record. Keep the child (`metric.labels(...)`) where it is used per batch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from schemas.errors import ConfigError
from schemas.text import Text

LABELS = frozenset(
    [
        "resource",
        "grant",
        "topic",
        "partition",
        "outcome",
        "reason",
        "adapter",
        "sink",
        "stage",
        "op",
        "state",
        "instance",
        "version",
        "view",
        "worker",
        "department",
        "duty",
        "certificate",
    ]
)
"""Every label name there may be: each has as many values as there are ids, reasons or stages."""

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds from publish to release or delivery."""

BATCH_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds one batch takes."""

REGISTRY = CollectorRegistry(auto_describe=True)
"""The process's registry: everything made here is in it, and nothing else is."""

_NAME = re.compile(r"bus_[a-z][a-z0-9_]*\Z")
_UNITS = ("_seconds", "_bytes", "_records", "_ratio", "_partitions", "_applications", "_deadlines", "_info")


def counter(name: str, doc: str, labels: Sequence[str] = ()) -> Counter:
    """A counter; `name` ends in `_total`."""
    _check(name, labels, ("_total",))
    return Counter(name, doc, labels, registry=REGISTRY)


def gauge(name: str, doc: str, labels: Sequence[str] = ()) -> Gauge:
    """A gauge; `name` ends in its unit."""
    _check(name, labels, _UNITS)
    return Gauge(name, doc, labels, registry=REGISTRY)


def histogram(
    name: str, doc: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = LATENCY_BUCKETS
) -> Histogram:
    """A histogram; `name` ends in its unit."""
    _check(name, labels, _UNITS)
    return Histogram(name, doc, labels, buckets=buckets, registry=REGISTRY)


def check_unit(name: str, labels: Sequence[str]) -> None:
    """The rules for a metric with a unit that is made elsewhere. ValueError if one is broken."""
    _check(name, labels, _UNITS)


def serve(host: str = "127.0.0.1", port: int = 0) -> int:
    """Serve the registry at http://host:port/metrics from a daemon thread; the port in use (0 asks for a free one).

    Raises ConfigError if the address cannot be had.
    """
    if not _process_metrics:
        _process_metrics.extend(
            (ProcessCollector(registry=REGISTRY), PlatformCollector(registry=REGISTRY), GCCollector(registry=REGISTRY))
        )
    try:
        server, _thread = start_http_server(port, addr=host, registry=REGISTRY)
    except OSError as error:
        raise ConfigError(
            Text(f"metrics cannot be served: {error.strerror}.", f"无法提供指标服务: {error.strerror}。"),
            where=f"{host}:{port}",
            hint=Text("Choose another port, or 0 for a free one.", "请换一个端口, 或用 0 自动选择空闲端口。"),
        ) from error
    return int(server.server_port)


_process_metrics: list[object] = []


def _check(name: str, labels: Sequence[str], endings: tuple[str, ...]) -> None:
    if not _NAME.match(name) or not name.endswith(endings):
        raise ValueError(f"metric '{name}' must begin with bus_ and end with one of {', '.join(endings)}")
    unknown = set(labels) - LABELS
    if unknown:
        raise ValueError(f"metric '{name}': labels {sorted(unknown)} are not in LABELS")
