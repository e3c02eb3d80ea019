"""Metric names and labels are rules, not habits."""

from __future__ import annotations

import urllib.request

import pytest

from infra.runtime import metrics
from schemas.errors import ConfigError


@pytest.mark.parametrize("name", ["events_total", "bus_events", "bus_Events_total", "bus_events_count"])
def test_a_counter_outside_the_naming_rules_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must begin with bus_"):
        metrics.counter(name, "x")


def test_a_label_nobody_agreed_on_is_refused() -> None:
    with pytest.raises(ValueError, match="citizen"):
        metrics.counter("bus_test_refused_total", "x", ["citizen"])


def test_what_is_counted_can_be_fetched() -> None:
    counted = metrics.counter("bus_test_fetched_total", "Counted by a test.", ["outcome"])
    counted.labels("delivered").inc(3)
    port = metrics.serve()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    assert 'bus_test_fetched_total{outcome="delivered"} 3.0' in text
    assert "process_cpu_seconds_total" in text


def test_a_port_in_use_is_named() -> None:
    port = metrics.serve()
    with pytest.raises(ConfigError) as caught:
        metrics.serve(port=port)
    assert caught.value.where == f"127.0.0.1:{port}"
