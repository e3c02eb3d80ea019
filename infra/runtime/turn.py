"""One command's turn at a log that many commands change: decided from the log's end, then written in one transaction or not
at all, and only if no other command came in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra.runtime.kafka import TRANSACTION_TIMEOUT_MS, begin_transactions, producer_config
from infra.runtime.log import METADATA_TIMEOUT_S, READ_TIMEOUT_S, LogReader, unreachable
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.text import Text

_ABORT_S = 5.0
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)
Beside = Callable[[Sequence[int]], Iterable[tuple[str, bytes]]]
"""What else belongs to the same transaction (topic, value; partition 0), once the offsets in the log are known."""


class Overtaken(TransientError):
    """Another command changed the log first; nothing of this one was written."""

    def __init__(self, topic: str) -> None:
        super().__init__(
            Text(
                "another command is making changes at the same time and was faster; nothing was written.",
                "另一条命令正在同时修改并已抢先; 本次未写入任何内容。",
            ),
            where=topic,
            hint=Text("Run it again.", "请重新执行。"),
        )


class Turn:
    """A turn at the log `topic`.

    transaction   the transactional.id all commands that change this log use: taking a turn fences whoever had one
    timeout_ms    how long a command that dies in mid-write may hold readers back
    """

    def __init__(
        self, settings: Settings, topic: str, transaction: str, *, timeout_ms: int = TRANSACTION_TIMEOUT_MS
    ) -> None:
        self._settings, self._topic, self._timeout_s = settings, topic, max(timeout_ms / 1000, READ_TIMEOUT_S)
        more = {"linger.ms": 0, "transaction.timeout.ms": timeout_ms, "message.timeout.ms": timeout_ms}
        self._producer = Producer(producer_config(settings, transaction, **more))
        self._over = False

    def take(self) -> None:
        """Fence every command before this one. What is read of the log after this is what the decision may rest on.

        Raises TransientError if the cluster is out of reach.
        """
        try:
            begin_transactions(self._producer, READ_TIMEOUT_S, self._topic)
        except KafkaException as error:
            raise unreachable(self._settings, error) from error

    def there(self, topic: str) -> bool:
        """Whether the cluster has a topic that this command may write."""
        return self._producer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic].error is None

    def write(
        self, values: Sequence[bytes], beside: Beside | None = None, told: Callable[[int], None] = lambda landed: None
    ) -> list[int]:
        """Write all of `values` and what belongs beside them, or none; the offsets of `values`.

        told   called for every value the broker has taken, with how many that are
        Raises Overtaken if another command took a turn since, TransientError if the cluster is out of reach.
        """
        if self._over:
            raise Overtaken(self._topic)
        offsets: list[int] = []
        failed: list[KafkaError] = []

        def landed(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(error)
            elif (offset := message.offset()) is not None:
                offsets.append(offset)
                told(len(offsets))

        try:
            self._producer.begin_transaction()
            for value in values:
                self._producer.produce(self._topic, value, b"", partition=0, on_delivery=landed)
                self._producer.poll(0)
            if beside is not None:
                self._producer.flush(self._timeout_s)
                if not failed and len(offsets) == len(values):
                    self._also(beside(offsets), failed)
            self._producer.commit_transaction(self._timeout_s)
        except KafkaException as error:
            return self._not_committed(error, offsets, len(values))
        if failed or len(offsets) != len(values):
            raise self._lost(failed[0] if failed else KafkaError(KafkaError._FAIL))
        return offsets

    def _also(self, more: Iterable[tuple[str, bytes]], failed: list[KafkaError]) -> None:
        def landed(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        for topic, value in more:
            self._producer.produce(topic, value, b"", partition=0, on_delivery=landed)

    def _not_committed(self, error: KafkaException, offsets: list[int], wanted: int) -> list[int]:
        self._over = True
        with suppress(KafkaException):  # a fenced producer has nothing left to abort
            self._producer.abort_transaction(_ABORT_S)
        cause = error.args[0]
        if cause.code() != KafkaError.UNKNOWN:
            raise self._lost(cause) from error
        if len(offsets) == wanted and offsets and self._stands(offsets[0]):
            return offsets
        raise Overtaken(self._topic) from error

    def _stands(self, offset: int) -> bool:
        """Whether what was written at `offset` was committed. A broker that is asked for a commit while it fences the one who
        asks answers "unknown", having done either; the log knows.
        """

        def fold(seen: bool, at: int, _time: int, _value: bytes | None) -> bool:
            return seen or at == offset

        with closing(LogReader(self._settings, self._topic, False, fold, at=offset, wait_ms=5)) as reader:
            return reader.read_to_end(at_least=offset)

    def _lost(self, error: KafkaError) -> TransientError:
        if error.code() in _FENCED:
            return Overtaken(self._topic)
        return unreachable(self._settings, KafkaException(error))
