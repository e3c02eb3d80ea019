"""Acknowledged records and schemas, and what is left of them."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2 as httpx
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from infra.cluster import ClusterState


def create(state: ClusterState, topic: str) -> None:
    """A topic of one partition."""
    admin = AdminClient({"bootstrap.servers": state.bootstrap_servers})
    for created in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        created.result(20)


def produce(
    state: ClusterState,
    topic: str,
    records: int,
    halfway: Callable[[], None] = lambda: None,
    timeout_ms: int = 3000,
) -> list[int]:
    """Write 0, 1, 2 … to `topic`, calling `halfway` once after half of them; those the broker acknowledged within `timeout_ms`."""
    acknowledged: list[int] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            acknowledged.append(int(message.value() or b""))

    producer = Producer(
        {
            "bootstrap.servers": state.bootstrap_servers,
            "enable.idempotence": True,
            "message.timeout.ms": timeout_ms,
            "topic.metadata.refresh.interval.ms": 1000,
            "batch.num.messages": 100,
            "log_level": 0,
        }
    )
    for n in range(records):
        producer.produce(topic, str(n).encode(), on_delivery=delivered)
        producer.poll(0)
        if n == records // 2:
            while not acknowledged:
                producer.poll(0.01)
            halfway()
    assert producer.flush(60) == 0
    return acknowledged


def read(state: ClusterState, topic: str) -> list[int]:
    """Every record of `topic`, in order."""
    consumer = Consumer(
        {"bootstrap.servers": state.bootstrap_servers, "group.id": topic, "enable.partition.eof": True, "log_level": 0}
    )
    found: list[int] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while True:
            message = consumer.poll(30)
            assert message is not None
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                return found
            found.append(int(message.value() or b""))
    finally:
        consumer.close()


def register(state: ClusterState, subject: str) -> int:
    """The id the registry acknowledged for a schema of this subject's own."""
    name = "S" + subject.replace(".", "_")
    schema = json.dumps({"type": "record", "name": name, "fields": [{"name": "a", "type": "string"}]})
    url = f"{state.registry_url}/subjects/{subject}/versions"
    answer = httpx.post(url, json={"schema": schema}, trust_env=False, timeout=20)
    return int(answer.raise_for_status().json()["id"])


def registered(state: ClusterState, subject: str) -> int:
    """The id of the newest version under `subject`."""
    answer = httpx.get(f"{state.registry_url}/subjects/{subject}/versions/latest", trust_env=False, timeout=20)
    return int(answer.raise_for_status().json()["id"])
