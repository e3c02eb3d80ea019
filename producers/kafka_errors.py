"""What Kafka answers, as our errors."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from schemas.errors import BusError, ConfigError, TransientError
from schemas.text import Text

_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)
_MISSING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
_NOBODY = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE)
_REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
)


def as_ours(error: KafkaException | KafkaError, where: str) -> BusError:
    """The BusError for a Kafka error: whatever is not known to be final may be tried again by a runner."""
    cause: KafkaError = error.args[0] if isinstance(error, KafkaException) else error
    said = cause.str()
    if cause.code() in _FENCED:
        # a runner may try again: a transaction that timed out looks the same, and two publishers stop after a few rounds
        return TransientError(
            Text(
                "another publisher of this adapter and resource took over, or the transaction took too long.",
                "该资源已由同一适配器的另一发布进程接管, 或事务超时。",
            ),
            where=where,
            hint=Text("Run one publisher at a time.", "请同时只运行一个发布进程。"),
        )
    if cause.code() in _MISSING:
        return missing_topic(where)
    if cause.code() in _REFUSED:
        return ConfigError(Text(f"Kafka refuses access: {said}.", f"Kafka 拒绝访问: {said}。"), where=where)
    return TransientError(
        Text(f"the Kafka cluster did not take this: {said}.", f"Kafka 集群未能完成: {said}。"),
        where=where,
        hint=Text(
            "Run 'bus status', or check BUS_BOOTSTRAP_SERVERS.", "请运行 'bus status', 或检查 BUS_BOOTSTRAP_SERVERS。"
        ),
    )


def out_of_reach(error: KafkaException, servers: str | None) -> BusError:
    """For the first words with a cluster: nobody there is said as such, anything else as `as_ours` has it."""
    if error.args[0].code() not in _NOBODY:
        return as_ours(error, str(servers))
    return TransientError(
        Text("no Kafka broker answers there.", "该地址没有 Kafka 应答。"),
        where=servers,
        hint=Text(
            "Run 'bus status', or check BUS_BOOTSTRAP_SERVERS and the security settings.",
            "请运行 'bus status', 或检查 BUS_BOOTSTRAP_SERVERS 与安全设置。",
        ),
    )


def missing_topic(topic: str) -> ConfigError:
    """A topic the resource needs is not there."""
    return ConfigError(
        Text("the topic does not exist.", "主题不存在。"),
        where=topic,
        hint=Text("Apply the contract first: bus apply -f CONTRACT.avsc", "请先应用契约: bus apply -f CONTRACT.avsc"),
    )
