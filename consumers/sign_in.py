"""Does the cluster refuse who we say we are? librdkafka goes on trying for ever and tells it beside its answers only."""

from __future__ import annotations

import time
from collections import Counter

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from infra.runtime.kafka import client_config
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.text import Text

_ASK_S = 3.0
_LOOK_S = 0.2
_TWICE = 2


def refusal(settings: Settings) -> ConfigError | None:
    """The refusal, if user, password or certificate are refused by the cluster; None too if it does not answer at all."""
    if settings.security_protocol == "PLAINTEXT":
        return None
    told = _told(settings)
    if told == KafkaError._AUTHENTICATION:
        return ConfigError(
            Text(
                f"the cluster does not accept the user '{settings.sasl_username}' with this password.",
                f"集群不接受用户 '{settings.sasl_username}' 及其口令。",
            ),
            where=settings.bootstrap_servers,
            hint=Text(
                "Check BUS_CREDENTIALS, or ask the bureau for new credentials.",
                "请检查 BUS_CREDENTIALS, 或申请新的凭据。",
            ),
        )
    if told == KafkaError._SSL:
        return ConfigError(
            Text("no trusted connection to the cluster can be made.", "无法与集群建立可信连接。"),
            where=settings.bootstrap_servers,
            hint=Text(
                "Check the certificate in the credentials, and that the address is the cluster's.",
                "请检查凭据中的证书及集群地址。",
            ),
        )
    return None


def _told(settings: Settings) -> int | None:
    """What the cluster refuses before it answers anything, and again: a broker that goes down in mid-handshake is none."""
    told: Counter[int] = Counter()
    client = AdminClient(client_config(settings, error_cb=lambda error: told.update([error.code()])))
    deadline = time.monotonic() + _ASK_S
    while time.monotonic() < deadline:
        try:
            client.list_topics(timeout=_LOOK_S)
        except KafkaException:
            client.poll(0)  # whether it answers is the caller's business; errors are told here
        else:
            return None
        for code in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            if told[code] >= _TWICE:
                return code
    return None
