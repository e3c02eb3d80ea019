"""Sinks are found by address, and addresses are shown without secrets."""

from __future__ import annotations

import pytest

from consumers.catalogue import SINKS, shown, sink_for
from consumers.report import Tally
from schemas.errors import ConfigError


@pytest.mark.parametrize("url", ["sqlite:", "oracle://u:geheim@h/d", "", "x.db"])
def test_an_address_no_sink_has_is_a_config_error_that_shows_no_secret(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sink_for(url)
    assert "geheim" not in str(caught.value)


def test_addresses_are_shown_without_user_and_parameters() -> None:
    assert shown("postgresql://u:geheim@h:5432/d?sslkey=k") == "postgresql://h:5432/d"
    assert shown("sqlite:/var/x.db") == "sqlite:/var/x.db"


def test_the_catalogue_names_every_sink_there_is() -> None:
    assert set(SINKS) == {"sqlite", "postgresql", "mysql"}


def test_percentiles_are_those_of_the_events() -> None:
    tally = Tally()
    tally.latencies.update({1: 50, 5: 49, 1000: 1})
    found = tally.latency()
    assert found is not None
    assert (found.p50, found.p99, found.most) == (1, 5, 1000)
    assert Tally().latency() is None
