"""Does the cluster that the settings name answer?"""

from __future__ import annotations

from contextlib import closing
from typing import Any

from confluent_kafka import KafkaException

from infra.runtime.kafka import admin
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.text import Text

_TIMEOUT_S = 8.0


def reach(settings: Settings) -> dict[str, Any]:
    """Facts about the cluster. TransientError if the broker or the registry does not answer."""
    try:
        found = admin(settings).list_topics(timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise TransientError(
            Text(f"Kafka does not answer: {error.args[0].str()}.", f"Kafka 无应答: {error.args[0].str()}。"),
            where=settings.bootstrap_servers,
            hint=Text("Check the address and the security settings.", "请检查地址与安全设置。"),
        ) from error
    with closing(Registry(settings)) as registry:
        registry.latest("bus.reach")
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "registry_url": settings.registry_url,
        "brokers": len(found.brokers),
        "topics": len(found.topics),
    }


def unsecured(settings: Settings) -> Text | None:
    """What a person must be told at every start of a process that talks in the clear."""
    if settings.security_protocol == "SSL" or settings.security_protocol == "SASL_SSL":
        return None
    return Text(
        f"Unsecured: {settings.bootstrap_servers} is reached by {settings.security_protocol}, without encryption.",
        f"未加密: 以 {settings.security_protocol} 方式连接 {settings.bootstrap_servers}。",
    )
