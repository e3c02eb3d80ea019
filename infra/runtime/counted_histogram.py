"""A histogram that takes many observations at once: value -> how often, for batches of thousands."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from infra.runtime.metrics import LATENCY_BUCKETS, REGISTRY, check_unit


class CountedHistogram(Collector):
    """Like `metrics.histogram` with one label, but an observation costs nothing of its own. Safe between threads."""

    def __init__(self, name: str, doc: str, label: str, *, buckets: Sequence[float] = LATENCY_BUCKETS) -> None:
        check_unit(name, [label])
        self.name, self.doc, self.label = name, doc, label
        self._bounds = (*buckets, float("inf"))
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._lock = threading.Lock()
        REGISTRY.register(self)

    def add(self, label: str, observed: Mapping[float, int]) -> None:
        """So many observations of each value."""
        with self._lock:
            counts = self._counts.setdefault(label, [0] * len(self._bounds))
            for value, count in observed.items():
                counts[bisect_left(self._bounds, value)] += count
            self._sums[label] = self._sums.get(label, 0.0) + sum(v * n for v, n in observed.items())

    def describe(self) -> Iterator[Metric]:
        """Its name, without observations."""
        yield HistogramMetricFamily(self.name, self.doc, labels=[self.label])

    def collect(self) -> Iterator[Metric]:
        """What was observed so far."""
        family = HistogramMetricFamily(self.name, self.doc, labels=[self.label])
        with self._lock:
            for label, counts in self._counts.items():
                total, buckets = 0, []
                for bound, count in zip(self._bounds, counts, strict=True):
                    total += count
                    buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
                family.add_metric([label], buckets, self._sums[label])
        yield family
