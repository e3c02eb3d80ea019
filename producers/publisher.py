"""The publisher: change events of one resource into Kafka, with the source's position, all of a batch or nothing."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Producer

from infra.runtime.kafka import producer_config
from infra.runtime.settings import Settings
from producers import telemetry
from producers.adapter import Batch, Rejection
from producers.check import RowCheck
from producers.encoding import EventEncoder, Message
from producers.kafka_errors import as_ours, missing_topic, out_of_reach
from producers.positions import QUICK, encode_position, position_key, read_position
from producers.quarantine import QuarantineFile, record
from schemas.change_event import ChangeEvent, Op
from schemas.codec.model import MAX_VALUE_BYTES
from schemas.contract import Contract
from schemas.errors import PermanentError, TransientError
from schemas.ids import positions_topic, publisher_transaction, quarantine_topic, source_topic
from schemas.text import Text

_LOOK_TIMEOUT_S = 5.0
_INIT_TIMEOUT_S = 15.0
_COMMIT_TIMEOUT_S = 10.0
_MAX_BYTES = MAX_VALUE_BYTES - 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that has passed the contract check and is encoded, but not yet in Kafka.

    accepted   the adapter's events that will be published
    rejected   the adapter's rejections and those of the check
    by_op      messages per operation: a key change counts as d and c
    """

    accepted: list[ChangeEvent]
    rejected: list[Rejection]
    by_op: dict[str, int]
    position: str
    messages: list[Message]
    published_at: int


class Publisher:
    """Publishes one resource for one adapter. One thread; a context manager; begins at the position it gives back.

    Opening it fences any earlier publisher of the same adapter and resource, ends what that one had begun, and reads the
    committed position. Then, per batch: `prepare` (pure but for the clock), `commit`.

    contract    judges every `after`; rows that break it are quarantined and the rest of the batch goes on
    schema_id   id under which the contract's change event schema is registered
    clock       milliseconds since 1970 UTC

    Raises ConfigError for a missing topic or refused access, PermanentError for values no schema can hold, TransientError
    for everything that may pass; after any error from `commit` the publisher is spent: close it and open a new one,
    whose `position` tells whether the batch was published.
    """

    def __init__(
        self,
        settings: Settings,
        adapter: str,
        contract: Contract,
        schema_id: int,
        *,
        clock: Callable[[], int],
        quarantine: QuarantineFile | None = None,
    ) -> None:
        self._adapter = adapter
        self._contract = contract
        self._clock = clock
        self._quarantine = quarantine
        self._check = RowCheck(contract)
        self._encoder = EventEncoder(contract, schema_id)
        self._topic = source_topic(contract.id)
        self._servers = settings.bootstrap_servers
        config = producer_config(settings, publisher_transaction(adapter, contract.id), **QUICK)
        self._producer = Producer(config)
        self._check_topics()
        try:
            self._producer.init_transactions(_INIT_TIMEOUT_S)
        except KafkaException as error:
            raise as_ours(error, self._topic) from error
        self.position = read_position(settings, adapter, contract)
        """The last committed position, or None."""

    def prepare(self, batch: Batch) -> Prepared:
        """The batch checked and encoded. Nothing is written."""
        faults, rejected = self._judged(batch)
        accepted = [(e, r) for n, (e, r) in enumerate(zip(batch.events, batch.rows, strict=True)) if n not in faults]
        parts = [split(e) for e, _ in accepted]
        now = self._clock()
        encoded = iter(self._encoder.messages([e for part in parts for e in part], now))
        kept: list[ChangeEvent] = []
        messages: list[Message] = []
        by_op: Counter[str] = Counter()
        for (event, row), part in zip(accepted, parts, strict=True):
            mine = [next(encoded) for _ in part]
            if any(len(m["value"]) + len(m["key"]) > _MAX_BYTES for m in mine):
                rejected.append(Rejection(row, None, "too_large"))
                continue
            kept.append(event)
            messages += mine
            for e in part:
                by_op[e.op.value] += 1
        return Prepared(kept, rejected, dict(by_op), batch.position, messages, now)

    def commit(self, prepared: Prepared) -> None:
        """Events, quarantine records and position in one transaction; returns when it is committed."""
        began = time.perf_counter()
        try:
            self._producer.begin_transaction()
            self._produce(self._topic, prepared.messages)
            self._produce(quarantine_topic(self._contract.id), self._quarantine_messages(prepared))
            self._produce(positions_topic(self._contract.id), [self._position_message(prepared)])
            self._finish()
        except KafkaException as error:
            self._abort()
            raise as_ours(error, self._topic) from error
        except (BufferError, TransientError) as error:
            self._abort()
            raise _full(self._topic) from error
        if self._quarantine is not None:
            self._quarantine.append(prepared.rejected, prepared.published_at)
        telemetry.published(
            self._contract.id,
            prepared.by_op,
            sum(len(m["value"]) for m in prepared.messages),
            Counter(r.reason for r in prepared.rejected),
            time.perf_counter() - began,
            prepared.position,
        )

    def close(self) -> None:
        """Drop what is not committed and give back the connections."""
        self._abort()
        self._producer.purge()
        self._producer.flush(1.0)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _check_topics(self) -> None:
        """ConfigError if one of ours is missing, PermanentError if the source topic has not the contract's partitions:
        another count would place the same keys elsewhere."""
        try:
            topics = self._producer.list_topics(timeout=_LOOK_TIMEOUT_S).topics
        except KafkaException as error:
            raise out_of_reach(error, self._servers) from error
        for name in (self._topic, quarantine_topic(self._contract.id), positions_topic(self._contract.id)):
            if name not in topics:
                raise missing_topic(name)
        found, declared = len(topics[self._topic].partitions), self._contract.resource.partitions
        if found != declared:
            raise PermanentError(
                Text(
                    f"the topic has {found} partitions, its contract says {declared}.",
                    f"主题有 {found} 个分区, 契约声明 {declared} 个。",
                ),
                where=self._topic,
                hint=Text("A resource's partitions never change; mend the contract.", "分区数终身不变; 请更正契约。"),
            )

    def _judged(self, batch: Batch) -> tuple[set[int], list[Rejection]]:
        rejected = list(batch.rejected)
        bad: set[int] = set()
        upserts = [(n, e.after) for n, e in enumerate(batch.events) if e.after is not None]
        faults = self._check.faults([row for _, row in upserts])
        for place, wrong in faults.items():
            n = upserts[place][0]
            bad.add(n)
            rejected += [Rejection(batch.rows[n], field, reason) for field, reason in wrong]
        return bad, rejected

    def _quarantine_messages(self, prepared: Prepared) -> list[Message]:
        return [
            {"key": self._adapter.encode(), "value": record(self._adapter, r, prepared.published_at)}
            for r in prepared.rejected
        ]

    def _position_message(self, prepared: Prepared) -> Message:
        key = position_key(self._adapter, self._contract.id)
        return {"key": key, "value": encode_position(prepared.position, prepared.published_at)}

    def _produce(self, topic: str, messages: Sequence[Message]) -> None:
        """No partition is named: librdkafka places keys by murmur2, the one function all publishers use."""
        if messages and self._producer.produce_batch(topic, list(messages)) != len(messages):
            raise _full(topic)

    def _finish(self) -> None:
        deadline = time.monotonic() + _COMMIT_TIMEOUT_S
        while True:
            try:
                self._producer.commit_transaction(_COMMIT_TIMEOUT_S)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if cause.retriable() and not cause.txn_requires_abort() and time.monotonic() < deadline:
                    continue
                raise
            return

    def _abort(self) -> None:
        with suppress(KafkaException):  # nothing open, or fenced: there is nothing left to abort
            self._producer.abort_transaction(5.0)


def split(event: ChangeEvent) -> list[ChangeEvent]:
    """A key change as d of the old key and c of the new one; any other event as it is."""
    if event.op is not Op.UPDATE or event.before is None or event.after is None:
        return [event]
    old = {k: event.before[k] for k in event.key}
    new = {k: event.after[k] for k in event.key}
    if old == new:
        return [event]
    other = hashlib.sha256(f"{event.event_id}\nc".encode()).hexdigest()[:32]
    return [
        replace(event, op=Op.DELETE, key=old, after=None),
        replace(event, op=Op.CREATE, key=new, before=None, event_id=other),
    ]


def _full(topic: str) -> TransientError:
    return TransientError(Text("the producer's queue is full.", "生产者队列已满。"), where=topic)
