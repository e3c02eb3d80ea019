"""Configurations of the Kafka clients, with the timeouts chosen (DESIGN 4.10) and the traps of the defaults avoided.

Each function returns librdkafka properties; `more` overrides. Settings must be `located()`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import Any

from confluent_kafka.admin import AdminClient

from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.text import Text

TRANSACTION_TIMEOUT_MS = 5_000
SESSION_TIMEOUT_MS = 6_000
_LOOK_S = 0.02
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


def admin(settings: Settings) -> AdminClient:
    """An admin client."""
    return AdminClient(client_config(settings))


def await_topics(client: AdminClient, names: Collection[str], timeout_s: float = 15.0) -> None:
    """Return when every topic has a leader for every partition: a topic that was just created is not there at once.

    Raises TransientError if that takes longer than `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while missing := _without_leader(client, names):
        if time.monotonic() > deadline:
            raise TransientError(
                Text(f"{len(missing)} new topics have no leader yet.", f"{len(missing)} 个新主题尚无主副本。"),
                where=sorted(missing)[0],
                hint=Text("Run 'bus status', then try again.", "请运行 'bus status' 后重试。"),
            )
        time.sleep(_LOOK_S)


def _without_leader(client: AdminClient, names: Collection[str]) -> set[str]:
    topics = client.list_topics(timeout=10).topics
    ready = {n for n, t in topics.items() if t.partitions and all(p.leader >= 0 for p in t.partitions.values())}
    return set(names) - ready
