"""Many observations at once count as they would one by one."""

from __future__ import annotations

import secrets

import pytest
from prometheus_client import Histogram, generate_latest

from infra.runtime.counted_histogram import CountedHistogram
from infra.runtime.metrics import REGISTRY


def test_it_shows_what_a_histogram_shows_that_observed_each() -> None:
    name = f"bus_{secrets.token_hex(4)}_seconds".replace("bus_", "bus_t")
    counted = CountedHistogram(name, "a test", "grant", buckets=(0.1, 1.0, 30.0))
    plain = Histogram("plain", "a test", ["grant"], buckets=(0.1, 1.0, 30.0), registry=None)
    counted.add("g", {0.1: 2, 0.5: 1, 99.0: 1})
    counted.add("g", {0.5: 3})
    for value in (0.1, 0.1, 0.5, 99.0, 0.5, 0.5, 0.5):
        plain.labels("g").observe(value)
    [family] = counted.collect()
    [other] = plain.collect()
    expected = {(s.name.removeprefix("plain"), tuple(s.labels.items())): s.value for s in other.samples}
    found = {(s.name.removeprefix(name), tuple(s.labels.items())): s.value for s in family.samples}
    assert found == {k: v for k, v in expected.items() if k[0] != "_created"}
    assert f'{name}_bucket{{grant="g",le="+Inf"}} 7.0' in generate_latest(REGISTRY).decode()
    REGISTRY.unregister(counted)


def test_a_name_that_breaks_the_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="bus_"):
        CountedHistogram("latency", "a test", "grant")
