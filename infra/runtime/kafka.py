"""Configurations of the Kafka clients, with the timeouts chosen (DESIGN 4.10) and the traps of the defaults avoided.

Each function returns librdkafka properties; `more` overrides. Settings must be `located()`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # not exported, though its own documentation shows it

from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.text import Text

TRANSACTION_TIMEOUT_MS = 5_000
SESSION_TIMEOUT_MS = 6_000
_LOOK_S = 0.02
_LOOK_A_TOPIC_S = 0.0005
"""So that asking for a thousand does not keep the broker from making them."""
_SERVES_S, _SERVES_A_TOPIC_S = 30.0, 0.05
MAX_MESSAGE_BYTES = 8 << 20

Config = dict[str, Any]

_LIBRDKAFKA = logging.getLogger("librdkafka")
_LIBRDKAFKA.addHandler(logging.NullHandler())
"""librdkafka's own lines go to this process's logs once it has some (`logs.configure`), never straight to a terminal."""


def client_config(settings: Settings, **more: Any) -> Config:
    """Address, security and reconnection, common to every client."""
    config: Config = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        # half of it is also the pause between two first connections, three of which a fresh client makes; it doubles
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 1000,
        "socket.timeout.ms": 10_000,
        "log.connection.close": False,
        "logger": _LIBRDKAFKA,
    }
    if settings.security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.sasl_mechanism
        config["sasl.username"] = settings.sasl_username
        password = settings.sasl_password
        config["sasl.password"] = password.get_secret_value() if password else None
    for name in ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location"):
        path = getattr(settings, name)
        if path is not None:
            config[name.replace("_", ".")] = str(path)
    if settings.ssl_ca_pem is not None:
        config["ssl.ca.pem"] = settings.ssl_ca_pem
    return config | more


def producer_config(settings: Settings, transactional_id: str | None = None, **more: Any) -> Config:
    """An idempotent producer that places keys as Java clients do; transactional if given an id."""
    config = client_config(settings) | {
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 5,
        "batch.size": 1_000_000,
        "batch.num.messages": 20_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 1_048_576,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        # librdkafka asks once who leads when a broker goes down, too early to hear of its successor, and then not for five
        # minutes; what waits for the dead one is given up meanwhile
        "topic.metadata.refresh.interval.ms": 1_000,
    }
    if transactional_id is not None:
        config |= {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            # librdkafka waits this long whenever the broker still closes the transaction before: 113 ms each at the default
            "retry.backoff.ms": 1,
            "message.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "socket.timeout.ms": TRANSACTION_TIMEOUT_MS,  # librdkafka insists that it is no longer than the transaction's
        }
    return config | more


def consumer_config(settings: Settings, group: str, **more: Any) -> Config:
    """A consumer that sees committed records only and commits nothing by itself."""
    return (
        client_config(settings)
        | {
            "group.id": group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": 1_500,
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 50,
            # at the default of 1 s a reader that empties the queue faster than it fills stands still: 122,000 records/s
            # against more than 560,000
            "fetch.queue.backoff.ms": 10,
            "topic.metadata.refresh.interval.ms": 30_000,
        }
        | more
    )


def admin_config(settings: Settings) -> Config:
    """For an admin client. Most of its questions go to the broker it was last told is the controller, and it looks for another
    only this often: at the default of five minutes, one of a cluster that had lost that broker had no answer after 90 s."""
    return client_config(settings, **{"topic.metadata.refresh.interval.ms": 1_000})


def admin(settings: Settings) -> AdminClient:
    """An admin client."""
    return AdminClient(admin_config(settings))


def passes(error: KafkaError) -> bool:
    """Whether an answer may be another one later: the cluster is out of reach or busy, and nobody's mistake."""
    return error.retriable() or error.code() in _OUT_OF_REACH


_OUT_OF_REACH = (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN)


def begin_transactions(producer: Producer, timeout_s: float, topic: str | None = None) -> None:
    """`init_transactions`, without the 500 ms librdkafka waits when no broker is connected at that moment.

    The first answer may come over the connection to the bootstrap address, which ends with it; the second comes over one
    that stays. `topic`: one that exists (else all topics are asked about). Raises KafkaException.
    """
    for _ in range(2):
        producer.list_topics(topic, timeout=timeout_s) if topic else producer.list_topics(timeout=timeout_s)
    producer.init_transactions(timeout_s)


def await_topics(client: AdminClient, names: Collection[str]) -> None:
    """Return when every partition of the topics serves requests: what was just created does not at once.

    Raises TransientError if that takes longer than 30 seconds and 50 ms for each topic.
    """
    deadline = time.monotonic() + _SERVES_S + len(names) * _SERVES_A_TOPIC_S
    missing: Collection[str] = names
    while missing := _not_serving(client, missing):  # those that serve are not asked again
        if time.monotonic() > deadline:
            raise TransientError(
                Text(f"{len(missing)} new topics do not serve requests yet.", f"{len(missing)} 个新主题尚不可用。"),
                where=sorted(missing)[0],
                hint=Text("Run 'bus status', then try again.", "请运行 'bus status' 后重试。"),
            )
        time.sleep(_LOOK_S + len(missing) * _LOOK_A_TOPIC_S)


def ends(client: AdminClient, places: Iterable[TopicPartition]) -> dict[tuple[str, int], int]:
    """The end offset (high watermark) of each partition whose leader tells it; the others are absent.

    Raises KafkaException for any error but that of a leader that is taking over.
    """
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    found = {}
    for place, answer in client.list_offsets(dict.fromkeys(places, latest)).items():
        try:
            found[place.topic, place.partition] = int(answer.result().offset)
        except KafkaException as error:
            if error.args[0].code() not in _TAKING_OVER:
                raise
    return found


_TAKING_OVER = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
)


def _not_serving(client: AdminClient, names: Collection[str]) -> set[str]:
    topics = client.list_topics(timeout=10).topics
    led = {n: t for n, t in topics.items() if t.partitions and all(p.leader >= 0 for p in t.partitions.values())}
    if missing := set(names) - set(led):
        return missing
    places = [TopicPartition(n, p) for n in names for p in led[n].partitions]
    serving = ends(client, places)
    return {p.topic for p in places if (p.topic, p.partition) not in serving}
