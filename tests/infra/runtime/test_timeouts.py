"""Invariant 10: timeouts are chosen. With the clients' defaults a killed exchange is silent for 66 s (FACTS)."""

from __future__ import annotations

from infra.runtime.kafka import admin_config, consumer_config, producer_config
from infra.runtime.settings import Settings

SETTINGS = Settings(bootstrap_servers="127.0.0.1:1", registry_url="http://127.0.0.1:1")


def test_a_killed_owner_is_replaced_within_seconds() -> None:
    assert producer_config(SETTINGS, "t")["transaction.timeout.ms"] == 5_000
    assert consumer_config(SETTINGS, "g")["session.timeout.ms"] == 6_000


def test_transactions_back_to_back_do_not_wait_for_each_other() -> None:
    assert producer_config(SETTINGS, "t")["retry.backoff.ms"] <= 10


def test_keys_are_placed_as_java_places_them_and_nothing_is_committed_by_itself() -> None:
    assert producer_config(SETTINGS)["partitioner"] == "murmur2_random"
    assert consumer_config(SETTINGS, "g")["enable.auto.commit"] is False
    assert consumer_config(SETTINGS, "g")["isolation.level"] == "read_committed"


def test_the_successor_of_a_lost_broker_is_looked_for_every_second() -> None:
    assert producer_config(SETTINGS)["topic.metadata.refresh.interval.ms"] == 1_000
    assert producer_config(SETTINGS, "t")["topic.metadata.refresh.interval.ms"] == 1_000
    assert admin_config(SETTINGS)["topic.metadata.refresh.interval.ms"] == 1_000
