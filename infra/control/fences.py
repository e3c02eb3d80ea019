"""Where access ended: proof that no worker can release any more, and the offsets at that moment (DESIGN 4.5).

A worker commits, with its offsets, a text `{"e": epoch, "t": transactional.id}` for every partition it owns, also when it
has nothing to write. A partition is past an epoch when that text says so. Where nobody answers in time, the announced
transactional.id is taken over (`init_transactions`): the broker aborts what the silent worker had open and refuses its
next commit; whoever owns the partition then reads the control log to its end first.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from infra.control.facts import Fence
from infra.control.purge import Before, everything, purge
from infra.control.topics import refused
from infra.control.workers import Place, Worker, observe
from infra.runtime.kafka import admin, begin_transactions, producer_config
from infra.runtime.log import READ_TIMEOUT_S
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from infra.runtime.turn import Overtaken
from infra.security.follow import guarded
from infra.security.reconcile import withdraw
from schemas.errors import TransientError
from schemas.ids import POLICY_TOPIC, source_topic
from schemas.policy_log import Event, GrantFenced
from schemas.policy_state import GrantInForce
from schemas.text import Text

SILENCE_S = 3.0
"""A worker that has not answered for so long is shut out."""

GIVE_UP_S = 12.0
_LOOK_EVERY_S = 0.02
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client's own gap
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Ending:
    """A generation of a grant that ended at `epoch`; its source has `partitions` partitions.

    unread   topics that nobody may read any more therefore, with their partitions (`purge.unread`)
    """

    grant: GrantInForce
    resource: str
    partitions: int
    epoch: int
    unread: Mapping[str, int] = field(default_factory=dict)

    @property
    def written(self) -> range:
        """Partitions of the grant's topic: as many as its source has, or had when it was still there."""
        return range(self.unread.get(self.grant.topic, self.partitions))


def fence_all(
    settings: Settings,
    endings: Sequence[Ending],
    *,
    started: float,
    now_ms: int,
    client: AdminClient | None = None,
    log: ControlLog | None = None,
) -> list[Fence]:
    """The fences of `endings`, written to the control log once no worker can release under any of them. Nobody may read their
    topics any more either: the broker is told at once, and asked whether it has done so when the fences are written. What
    nobody may read any more is purged, at once and once more up to the fences, before these are written: where a fence
    stands in the log, nothing before it is left.

    started   `time.monotonic()` when the command began, for the milliseconds reported
    client    connected already (`prepare`), if there is one
    log       the command's turn at the log, if it is still in it
    Raises TransientError if a worker neither answers nor can be shut out, and what `purge` raises; the grants have ended
    nonetheless, and asking again completes the fences. Raises what `withdraw` raises once the fences are written.
    """
    if not endings:
        return []
    client = client or admin(settings)
    readers_gone = withdraw(client, [e.grant.topic for e in endings]) if guarded(settings) else None
    whole: Before = {}
    for e in endings:
        whole |= everything(e.unread)
    purge(client, whole)  # who is parked at the broker gets nothing of it, however long the fences take
    places: dict[Place, int] = {}
    for e in endings:
        for p in range(e.partitions):
            place = Place(source_topic(e.resource), p)
            places[place] = max(places.get(place, -1), e.epoch)
    shut = _Wait(settings, client, places).run()
    milliseconds = (time.monotonic() - started) * 1000
    offsets = _end_offsets(client, [(e.grant.topic, p) for e in endings for p in e.written])
    purged = purge(client, {place: offsets.get(place, all_of_it) for place, all_of_it in whole.items()})
    fences = [
        Fence(
            grant=e.grant.grant.id,
            generation=e.grant.generation,
            topic=e.grant.topic,
            epoch=e.epoch,
            offsets={p: offsets[e.grant.topic, p] for p in e.written if (e.grant.topic, p) in offsets},
            milliseconds=round(milliseconds, 1),
            fenced_out=shut,
        )
        for e in endings
    ]
    purged()
    insist(settings, [_evidence(f, now_ms) for f in fences], log)
    if readers_gone is not None:
        readers_gone()
    return fences


def behind(client: AdminClient, places: dict[Place, int]) -> list[Place]:
    """The places where a worker may still work under an epoch before the given one. Does not wait."""
    return [p for p, _ in _behind(client, places, ())]


def insist(settings: Settings, events: Sequence[Event], log: ControlLog | None = None) -> list[int]:
    """Append `events` whoever else is changing the log: ends of access take precedence, the other command runs again.

    log   tried first: a turn at the log that was opened earlier costs nothing, if nobody has taken another since
    """
    if log is not None:
        with suppress(Overtaken):
            return log.append(events)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with ControlLog(settings) as log:
                return log.append(events)
        except Overtaken:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


@dataclass(slots=True)
class _Wait:
    """Waiting until every place is past its epoch, shutting out who stays silent."""

    settings: Settings
    client: AdminClient
    places: dict[Place, int]
    shut: dict[str, None] = field(default_factory=dict)

    def run(self) -> tuple[str, ...]:
        """The transactional.ids shut out."""
        began = time.monotonic()
        while waiting := list(_behind(self.client, self.places, self.shut)):
            waited = time.monotonic() - began
            if waited > GIVE_UP_S:
                raise _unanswered([place for place, _ in waiting])
            for _, worker in waiting:
                if worker.transaction is not None and (worker.gone or waited > SILENCE_S):
                    self._shut_out(worker.transaction)
            time.sleep(_LOOK_EVERY_S)
        return tuple(self.shut)

    def _shut_out(self, transaction: str) -> None:
        if transaction in self.shut:
            return
        try:
            begin_transactions(Producer(producer_config(self.settings, transaction)), READ_TIMEOUT_S, POLICY_TOPIC)
        except KafkaException as error:
            raise refused(error, transaction) from error
        self.shut[transaction] = None


def _behind(client: AdminClient, places: dict[Place, int], shut: Collection[str]) -> Iterator[tuple[Place, Worker]]:
    for place, worker in observe(client, list(places)).items():
        if worker.epoch >= places[place] or worker.transaction in shut or worker.nobody:
            continue
        yield place, worker


def _end_offsets(client: AdminClient, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Ends as written, not as committed: a commit's marker may still be on its way to this topic. No entry: no topic."""
    spec = {TopicPartition(topic, p): _LATEST for topic, p in places}
    answers = client.list_offsets(spec, isolation_level=IsolationLevel.READ_UNCOMMITTED)
    out: dict[tuple[str, int], int] = {}
    for place, answer in answers.items():
        try:
            out[place.topic, place.partition] = answer.result().offset
        except KafkaException as error:
            if error.args[0].code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
                raise refused(error, place.topic) from error
    return out


def _evidence(fence: Fence, now_ms: int) -> GrantFenced:
    return GrantFenced(
        grant=fence.grant, generation=fence.generation, topic=fence.topic, offsets=fence.offsets, at=now_ms
    )


def _unanswered(places: Sequence[Place]) -> TransientError:
    names = ", ".join(f"{p.topic}[{p.partition}]" for p in places[:3])
    return TransientError(
        Text(
            f"the grant has ended in the control log, but the worker of {names} has not confirmed it yet.",
            f"授权已在控制日志中终止, 但 {names} 的工作进程尚未确认。",
        ),
        hint=Text("Run the command again to complete the fence.", "请重新执行该命令以完成止点。"),
    )
