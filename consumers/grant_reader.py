"""One grant's topic as batches of view events, for the runner of deliveries and for the subscriber library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from confluent_kafka import Message

from consumers.absence import Absence, AwayTooLong
from consumers.column_records import events_by_partition
from consumers.control import GrantWatch
from consumers.events import Batch, Step, Tombstone, Unread, ViewEvent
from consumers.grant_end import GrantEnd
from consumers.kafka_errors import OutOfRange, Refused
from consumers.topic import GrantTopic, records_before
from consumers.view import View, view_of
from consumers.view_codec import Unreadable, ViewDecoder
from infra.runtime.settings import Settings
from schemas.errors import PermanentError
from schemas.policy_state import GrantInForce
from schemas.text import Text

MAX_RECORDS = 10_000
"""Records of a batch, when behind."""
LINGER_S = 0.004
"""How long a batch waits for company once it has a record."""
SETTLE_S = 1.0
"""Positions that only pass transaction markers are told after this long without a record."""
ABSENCE_S = 30.0
"""How often a reader that is behind asks whether it has been for too long."""
IDENTITY_S = 5.0
"""How often the topic is asked whether it is still the same one."""
FENCE_S = 5.0
"""How long a reader that the broker refuses already waits for the fence, to know whether it has read everything before it."""


@dataclass(frozen=True, slots=True)
class _Barred:
    """The broker gives nothing any more. `until`: how long to wait for the fence; `handed_out`: positions up to here."""

    until: float
    handed_out: Mapping[int, int]


class GrantReader:
    """Reads one generation of a grant, all partitions, committed records only. One thread at a time; close it when done.

    Positions are the reader's affair: `start` takes those it holds (none: from the beginning), every batch tells from
    where to where it goes, and nothing is committed to Kafka. When the grant has ended, nothing is handed out any more;
    once its fence is known, iteration ends and `ended` says why, and whether something was cut off. Only what an amended
    grant's former generation still has is read to its fence.

    Raises ConfigError for an unknown grant, PermanentError for a topic that is gone or holds what cannot be read, and
    TransientError when cluster or registry are out of reach: make a new one from the positions held.
    """

    def __init__(
        self,
        settings: Settings,
        grant_id: str,
        *,
        watch: GrantWatch | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        skip_unreadable: bool = False,
    ) -> None:
        """`skip_unreadable`: pass over single records that cannot be read, as `Unreadable.skippable` says."""
        self._watch = watch or GrantWatch(settings)
        self._owns_watch = watch is None
        self._monotonic, self._now_ms = monotonic, now_ms
        self._skip_unreadable = skip_unreadable
        try:
            self.grant: GrantInForce = self._watch.grant(grant_id)
            shown = self._watch.view(self.grant)
            self._decoder = ViewDecoder(self.grant.topic, shown.view_schema, self.grant.schema_id)
            self._topic = self._open(settings)
        except BaseException:
            self._close_watch()
            raise
        self.view: View = view_of(self.grant, shown, self._topic.origin)
        self.ended: GrantEnd | None = None
        self._told: dict[int, int] = {}
        self._barred: _Barred | None = None
        self._quiet_since = self._checked_at = self._absent_at = monotonic()
        self._tolerated_ms = settings.tolerated_outage_s * 1000
        self.absence = Absence(None, self._tolerated_ms)

    def _open(self, settings: Settings) -> GrantTopic:
        try:
            return GrantTopic(settings, self.grant)
        except Refused as error:
            if self.grant.ended is None:
                raise
            raise PermanentError(
                GrantEnd(
                    self.grant.grant.id, self.grant.generation, str(self.grant.end_reason), None, cut_off=True
                ).message,
                where=self.grant.topic,
                hint=Text("A new grant must be applied for.", "如需继续, 请重新申请授权。"),
            ) from error

    @property
    def at_end(self) -> bool:
        """Whether everything in the topic has been handed out: it was read to its end and nothing has come since."""
        return self._topic.at_end

    @property
    def lag(self) -> int:
        """Offsets in the topic that have not been read yet."""
        return self._topic.lag

    @property
    def told(self) -> dict[int, int]:
        """The positions that the batches handed out so far come to."""
        return dict(self._told)

    @property
    def over(self) -> bool:
        """Whether the grant's generation has ended by now, as far as the control log has told."""
        return self._watch.life(self.grant).ended is not None

    def start(self, positions: Mapping[int, int] | None = None, since_ms: int | None = None) -> None:
        """Read from `positions` (offset to read next, per partition), or from the beginning. A grant that has ended, and whose
        topic no longer has them, is over at once.

        since_ms   when the copy was begun, if the reader remembers. Raises AwayTooLong if it cannot simply be continued.
        """
        self._told = dict(positions) if positions is not None else dict.fromkeys(range(self.view.origin.partitions), 0)
        try:
            self._topic.seek(self._told)
        except OutOfRange:
            life = self._life_now()
            if life.ended is None:
                raise
            self._end(life, cut_off=True)
        else:
            self.absence = Absence(since_ms if any(self._told.values()) else self._now_ms(), self._tolerated_ms)
            self._check_absence()

    def poll(self, wait_s: float = 0.25, most: int = MAX_RECORDS) -> Batch | None:
        """The next batch, or None if nothing came within `wait_s` seconds. A batch may hold positions only."""
        if not self._told:
            self.start()
        if self.ended is not None:
            return None
        if self._barred is not None:
            time.sleep(min(wait_s, 0.02))
            return self._after(self._barred)
        handed_out = dict(self._topic.positions)
        try:
            return self._poll(wait_s, most)
        except (Refused, OutOfRange) as error:
            if self._life_now().ended is None:
                raise
            patience = FENCE_S if isinstance(error, Refused) else 0.0
            self._barred = _Barred(self._monotonic() + patience, handed_out)
            return self._after(self._barred)

    def _poll(self, wait_s: float, most: int) -> Batch | None:
        self._check_identity()
        if self._monotonic() - self._absent_at >= ABSENCE_S and not self.at_end:
            self._check_absence()
        life = self._watch.life(self.grant)
        if life.fence is not None and self._reached(life.fence, self._topic.positions):
            return self._end(life)
        messages = records_before(self._topic.take(most, wait_s, LINGER_S), life.fence)
        records, fault = self._decoder.readable(messages)
        life = self._watch.life(self.grant)  # reading took time, in which the grant may have ended
        if (records or fault) and life.ended is not None and life.end_reason != "superseded":
            return self._end(life, cut_off=True)
        if fault is not None:
            return self._up_to(fault, records, messages)
        if records:
            self._quiet_since = self._monotonic()
            return self._batch(records, messages[0].timestamp()[1])
        settled = self._monotonic() - self._quiet_since >= SETTLE_S
        return self._batch([]) if settled and self._moved else None

    def _up_to(
        self, fault: Unreadable, good: Sequence[ViewEvent | Tombstone], messages: Sequence[Message]
    ) -> Batch | None:
        """What stands before a record that cannot be read is handed out first; then that is raised, or passed over on order."""
        if good:
            self._topic.give_back(messages[len(good) :])
            return self._batch(good)
        if not self._skip_unreadable or not fault.skippable or fault.key is None:
            raise fault
        if len(messages) > 1:
            self._topic.give_back(messages[1:])
        self._topic.positions[fault.place.partition] = fault.place.offset + 1
        unread = [Unread(fault.place, fault.reason.value)]
        return self._batch([Tombstone(fault.key, fault.place)], unreadable=unread)

    def _after(self, barred: _Barred) -> Batch | None:
        """The end, once the fence shows whether everything was handed out; None while it is on its way."""
        life = self._life_now()
        if life.fence is None and self._monotonic() < barred.until:
            return None
        return self._end(life, cut_off=life.fence is None or not self._reached(life.fence, barred.handed_out))

    def settle(self) -> Batch | None:
        """Positions that passed transaction markers and were not told yet, if any."""
        if self.ended is not None and self.ended.cut_off:
            return None  # what they passed may have been records
        return self._batch([]) if self._moved else None

    def back_to(self, told: Mapping[int, int]) -> None:
        """Read on from positions told earlier: what was handed out since is not used. At the end, or barred, none is left to read."""
        if self.ended is not None or self._barred is not None:
            return
        self._topic.back_to({p: at for p, at in told.items() if self._topic.positions[p] != at})
        self._told = dict(told)

    def __iter__(self) -> Iterator[Batch]:
        while self.ended is None:
            batch = self.poll()
            if batch is not None:
                yield batch

    def close(self) -> None:
        """Give back the connections."""
        self._topic.close()
        self._close_watch()

    def __enter__(self) -> GrantReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def _moved(self) -> bool:
        return self._topic.positions != self._told

    def _life_now(self) -> GrantInForce:
        self._watch.state(fresh=True)
        return self._watch.life(self.grant)

    @staticmethod
    def _reached(fence: Mapping[int, int], positions: Mapping[int, int]) -> bool:
        return all(position >= fence.get(p, 0) for p, position in positions.items())

    def _end(self, life: GrantInForce, *, cut_off: bool = False) -> Batch | None:
        reason = life.end_reason or "ended"
        later = self._watch.successor(life)
        generation, topic = (None, None) if later is None else (later.generation, later.topic)
        self.ended = GrantEnd(
            life.grant.id, life.generation, reason, life.ended_at, generation, topic, cut_off, life.destroy_by
        )
        return self.settle()

    def _batch(
        self,
        records: Sequence[ViewEvent | Tombstone],
        oldest_ms: int | None = None,
        unreadable: Sequence[Unread] = (),
    ) -> Batch:
        counts = events_by_partition(records)
        steps = {
            p: Step(told, self._topic.positions[p], counts[p])
            for p, told in self._told.items()
            if self._topic.positions[p] != told
        }
        self._told = dict(self._topic.positions)
        return Batch(records, steps, oldest_ms, unreadable)

    def _check_absence(self) -> None:
        self._absent_at = self._monotonic()
        limit = self.absence.limit(self._now_ms())
        if limit is None or self._watch.life(self.grant).ended is not None:
            return  # what is left of a generation that has ended is replaced by the next one, or destroyed
        place = self._topic.left_unread(limit)
        if place is not None:
            raise AwayTooLong(place, self._tolerated_ms)

    def _check_identity(self) -> None:
        now = self._monotonic()
        due = now - self._checked_at >= IDENTITY_S
        if due:
            self._checked_at = now
        self._topic.check_identity(ask=due)

    def _close_watch(self) -> None:
        if self._owns_watch:
            self._watch.close()
