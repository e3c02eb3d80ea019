"""The one transactional producer: outputs and source offsets in one transaction, or nothing at all (DESIGN 4.1, 4.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from infra.runtime.kafka import begin_transactions, producer_config
from infra.runtime.settings import Settings
from schemas.errors import PermanentError
from schemas.text import Text
from stream_apps.transport.unit import Place

INIT_TIMEOUT_S = 30.0
_MESSAGE_TIMEOUT_MS = 3_500
"""Before the broker's 5 s for a transaction: what cannot be written is given up while it still can be aborted."""
_COMMIT_TIMEOUT_S = 6.0
"""After both: a call that has timed out cannot be aborted any more, and the process has to end."""
CALL_S = _COMMIT_TIMEOUT_S + 4.0
"""A call that is out for longer than this hangs (`hang_watch`)."""
_REFUSALS = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
}
"""Answers that concern one topic and come again however often it is asked."""
_CHUNK = 50_000
_QUEUE = 400_000
"""Messages the producer may hold before more are added; its own limit is a million."""

Entry = dict[str, Any]
"""`{"key": bytes, "value": bytes | None}`; librdkafka adds `_error` to one it refuses."""


@dataclass(frozen=True, slots=True)
class Output:
    """Entries for one partition of one topic, in order."""

    topic: str
    partition: int
    entries: list[Entry]


class Aborted(Exception):
    """The transaction was aborted and nothing of it is visible; the work may be done again. `reason`: a word. `refused`:
    topics whose broker will not take what it was given, with a word each."""

    def __init__(self, reason: str, refused: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.reason, self.refused = reason, dict(refused or {})


class Outbox:
    """Owns the producer. One thread at a time (the exchange's lock)."""

    def __init__(self, settings: Settings, transaction: str) -> None:
        """Takes over `transaction`: whoever had it is fenced, and what it left open is aborted. Raises KafkaException."""
        self.transaction = transaction
        self.calling_since: float | None = None
        """When the call that is out now began (`time.monotonic`)."""
        self._refused: dict[str, str] = {}
        more = {
            "delivery.report.only.error": True,
            "on_delivery": self._failed,
            "linger.ms": 2,
            "message.timeout.ms": _MESSAGE_TIMEOUT_MS,
        }
        self._producer = Producer(producer_config(settings, transaction, **more))
        begin_transactions(self._producer, INIT_TIMEOUT_S)

    def commit(self, outputs: Sequence[Output], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """Everything in one transaction. `offsets`: offset to read next and metadata, for each place.

        Raises Aborted when nothing of it happened, PermanentError when the producer is lost and the process must end.
        """
        positions = [TopicPartition(p.topic, p.partition, at, metadata) for p, (at, metadata) in offsets.items()]
        self._refused.clear()
        self._producer.begin_transaction()
        try:
            for output in outputs:
                self._produce(output)
            with self._calling():
                self._producer.send_offsets_to_transaction(positions, group, _COMMIT_TIMEOUT_S)
            with self._calling():
                self._producer.commit_transaction(_COMMIT_TIMEOUT_S)
        except (KafkaException, BufferError, Aborted) as error:
            self._abort(error)
            raise Aborted(_word(error), self._refused) from error

    def close(self) -> None:
        """Nothing is open between commits, so nothing is lost."""
        self._producer.purge()

    def _failed(self, error: KafkaError, message: Message) -> None:
        """Told, inside calls of the producer, of each entry that was not written."""
        if error.code() in _REFUSALS and (topic := message.topic()) is not None:
            self._refused[topic] = error.name().lower()

    def _produce(self, output: Output) -> None:
        for start in range(0, len(output.entries), _CHUNK):
            chunk = output.entries if len(output.entries) <= _CHUNK else output.entries[start : start + _CHUNK]
            self._make_room()
            accepted = self._producer.produce_batch(output.topic, chunk, partition=output.partition)
            if accepted != len(chunk) or any("_error" in entry for entry in chunk):
                raise Aborted(_refusal(chunk))

    @contextmanager
    def _calling(self) -> Iterator[None]:
        self.calling_since = time.monotonic()
        try:
            yield
        finally:
            self.calling_since = None

    def _make_room(self) -> None:
        deadline = time.monotonic() + _COMMIT_TIMEOUT_S
        while len(self._producer) > _QUEUE:
            self._producer.poll(0.01)
            if time.monotonic() > deadline:
                raise Aborted("queue_full")

    def _abort(self, error: Exception) -> None:
        if isinstance(error, KafkaException) and error.args[0].fatal():
            raise _lost(error)
        try:
            with self._calling():
                self._producer.abort_transaction(_COMMIT_TIMEOUT_S)
        except KafkaException as again:
            raise _lost(again) from error


def _refusal(chunk: Sequence[Entry]) -> str:
    """The first refusal's name; the entries lose their marks, because they will be offered again."""
    errors = [entry.pop("_error") for entry in chunk if "_error" in entry]
    first = errors[0] if errors else None
    return first.name().lower() if isinstance(first, KafkaError) else "not_accepted"


def _word(error: Exception) -> str:
    if isinstance(error, Aborted):
        return error.reason
    return str(error.args[0].name()).lower() if isinstance(error, KafkaException) else "queue_full"


def _lost(error: KafkaException) -> PermanentError:
    answer: KafkaError = error.args[0]
    return PermanentError(
        Text(
            f"the producer is lost ({answer.name()}): another worker took its place, or its transaction could not be ended.",
            f"生产者已失效({answer.name()}): 已被其他进程取代, 或事务无法结束。",
        ),
        hint=Text("The supervisor starts a new process.", "由监管进程重新启动。"),
    )
