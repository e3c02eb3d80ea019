"""A log that is never thrown away: one partition, kept for ever, read from its beginning and folded into a state.

The log is complete or it is nothing. One that does not begin at offset 0, or that has become shorter than what was read,
stops its reader (PermanentError), because every guess about what is missing could release.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, TypeVar

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.cimpl import NewTopic

from infra.runtime.kafka import admin, await_topics, consumer_config
from infra.runtime.settings import Settings
from schemas.errors import ConfigError, PermanentError, TransientError
from schemas.text import Text

READ_TIMEOUT_S = 15.0
METADATA_TIMEOUT_S = 5.0
_MANY = 2_000
KEPT = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "compression.type": "zstd"}
"""Topic settings of a log."""
STAMPED = {**KEPT, "message.timestamp.type": "LogAppendTime"}
"""The same, where the broker's clock says when an entry was written, not its writer's."""

CONTROL_GROUP = "bus.control-log"
"""The name readers of the bus's own logs go by."""

S = TypeVar("S")
Fold = Callable[[S, int, int, bytes | None], S]
"""The state after an entry: state before, offset, time (milliseconds since 1970 UTC as the topic stamps it), value."""


class LogReader(Generic[S]):
    """A log read by a consumer of its own that belongs to no group. One thread at a time; close it when done.

    begin, at   the state to start from, and the offset of the next entry to fold into it (0: the log's beginning)
    fold        must raise PermanentError for an entry it cannot understand and may not pass over
    config      topic settings, should the topic have to be made
    group       the name it goes by, where the cluster asks; readers join none
    make        whether to make a topic that is not there; else that is a ConfigError
    wait_ms     how long the broker holds a question when there is no news: short for a command that reads to the end and
                leaves, long for whoever follows (news comes at once either way)
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        begin: S,
        fold: Fold[S],
        *,
        at: int = 0,
        config: Mapping[str, str] = KEPT,
        group: str = CONTROL_GROUP,
        make: bool = True,
        wait_ms: int = 50,
    ) -> None:
        self._settings, self._topic, self._state, self._fold_in = settings, topic, begin, fold
        self._consumer = Consumer(
            consumer_config(
                settings,
                group,  # never joined and never committed to; librdkafka insists on a name, and brokers that it be allowed
                **{"auto.offset.reset": "error", "enable.partition.eof": True, "fetch.wait.max.ms": wait_ms},
            )
        )
        try:
            ensure_log(settings, topic, config, self._consumer, make=make)
        except BaseException:
            self._consumer.close()
            raise
        self._consumer.assign([TopicPartition(topic, 0, at)])
        self._next = at
        """Everything before this offset has been folded in or is known to be a transaction marker."""
        self._folded = 0

    @property
    def state(self) -> S:
        """The state as last read."""
        return self._state

    @property
    def next_offset(self) -> int:
        """Everything before it has been folded in."""
        return self._next

    def read_to_end(self, at_least: int = -1, timeout_s: float = READ_TIMEOUT_S) -> S:
        """The state with everything committed by now, and at least with the entry at offset `at_least`.

        Raises TransientError if that cannot be reached within `timeout_s` seconds, PermanentError if the log is not whole.
        """
        deadline = time.monotonic() + timeout_s
        end = max(self._end(timeout_s), at_least + 1)
        with _growing(end - self._next):
            while self._next < end:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TransientError(
                        Text(
                            f"the control log was read to offset {self._next}, but {end} is needed.",
                            f"控制日志仅读到位点 {self._next}, 需要到 {end}。",
                        ),
                        where=self._topic,
                    )
                self._take(min(left, 0.2))
        return self._state

    def poll(self, timeout_s: float) -> S:
        """Wait up to `timeout_s` seconds (0: not at all) for news; the state with all that have arrived.

        The same object comes back while there is none. Raises PermanentError if the log is not whole.
        """
        deadline = time.monotonic() + timeout_s
        before = self._folded
        while True:
            left = deadline - time.monotonic()
            found = self._take(max(left, 0.0))
            if (not found and left <= 0) or (self._folded > before and not self._take(0.0)):
                return self._state

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def __enter__(self) -> LogReader[S]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _end(self, timeout_s: float) -> int:
        """The offset after the last committed entry; PermanentError if the log has lost either end."""
        place = TopicPartition(self._topic, 0)
        try:
            begin, end = self._consumer.get_watermark_offsets(place, timeout=max(timeout_s, 0.1), cached=False)
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        if begin > 0 or end < self._next:
            raise self._not_whole(f"it begins at {begin}, ends at {end} and was read to {self._next}")
        return int(end)

    def _take(self, timeout_s: float) -> bool:
        """Fold in what arrives within `timeout_s`; whether anything did."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return False
        self._fold(first)
        for message in self._consumer.consume(1000, 0):
            self._fold(message)
        return True

    def _fold(self, message: Message) -> None:
        error, offset = message.error(), message.offset()
        if error is None:
            if offset is None or offset < self._next:
                raise self._not_whole(f"offset {offset} came after {self._next}")
            self._state = self._fold_in(self._state, offset, _time_of(message), message.value())
            self._folded += 1
            self._next = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self._next = max(self._next, offset or 0)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._not_whole(f"offset {self._next} is gone")
        elif error.fatal() or error.code() in _REFUSED:
            raise PermanentError(
                Text(f"the control log cannot be read: {error.str()}.", f"无法读取控制日志: {error.str()}。"),
                where=self._topic,
            )

    def _not_whole(self, why: str) -> PermanentError:
        return PermanentError(
            Text(
                f"the control log is not whole: {why}; nothing is released.", f"控制日志不完整: {why}; 停止一切放行。"
            ),
            where=self._topic,
            hint=Text("Restore the log; it must be kept from offset 0.", "请恢复该日志; 须自位点 0 起完整保留。"),
        )


_REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
)


def ensure_log(
    settings: Settings,
    topic: str,
    config: Mapping[str, str] = KEPT,
    asker: Consumer | None = None,
    *,
    make: bool = True,
) -> None:
    """Create a log's topic if the cluster has none. TransientError if the cluster is out of reach, ConfigError if there is
    none that we may read and we may not (`make`) or cannot create it.

    asker   who asks whether it is there (a client made for the question would cost another 50 ms)
    """
    client = None if asker else admin(settings)
    try:
        if _exists(asker or client, topic):
            return
        if not make:
            raise _not_ours(topic)
        client = client or admin(settings)
        client.create_topics([NewTopic(topic, 1, config=dict(config))])[topic].result()
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            raise _not_ours(topic) from error
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise unreachable(settings, error) from error
    assert client is not None
    await_topics(client, [topic])
    if asker is not None:
        _exists(asker, topic)  # it remembers that there was none until it asks again


def _not_ours(topic: str) -> ConfigError:
    return ConfigError(
        Text("this log is not there, or not for us to read.", "该日志不存在, 或本用户无权读取。"),
        where=topic,
        hint=Text(
            "A department sets BUS_DEPARTMENT and its own credentials; its desk is made with its first contract or grant, "
            "or by 'bus acls --repair'.",
            "部门须设置 BUS_DEPARTMENT 及自身凭据; 其专用主题随首个契约或授权建立, 或由 'bus acls --repair' 建立。",
        ),
    )


@contextmanager
def _growing(entries: int) -> Iterator[None]:
    """While a state grows by many entries nobody looks for cycles in it: there are none, and to look again and again at all
    that was folded already made reading cost more than in proportion (a third more at 24,000 entries)."""
    if entries < _MANY or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def unreachable(settings: Settings, error: KafkaException) -> TransientError:
    """The cluster's answer as our error, for whoever reads or writes a log."""
    return TransientError(
        Text(
            f"the Kafka cluster does not answer: {error.args[0].str()}.", f"Kafka 集群无响应: {error.args[0].str()}。"
        ),
        where=settings.bootstrap_servers,
        hint=Text(
            "Run 'bus status', or check BUS_BOOTSTRAP_SERVERS.", "请运行 'bus status', 或检查 BUS_BOOTSTRAP_SERVERS。"
        ),
    )


def _exists(asker: Any, topic: str) -> bool:
    found = asker.list_topics(timeout=METADATA_TIMEOUT_S).topics
    return topic in found and bool(found[topic].partitions)


def _time_of(message: Message) -> int:
    kind, at = message.timestamp()
    return 0 if kind == TIMESTAMP_NOT_AVAILABLE else int(at)
