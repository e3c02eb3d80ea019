"""Acknowledged records and schemas, and what is left of them."""

from __future__ import annotations

import httpx2 as httpx
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from infra.cluster import ClusterState

SCHEMA = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}'


def produce(state: ClusterState, topic: str, records: int) -> int:
    """Create `topic` and write so many records to it; how many the broker acknowledged."""
    admin = AdminClient({"bootstrap.servers": state.bootstrap_servers})
    for created in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        created.result(20)
    acknowledged: list[bool] = []
    producer = Producer({"bootstrap.servers": state.bootstrap_servers, "acks": "all", "linger.ms": 5})
    for n in range(records):
        producer.produce(topic, str(n).encode(), on_delivery=lambda error, _: acknowledged.append(error is None))
    assert producer.flush(30) == 0
    return sum(acknowledged)


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
    """The id the registry acknowledged for `SCHEMA`."""
    url = f"{state.registry_url}/subjects/{subject}/versions"
    answer = httpx.post(url, json={"schema": SCHEMA}, trust_env=False, timeout=20)
    return int(answer.raise_for_status().json()["id"])


def registered(state: ClusterState, subject: str) -> int:
    """The id of the newest version under `subject`."""
    answer = httpx.get(f"{state.registry_url}/subjects/{subject}/versions/latest", trust_env=False, timeout=20)
    return int(answer.raise_for_status().json()["id"])
