"""A grant under question: the records that are asked about, and each time one of them was judged for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from infra.control.explaining import evidence
from infra.control.explaining.again import Known, Made, Verdicts, judge_again, known, release_times
from infra.control.explaining.facts import DELIVERY, WORDS, Explained, Place
from infra.control.explaining.records import Records
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.evidence import CATCHING_UP, NOT_STARTED, Stretch
from schemas.grant import MaskUse
from schemas.ids import source_topic
from schemas.key_ring import KeyRing
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy import Suspension

_NEWEST = 20
_WRITTEN_MS = 60_000

Told = Callable[[Text], None]


@dataclass(slots=True)
class Case:
    """A grant under question, and what is read for it."""

    settings: Settings
    records: Records
    registry: Registry
    ring: KeyRing | None
    newest: GrantInForce
    now: PolicyState

    @property
    def topic(self) -> str:
        return source_topic(self.newest.grant.resource)

    # -- which records

    def record(self, place: Place) -> Message:
        """The record at a place of the source topic."""
        for message in self.records.read(self.topic, place.partition, place.offset, place.offset + 1):
            return message
        raise ConfigError(
            Text(
                "no record is at this offset: it was compacted away, or is a transaction's marker, or has yet to come.",
                "该位点没有记录: 已被压缩清除, 或为事务标记, 或尚未写入。",
            ),
            where=f"{self.topic} {place.partition}:{place.offset}",
        )

    def with_key(self, key: bytes, limit: int, told: Told) -> Sequence[Message]:
        """The newest records of a raw key among the last `limit` of each partition."""
        found: deque[Message] = deque(maxlen=_NEWEST)
        for partition in range(self.records.partitions(self.topic)):
            low, high = self.records.bounds(self.topic, partition)
            begin = max(low, high - limit)
            told(
                Text(
                    f"searching {high - begin:,} offsets of {self.topic}[{partition}]",
                    f"正在检索 {self.topic}[{partition}] 的 {high - begin:,} 个位点",
                )
            )
            found.extend(m for m in self.records.read(self.topic, partition, begin, high) if m.key() == key)
        return sorted(found, key=lambda m: (m.partition() or 0, m.offset() or 0))

    # -- what happened to them

    def of_record(self, message: Message) -> list[Explained]:
        """Each time a record was judged for the grant."""
        place = Place(message.partition() or 0, message.offset() or 0)
        found = evidence.of_record(self.records, self.topic, place.partition, place.offset, message.timestamp()[1])
        mine = [s for s in found if s.history is None or self.newest.grant.id in s.history]
        if not mine:
            return [self._fact(place, "not_judged", generation=self.newest.generation)]
        states = evidence.states(self.settings, {s.epoch for s in mine})
        return [self._judged(place, s, states[s.epoch]) for s in mine]

    def of_event(self, at: Place) -> list[Explained]:
        """Of which record an event in the grant's topic was made, and how. The newest generation's topic is meant."""
        event = next(self.records.read(self.newest.topic, at.partition, at.offset, at.offset + 1), None)
        if event is None or event.value() is None:
            raise ConfigError(
                Text("no event is at this offset of the grant's topic.", "授权主题的该位点没有事件。"),
                where=f"{self.newest.topic} {at.partition}:{at.offset}",
            )
        near = evidence.near(self.records, self.topic, at.partition, event.timestamp()[1])
        states = evidence.states(self.settings, {s.epoch for s in near})
        for stretch in near:
            about, verdicts = self._again(stretch, states[stretch.epoch])
            if about is None or verdicts is None:
                continue
            for source in dict.fromkeys(m.offset for m in verdicts.made if m.key == event.key()):
                if at.offset in (self._offsets(about, stretch, verdicts, source) or ()):
                    return [self._judged(Place(at.partition, source), stretch, states[stretch.epoch])]
        raise ConfigError(
            Text(
                "no evidence says of which record this event was made"
                + ("." if self.ring else "; the master keys are not held here, and its key may be a token."),
                "没有处理记录说明该事件由哪条记录生成"
                + ("。" if self.ring else "; 本机未持有主密钥, 其主键可能为令牌。"),
            ),
            where=f"{self.newest.topic} {at.partition}:{at.offset}",
        )

    def _judged(self, place: Place, stretch: Stretch, state: PolicyState) -> Explained:
        """One judgement of one record."""
        when: dict[str, Any] = {"epoch": stretch.epoch, "at": stretch.at, "history": stretch.history is not None}
        grant = state.grants.get(self.newest.grant.id)
        if grant is None:
            return self._fact(place, "not_opened", **when)
        when["generation"], when["topic"] = grant.generation, grant.topic
        if grant.ended is not None:
            return self._fact(place, "ended", ended_epoch=grant.ended, end_reason=grant.end_reason, **when)
        when["active"] = True
        when["where"] = grant.grant.where
        when["masks"] = {path: _mask(use) for path, use in grant.grant.fields.items()}
        why = stretch.withheld.get(grant.grant.id)
        if why in (CATCHING_UP, NOT_STARTED):
            return self._fact(place, why, **when)
        about, verdicts = self._again(stretch, state)
        if why is not None or about is None or verdicts is None:
            return self._fact(place, "withheld", reason=why or "not_in_force", **when)
        return self._outcome(place, stretch, about, verdicts, when)

    def _outcome(
        self, place: Place, stretch: Stretch, about: Known, verdicts: Verdicts, when: dict[str, Any]
    ) -> Explained:
        grant, offset = about.grant.grant.id, place.offset
        left = evidence.letter(self.records, stretch, offset, grant)
        if left is not None:
            return self._fact(place, "failed", dead_letter=left[0], reason=left[1], **when)
        word = verdicts.outcome.get(offset, "not_judged")
        if word != "emitted":
            inside = {"filtered": False, "unchanged": True}.get(word)
            return self._fact(place, word, reason=verdicts.reason.get(offset), in_filter=inside, **when)
        made = [m for m in verdicts.made if m.offset == offset]
        offsets = self._offsets(about, stretch, verdicts, offset)
        inside = True if any(m.op != "d" for m in made) else None
        note = None if offsets is not None else _NOT_FOUND if about.own_keys else _NO_KEYS
        return self._fact(place, word, in_filter=inside, offsets=offsets, note=note, delivery=DELIVERY, **when)

    def _again(self, stretch: Stretch, state: PolicyState) -> tuple[Known | None, Verdicts | None]:
        grant = state.grants.get(self.newest.grant.id)
        about = None if grant is None or grant.ended is not None else known(state, grant, self.ring)
        if about is None or isinstance(about, Suspension):
            return None, None
        messages = list(self.records.read(self.topic, stretch.partition, stretch.begin, stretch.end))
        return about, judge_again(about, self.registry, messages, stretch.at, stretch.history is not None)

    def _offsets(self, about: Known, stretch: Stretch, verdicts: Verdicts, source: int) -> tuple[int, ...] | None:
        """Where in the grant's topic the events of a record stand. Events of one key and moment follow each other there as
        they do here; where their numbers differ, or are none, nothing is claimed."""
        own = {m.key for m in verdicts.made if m.offset == source}
        here = [m for m in verdicts.made if m.key in own]
        there = list(self._released(about, stretch, own, {m.released_at for m in here}))
        if [(m.key, m.released_at) for m in here] != [(m.key, m.released_at) for m in there]:
            return None
        return tuple(t.offset for h, t in zip(here, there, strict=True) if h.offset == source)

    def _released(self, about: Known, stretch: Stretch, keys: set[bytes], moments: set[int]) -> Iterator[Made]:
        """The events of some view keys and moments that the grant's topic has of a stretch."""
        topic, partition = about.grant.topic, stretch.partition
        begin = self.records.since(topic, partition, stretch.at - _WRITTEN_MS)
        found = []
        for message in self.records.read(topic, partition, begin, self.records.bounds(topic, partition)[1]):
            if message.timestamp()[1] > stretch.at + _WRITTEN_MS:
                break
            if message.key() in keys and message.value() is not None:
                found.append(message)
        times = release_times(about, [m.value() or b"" for m in found]) if found else []
        for message, at in zip(found, times, strict=False):
            if at in moments:
                yield Made(message.offset() or 0, bytes(message.key() or b""), "", at)

    def _fact(self, place: Place, outcome: str, **more: Any) -> Explained:
        grant = self.newest.grant
        return Explained(grant.id, grant.resource, place, outcome, WORDS[outcome], **more)


_NOT_FOUND = Text(
    "its place in the grant's topic is not certain: it was compacted away, or others of its key were released with it",
    "其在授权主题中的位点无法确定: 已被压缩清除, 或同一主键另有事件同时放行",
)
_NO_KEYS = Text(
    "its place in the grant's topic cannot be told without the master keys, by which its key is made",
    "其主键由主密钥生成, 未持有主密钥, 无法定位其在授权主题中的位点",
)


def _mask(use: MaskUse) -> str:
    """A mask with its parameters, as people write it."""
    return " ".join([use.mask, *(f"{name}={value}" for name, value in use.params.items())])
