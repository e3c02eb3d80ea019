"""The producer: what it refuses or fails to confirm is never half-done (DESIGN 4.2, 4.3)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewTopic

from infra.runtime.kafka import admin, await_topics, consumer_config
from schemas.errors import PermanentError
from stream_apps.exchange.outbox import Aborted, Outbox, Output
from stream_apps.transport.unit import Place
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, within


@pytest.fixture
def topic(cluster: Cluster, unique: str) -> str:
    client = admin(cluster.settings)
    client.create_topics([NewTopic(unique, 1)])[unique].result()
    return unique


def outputs(topic: str, *values: bytes) -> list[Output]:
    return [Output(topic, 0, [{"key": b"k", "value": v} for v in values])]


class Refusing:
    """A producer that accepts all but the last of a batch."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __len__(self) -> int:
        return len(self.real)

    def produce_batch(self, topic: str, entries: Sequence[Any], partition: int) -> int:
        return int(self.real.produce_batch(topic, list(entries)[:-1], partition=partition))


def test_an_entry_the_producer_does_not_accept_undoes_the_transaction(
    cluster: Cluster, topic: str, group: tuple[Consumer, Place]
) -> None:
    outbox = Outbox(cluster.settings, f"{topic}.t")
    consumer, place = group
    real = outbox._producer
    outbox._producer = Refusing(real)  # type: ignore[assignment]
    with pytest.raises(Aborted):
        outbox.commit(outputs(topic, b"1", b"2"), {place: (1, "m")}, consumer.consumer_group_metadata())
    outbox._producer = real
    outbox.commit(outputs(topic, b"3"), {place: (2, "m")}, consumer.consumer_group_metadata())
    assert [m.value() for m in Lab(cluster.settings, "x").messages(topic)] == [b"3"]
    assert consumer.committed([TopicPartition(*place)], timeout=10)[0].offset == 2


def test_a_message_too_large_for_the_client_undoes_the_transaction_and_says_so(
    cluster: Cluster, topic: str, group: tuple[Consumer, Place]
) -> None:
    outbox = Outbox(cluster.settings, f"{topic}.t")
    consumer, place = group
    with pytest.raises(Aborted, match="msg_size_too_large"):
        outbox.commit(outputs(topic, b"1", b"x" * (9 << 20)), {place: (1, "m")}, consumer.consumer_group_metadata())
    assert Lab(cluster.settings, "x").messages(topic) == []


def test_a_topic_that_takes_only_smaller_records_is_named_and_the_producer_lives_on(
    cluster: Cluster, topic: str, group: tuple[Consumer, Place]
) -> None:
    client, small = admin(cluster.settings), f"{topic}.small"
    client.create_topics([NewTopic(small, 1, config={"max.message.bytes": "500"})])[small].result()
    await_topics(client, [small, topic])
    outbox = Outbox(cluster.settings, f"{topic}.t")
    consumer, place = group
    metadata = consumer.consumer_group_metadata()
    with pytest.raises(Aborted) as caught:
        both = outputs(topic, b"1") + outputs(small, random.Random(1).randbytes(5_000))
        outbox.commit(both, {place: (1, "m")}, metadata)
    assert caught.value.refused == {small: "msg_size_too_large"}
    outbox.commit(outputs(topic, b"2"), {place: (1, "m")}, metadata)
    assert [m.value() for m in Lab(cluster.settings, "x").messages(topic)] == [b"2"]


def test_a_topic_deleted_in_the_meantime_undoes_the_transaction_and_the_producer_lives_on(
    cluster: Cluster, topic: str, group: tuple[Consumer, Place]
) -> None:
    client, doomed = admin(cluster.settings), f"{topic}.doomed"
    client.create_topics([NewTopic(doomed, 1)])[doomed].result()
    await_topics(client, [doomed, topic])
    outbox = Outbox(cluster.settings, f"{topic}.t")
    consumer, place = group
    metadata = consumer.consumer_group_metadata()
    outbox.commit(outputs(topic, b"1") + outputs(doomed, b"1"), {place: (1, "m")}, metadata)
    client.delete_topics([doomed], operation_timeout=10)[doomed].result()
    outbox._producer.list_topics(timeout=5)  # it knows: the entry waits for the topic until its time is over
    with pytest.raises(Aborted):
        outbox.commit(outputs(topic, b"2") + outputs(doomed, b"2"), {place: (2, "m")}, metadata)
    outbox.commit(outputs(topic, b"3"), {place: (2, "m")}, metadata)
    assert [m.value() for m in Lab(cluster.settings, "x").messages(topic)] == [b"1", b"3"]


def test_a_worker_whose_transactional_id_was_taken_over_cannot_commit_and_ends(
    cluster: Cluster, topic: str, group: tuple[Consumer, Place]
) -> None:
    consumer, place = group
    old = Outbox(cluster.settings, f"{topic}.t")
    Outbox(cluster.settings, f"{topic}.t")
    with pytest.raises(PermanentError):
        old.commit(outputs(topic, b"1"), {place: (1, "m")}, consumer.consumer_group_metadata())
    assert Lab(cluster.settings, "x").messages(topic) == []


def test_a_commit_with_group_metadata_the_group_has_moved_on_from_is_refused(
    cluster: Cluster, topic: str, group: tuple[Consumer, Place]
) -> None:
    consumer, place = group
    stale = consumer.consumer_group_metadata()
    other = Consumer(consumer_config(cluster.settings, place.topic))
    other.subscribe([place.topic])
    try:
        within(20, lambda: _moved(consumer, other, stale))
        outbox = Outbox(cluster.settings, f"{topic}.t")
        with pytest.raises(Aborted):
            outbox.commit(outputs(topic, b"1"), {place: (1, "m")}, stale)
    finally:
        other.close()
    assert Lab(cluster.settings, "x").messages(topic) == []


def _moved(consumer: Consumer, other: Consumer, stale: Any) -> bool:
    other.poll(0.05)
    consumer.poll(0.05)
    return bool(consumer.consumer_group_metadata() != stale)


@pytest.fixture
def group(cluster: Cluster, unique: str) -> Any:
    """A consumer that owns the one partition of a source topic, in a group named like it."""
    name = f"{unique}.source"
    client = admin(cluster.settings)
    client.create_topics([NewTopic(name, 1)])[name].result()
    consumer = Consumer(consumer_config(cluster.settings, name))
    consumer.subscribe([name])
    within(20, lambda: consumer.poll(0.1) is None and bool(consumer.assignment()))
    yield consumer, Place(name, 0)
    consumer.close()
