"""What librdkafka reports while a grant's topic is read, as our errors. It mends connections itself; the rest is here."""

from __future__ import annotations

from confluent_kafka import KafkaError

from schemas.errors import BusError, PermanentError, TransientError
from schemas.text import Text

_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
_OUT_OF_RANGE = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)
_REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
)


class Refused(PermanentError):
    """The broker does not let us read: the grant has ended, or was never ours."""


class OutOfRange(PermanentError):
    """The records after the position held are gone: purged because the grant has ended, or lost."""


def as_ours(error: KafkaError, where: str) -> BusError:
    """PermanentError for a topic that is gone, records that are gone, and refused access; else TransientError."""
    code = error.code()
    if code in _GONE:
        return gone(where)
    if code in _OUT_OF_RANGE:
        return out_of_range(where)
    if code in _REFUSED:
        return Refused(
            Text("the cluster refuses access to this topic.", "集群拒绝访问该主题。"),
            where=where,
            hint=Text("Check the credentials and the grant's subscriber.", "请检查凭据及授权对象。"),
        )
    kind = PermanentError if error.fatal() else TransientError
    return kind(Text(f"Kafka: {error.name()}.", f"Kafka 错误: {error.name()}。"), where=where)


def gone(where: str) -> PermanentError:
    """The grant's topic is not there."""
    return PermanentError(
        Text("the grant's topic does not exist (any more).", "该授权的主题不存在(或已删除)。"),
        where=where,
        hint=Text(
            "The topic of a grant that has ended is removed after a while; then nothing more will come.",
            "授权结束一段时间后其主题会被删除, 此后不再有数据。",
        ),
    )


def out_of_range(where: str) -> OutOfRange:
    """The position held lies outside what the topic still has."""
    return OutOfRange(
        Text(
            "the records after the position held are no longer in the topic; reading on would leave a gap.",
            "已保存位点之后的记录在主题中已不存在; 继续读取会造成缺失。",
        ),
        where=where,
        hint=Text(
            "Deliver once with --rebuild, or ask for a new snapshot.", "请使用 --rebuild 重新投递, 或申请新的快照。"
        ),
    )
