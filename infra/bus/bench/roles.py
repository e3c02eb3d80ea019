"""Which broker of several does what for the exchange, so that each may be killed in turn."""

from __future__ import annotations

import json

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from infra.cluster import read_state
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.ids import EXCHANGE_GROUP
from schemas.text import Text

_TIMEOUT_S = 10.0
_TRANSACTIONS = "__transaction_state"


def roles(settings: Settings, source: str, released: str) -> dict[str, int]:
    """The broker (its number) that leads partition 0 of the source topic, of the topic of what is released from it, that
    coordinates the exchange's group, and the transactions of the worker that committed last. KafkaException if nobody says."""
    client = admin(settings)
    topics = client.list_topics(timeout=_TIMEOUT_S).topics
    group = client.describe_consumer_groups([EXCHANGE_GROUP], request_timeout=_TIMEOUT_S)[EXCHANGE_GROUP].result()
    asked = ConsumerGroupTopicPartitions(EXCHANGE_GROUP, [TopicPartition(source, 0)])
    place = client.list_consumer_group_offsets([asked])[EXCHANGE_GROUP].result().topic_partitions[0]
    states = topics[_TRANSACTIONS].partitions
    transaction = str(json.loads(place.metadata)["t"])
    return {
        "source partition": topics[source].partitions[0].leader,
        "grant's partition": topics[released].partitions[0].leader,
        "group coordinator": group.coordinator.id,
        "transaction coordinator": states[abs(java_hash(transaction)) % len(states)].leader,
    }


def java_hash(text: str) -> int:
    """`String.hashCode`, by which Kafka finds a transaction's coordinator."""
    found = 0
    for character in text:
        found = (31 * found + ord(character)) & 0xFFFFFFFF
    return found - (1 << 32) if found >= 1 << 31 else found


def kill(settings: Settings, node: int) -> None:
    """`kill -9` of a broker of the embedded cluster. ConfigError if it does not run."""
    state = read_state(settings.home)
    process = state.processes.brokers[node - 1].process() if state is not None and state.processes else None
    if process is None:
        raise ConfigError(Text(f"broker {node} does not run.", f"broker {node} 未运行。"), where=str(settings.home))
    process.kill()
