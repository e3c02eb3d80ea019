"""The control log `bus.grants` as Kafka holds it: reading it to an epoch, waiting for news, appending a decision.

The log is complete or it is nothing. A log that does not begin at offset 0, that has become shorter, or that holds an
entry this version cannot read stops its reader (PermanentError), because every guess about what is missing could release.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic

from infra.runtime.kafka import admin, await_topics, begin_transactions, consumer_config, producer_config
from infra.runtime.settings import Settings
from schemas.errors import PermanentError, TransientError
from schemas.ids import POLICY_TOPIC
from schemas.policy_log import Event, PolicyState, decode, encode
from schemas.text import Text

CONTROL_TRANSACTION = "bus.control"
"""transactional.id of whoever changes the log: the newest command fences every earlier one that is still running."""

READ_TIMEOUT_S = 15.0
METADATA_TIMEOUT_S = 5.0
_COMMAND_WAIT_MS = 5
_TOPIC_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "compression.type": "zstd"}


class Overtaken(TransientError):
    """Another command changed the log first; nothing of this one was written."""

    def __init__(self) -> None:
        super().__init__(
            Text(
                "another command is changing grants at the same time and was faster; nothing was written.",
                "另一条命令正在同时修改授权并已抢先; 本次未写入任何内容。",
            ),
            where=POLICY_TOPIC,
            hint=Text("Run it again.", "请重新执行。"),
        )


def ensure_log(settings: Settings, asker: Consumer | None = None) -> None:
    """Create the log's topic if the cluster has none. TransientError if the cluster is out of reach.

    asker   who asks whether it is there (a client made for the question would cost another 50 ms)
    """
    client = None if asker else admin(settings)
    try:
        if _exists(asker or client):
            return
        client = client or admin(settings)
        client.create_topics([NewTopic(POLICY_TOPIC, 1, config=_TOPIC_CONFIG)])[POLICY_TOPIC].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise _unreachable(settings, error) from error
    assert client is not None
    await_topics(client, [POLICY_TOPIC])
    if asker is not None:
        _exists(asker)  # it remembers that there was none until it asks again


def _exists(asker: Any) -> bool:
    return POLICY_TOPIC in {
        name for name, topic in asker.list_topics(timeout=METADATA_TIMEOUT_S).topics.items() if topic.partitions
    }


class PolicyReader:
    """The log, read by a consumer of its own that belongs to no group. One thread at a time; close it when done.

    wait_ms   how long the broker holds a question when there is no news: short for a command that reads to the end and
              leaves, long for whoever follows (news comes at once either way)
    """

    def __init__(self, settings: Settings, *, wait_ms: int = 50) -> None:
        self._settings = settings
        self._consumer = Consumer(
            consumer_config(
                settings,
                "bus.control-log",  # never joined and never committed to; librdkafka insists on a name
                **{"auto.offset.reset": "error", "enable.partition.eof": True, "fetch.wait.max.ms": wait_ms},
            )
        )
        try:
            ensure_log(settings, self._consumer)
        except BaseException:
            self._consumer.close()
            raise
        self._consumer.assign([TopicPartition(POLICY_TOPIC, 0, 0)])
        self._state = PolicyState()
        self._next = 0
        """Everything before this offset has been folded in or is known to be a transaction marker."""

    @property
    def state(self) -> PolicyState:
        """The state as last read."""
        return self._state

    def read_to_end(self, at_least: int = -1, timeout_s: float = READ_TIMEOUT_S) -> PolicyState:
        """The state with everything committed by now, and at least up to the epoch `at_least`.

        Raises TransientError if that cannot be reached within `timeout_s` seconds, PermanentError if the log is not whole.
        """
        deadline = time.monotonic() + timeout_s
        end = self._end(timeout_s)
        while self._next < end or self._state.epoch < at_least:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TransientError(
                    Text(
                        f"the control log was read to offset {self._next}, but {max(end, at_least + 1)} is needed.",
                        f"控制日志仅读到位点 {self._next}, 需要到 {max(end, at_least + 1)}。",
                    ),
                    where=POLICY_TOPIC,
                )
            self._take(min(left, 0.2))
        return self._state

    def poll(self, timeout_s: float) -> PolicyState:
        """Wait up to `timeout_s` seconds (0: not at all) for news; the state with all that have arrived.

        The same object comes back while there is none. Raises PermanentError if the log is not whole.
        """
        deadline = time.monotonic() + timeout_s
        before = self._state.epoch
        while True:
            left = deadline - time.monotonic()
            found = self._take(max(left, 0.0))
            if (not found and left <= 0) or (self._state.epoch > before and not self._take(0.0)):
                return self._state

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def __enter__(self) -> PolicyReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _end(self, timeout_s: float) -> int:
        """The offset after the last committed entry; PermanentError if the log has lost either end."""
        place = TopicPartition(POLICY_TOPIC, 0)
        try:
            begin, end = self._consumer.get_watermark_offsets(place, timeout=max(timeout_s, 0.1), cached=False)
        except KafkaException as error:
            raise _unreachable(self._settings, error) from error
        if begin > 0 or end < self._next:
            raise _not_whole(f"it begins at {begin}, ends at {end} and was read to {self._next}")
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
                raise _not_whole(f"offset {offset} came after {self._next}")
            self._state = self._state.after(offset, decode(message.value(), offset))
            self._next = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self._next = max(self._next, offset or 0)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise _not_whole(f"offset {self._next} is gone")
        elif error.fatal() or error.code() in _REFUSED:
            raise PermanentError(
                Text(f"the control log cannot be read: {error.str()}.", f"无法读取控制日志: {error.str()}。"),
                where=POLICY_TOPIC,
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


class ControlLog:
    """One command's turn at the log: `with ControlLog(settings) as log`, decide from `log.state`, `log.append(events)`.

    Entering fences every command before it and then reads to the end, so a decision is never based on an old state: of
    two concurrent commands the later one wins and the other's `append` raises `Overtaken` and writes nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> ControlLog:
        # made first: it connects while the reader asks for the topic
        self._producer = Producer(producer_config(self._settings, CONTROL_TRANSACTION, **{"linger.ms": 0}))
        self._reader = PolicyReader(self._settings, wait_ms=_COMMAND_WAIT_MS)
        try:
            begin_transactions(self._producer, READ_TIMEOUT_S, POLICY_TOPIC)
            self._reader.read_to_end()
        except KafkaException as error:
            self._reader.close()
            raise _unreachable(self._settings, error) from error
        except BaseException:
            self._reader.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._reader.close()

    @property
    def state(self) -> PolicyState:
        """The state the decision is based on; after `append`, with the decision."""
        return self._reader.state

    def append(self, events: Sequence[Event]) -> list[int]:
        """Write all of `events` or none; their offsets, once every reader can see them.

        Raises Overtaken if another command entered since, TransientError if the cluster is out of reach.
        """
        if not events:
            return []
        offsets: list[int] = []
        failed: list[KafkaError] = []

        def landed(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(error)
            elif (offset := message.offset()) is not None:
                offsets.append(offset)

        try:
            self._producer.begin_transaction()
            for event in events:
                self._producer.produce(POLICY_TOPIC, encode(event), b"", partition=0, on_delivery=landed)
            self._producer.commit_transaction(READ_TIMEOUT_S)
        except KafkaException as error:
            self._abort()
            raise self._lost(error.args[0]) from error
        if failed or len(offsets) != len(events):
            raise self._lost(failed[0] if failed else KafkaError(KafkaError._FAIL))
        self._reader.read_to_end(at_least=max(offsets))
        return offsets

    def _abort(self) -> None:
        with suppress(KafkaException):  # a fenced producer has nothing left to abort
            self._producer.abort_transaction(5.0)

    def _lost(self, error: KafkaError) -> TransientError:
        if error.code() in _FENCED:
            return Overtaken()
        return _unreachable(self._settings, KafkaException(error))


_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)


def append(settings: Settings, events: Sequence[Event]) -> list[int]:
    """Write `events` whatever the state is, all or none; their offsets. Decisions that read the state use ControlLog."""
    with ControlLog(settings) as log:
        return log.append(events)


def _unreachable(settings: Settings, error: KafkaException) -> TransientError:
    return TransientError(
        Text(
            f"the Kafka cluster does not answer: {error.args[0].str()}.", f"Kafka 集群无响应: {error.args[0].str()}。"
        ),
        where=settings.bootstrap_servers,
        hint=Text(
            "Run 'bus status', or check BUS_BOOTSTRAP_SERVERS.", "请运行 'bus status', 或检查 BUS_BOOTSTRAP_SERVERS。"
        ),
    )


def _not_whole(why: str) -> PermanentError:
    return PermanentError(
        Text(f"the control log is not whole: {why}; nothing is released.", f"控制日志不完整: {why}; 停止一切放行。"),
        where=POLICY_TOPIC,
        hint=Text("Restore the log; it must be kept from offset 0.", "请恢复该日志; 须自位点 0 起完整保留。"),
    )
