"""The control log `bus.grants` as Kafka holds it: reading it to an epoch, waiting for news, appending a decision.

What `infra.runtime.log` says of logs holds; an entry that this version cannot read stops its reader too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from infra.runtime.desk import Copies, desks_kept
from infra.runtime.kafka import begin_transactions, producer_config
from infra.runtime.log import READ_TIMEOUT_S, LogReader, unreachable
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import POLICY_TOPIC
from schemas.policy_log import Event, PolicyState, decode, encode
from schemas.text import Text

CONTROL_TRANSACTION = "bus.control"
"""transactional.id of whoever changes the log: the newest command fences every earlier one that is still running."""

_COMMAND_WAIT_MS = 5


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


class PolicyReader(LogReader[PolicyState]):
    """The control log, followed. What `LogReader` says holds; the state's `epoch` is the offset of the last event in it."""

    def __init__(self, settings: Settings, *, begin: PolicyState | None = None, wait_ms: int = 50) -> None:
        known = begin or PolicyState()
        super().__init__(settings, POLICY_TOPIC, known, _fold, at=known.epoch + 1, wait_ms=wait_ms)

    def __enter__(self) -> PolicyReader:
        return self


def _fold(state: PolicyState, offset: int, _at_ms: int, value: bytes | None) -> PolicyState:
    return state.after(offset, decode(value, offset))


class ControlLog:
    """One command's turn at the log: `with ControlLog(settings) as log`, decide from `log.state`, `log.append(events)`.

    Entering fences every command before it and then reads to the end, so a decision is never based on an old state: of
    two concurrent commands the later one wins and the other's `append` raises `Overtaken` and writes nothing.

    desks   whether departments' desks are written along, in the same transaction; by default where the cluster is secured
    """

    def __init__(self, settings: Settings, *, desks: bool | None = None) -> None:
        self._settings = settings
        self._desks = desks_kept(settings) if desks is None else desks

    def __enter__(self) -> ControlLog:
        # made first: it connects while the reader asks for the topic
        self._producer = Producer(producer_config(self._settings, CONTROL_TRANSACTION, **{"linger.ms": 0}))
        self._reader = PolicyReader(self._settings, wait_ms=_COMMAND_WAIT_MS)
        try:
            begin_transactions(self._producer, READ_TIMEOUT_S, POLICY_TOPIC)
            self._reader.read_to_end()
        except KafkaException as error:
            self._reader.close()
            raise unreachable(self._settings, error) from error
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

    def append(self, events: Sequence[Event], schemas: Mapping[str, dict[str, Any]] | None = None) -> list[int]:
        """Write all of `events` or none; their offsets, once every reader can see them.

        schemas   view schemas by grant topic, for desks; what is not among them is asked of the registry
        Raises Overtaken if another command entered since, TransientError if the cluster is out of reach.
        """
        if not events:
            return []
        copies = None
        if self._desks:
            copies = Copies(self._settings, self.state, schemas or {})
            copies.prepare(events)
        return self._write(events, copies)

    def fill_desks(self, departments: Sequence[str]) -> int:
        """Make the desks of departments, and tell them what they lack; how many entries that was. Raises what `append` does."""
        copies = Copies(self._settings, self.state, {})
        copies.prepare([], departments)
        if copies.lacking:
            self._write([], copies)
        return len(copies.lacking)

    def _write(self, events: Sequence[Event], copies: Copies | None) -> list[int]:
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
            if copies is not None:
                self._producer.flush(READ_TIMEOUT_S)  # a desk's entry names the offset of what it is a copy of
                if not failed and len(offsets) == len(events):
                    self._copy(copies, events, offsets, failed)
            self._producer.commit_transaction(READ_TIMEOUT_S)
        except KafkaException as error:
            self._abort()
            raise self._lost(error.args[0]) from error
        if failed or len(offsets) != len(events):
            raise self._lost(failed[0] if failed else KafkaError(KafkaError._FAIL))
        if offsets:
            self._reader.read_to_end(at_least=max(offsets))
        return offsets

    def _copy(self, copies: Copies, events: Sequence[Event], offsets: Sequence[int], failed: list[KafkaError]) -> None:
        def landed(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failed.append(error)

        for topic, value in copies.records(events, offsets, self._producer):
            self._producer.produce(topic, value, b"", partition=0, on_delivery=landed)

    def _abort(self) -> None:
        with suppress(KafkaException):  # a fenced producer has nothing left to abort
            self._producer.abort_transaction(5.0)

    def _lost(self, error: KafkaError) -> TransientError:
        if error.code() in _FENCED:
            return Overtaken()
        return unreachable(self._settings, KafkaException(error))


_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)


def append(settings: Settings, events: Sequence[Event]) -> list[int]:
    """Write `events` whatever the state is, all or none; their offsets. Decisions that read the state use ControlLog."""
    with ControlLog(settings) as log:
        return log.append(events)
