"""What both threads know: who owns what, what is buffered, which unit is in flight, what has to be read again.

Every method may be called from any thread. Nothing here touches Kafka: the poll thread does what `seeks` and `withheld`
ask for. A place that waits for its seek takes in no record, so nothing polled before a rewind reaches the agent after it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import Message

from schemas.errors import PermanentError
from schemas.text import Text
from stream_apps.transport.gather import Gathering
from stream_apps.transport.source import Limits
from stream_apps.transport.unit import Place, Slice, Unit


class Ledger:
    """The state of one worker's source, behind one lock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._change = threading.Condition()
        self._buffer: deque[Gathering] = deque()
        self._in_flight: Unit | None = None
        self._holding = False
        self._next: dict[Place, int] = {}
        """Where the next slice of each owned place starts."""
        self._finished: dict[Place, int] = {}
        """Where the last finished unit left each owned place."""
        self._seeks: dict[Place, int] = {}
        self._withheld: set[Place] = set()
        self._assignment = 0
        self._moved = time.monotonic()
        self._error: BaseException | None = None
        self._stopping = False
        self._wake: Callable[[], object] = lambda: None

    # -- the agent's side

    def on_change(self, wake: Callable[[], object]) -> None:
        """Call `wake`, from whatever thread, when a unit may be taken or the source has failed."""
        with self._change:
            self._wake = wake

    def take(self) -> Unit | None:
        """The next unit, or None while there is none, one is in flight, or a rebalance waits."""
        with self._change:
            if not self._takeable():
                return None
            self._in_flight = self._buffer.popleft().unit(self._assignment)
            self._moved = time.monotonic()
            self._change.notify_all()
            return self._in_flight

    def upcoming(self, timeout: float) -> Sequence[Slice]:
        """The slices of the next unit as `take` will give them, once it can grow no more; none if that takes longer, or
        longer than the unit in flight."""
        with self._change:
            now = self._in_flight
            over = lambda: self._settled() or self._in_flight is not now or self.ending or self._holding  # noqa: E731
            self._change.wait_for(over, timeout)
            return self._buffer[0].unit(self._assignment).slices if self._settled() else ()

    def done(self, unit: Unit) -> None:
        """The unit ended well."""
        with self._change:
            self._end(unit)
            for part in unit.slices:
                if part.place in self._finished:
                    self._finished[part.place] = part.end
            self._changed()

    def rewind(self, unit: Unit, places: Mapping[Place, int]) -> None:
        """The unit is void: everything is read again from `places`."""
        with self._change:
            missing = sorted(self._next.keys() - places.keys())
            if missing:
                raise ValueError(f"rewind does not name {missing}")
            self._end(unit)
            self._buffer.clear()
            self._finished = {place: places[place] for place in self._finished}
            self._next = dict(self._finished)
            self._seeks = dict(self._finished)
            self._changed()

    def pause(self, places: Sequence[Place]) -> None:
        """Take in nothing from `places`; what is buffered from them is read again later."""
        with self._change:
            for place in places:
                if place not in self._next:
                    continue
                self._withheld.add(place)
                starts = [s for g in self._buffer if (s := g.remove(place)) is not None]
                self._next[place] = min(starts, default=self._next[place])
                self._seeks[place] = self._next[place]
            self._buffer = deque(g for g in self._buffer if g.parts)
            self._changed()

    def resume(self, places: Sequence[Place]) -> None:
        """Take in records from `places` again."""
        with self._change:
            self._withheld.difference_update(places)
            self._changed()

    def fail(self, error: BaseException) -> None:
        """Nothing more is delivered; the first error is kept."""
        with self._change:
            self._error = self._error or error
            self._changed()

    # -- the poll thread's side

    def take_in(self, found: Mapping[Place, Sequence[Message]], ends: Mapping[Place, int], group: Any) -> None:
        """Records of one poll and the positions after it. What waits for a seek, is withheld or not owned is dropped.

        Raises PermanentError if a partition does not continue where it was left.
        """
        with self._change:
            added = False
            for place, end in ends.items():
                start = self._next.get(place)
                if start is None or place in self._seeks or place in self._withheld:
                    continue
                messages = found.get(place, ())
                if messages or end > start:
                    gathering = self._open()
                    gathering.add(place, messages, start, end)
                    gathering.group = group
                    self._next[place] = end
                    added = True
            if added:
                self._changed()

    def room(self) -> int:
        """How many more records the buffer takes now."""
        with self._change:
            return self._room()

    def wait_for_room(self, timeout: float) -> bool:
        """Wait until there is room, a seek is due, or the source ends; whether that came."""
        with self._change:
            return self._change.wait_for(lambda: self._room() > 0 or bool(self._due()) or self.ending, timeout)

    def due_seeks(self) -> dict[Place, int]:
        """Seeks to make now (those of withheld places wait until they are resumed)."""
        with self._change:
            return self._due()

    def sought(self, made: Mapping[Place, int]) -> None:
        """These seeks were made."""
        with self._change:
            for place, offset in made.items():
                if self._seeks.get(place) == offset:
                    del self._seeks[place]

    def hold(self) -> None:
        """A rebalance: hand out nothing more and wait until the unit in flight has ended; then drop the buffers.

        Kept places are read again from where the last finished unit left them. `release` must follow. Raises
        PermanentError if the unit does not end in time. Returns at once after a failure.
        """
        with self._change:
            self._holding = True
            if not self._change.wait_for(lambda: self._in_flight is None or self._error, self._limits.ending_s):
                raise _still_open(self._limits.ending_s)
            self._assignment += 1
            self._buffer.clear()
            for place, offset in self._finished.items():
                if self._next[place] != offset or place in self._seeks:
                    self._seeks[place] = offset
            self._next = dict(self._finished)

    def release(self) -> None:
        """The rebalance is over."""
        with self._change:
            self._holding = False
            self._moved = time.monotonic()
            self._changed()

    def own(self, places: Mapping[Place, int]) -> None:
        """These places are ours, to be read from these offsets."""
        with self._change:
            self._next.update(places)
            self._finished.update(places)

    def disown(self, places: Sequence[Place]) -> None:
        """These places are no longer ours."""
        with self._change:
            for place in places:
                for known in (self._next, self._finished, self._seeks):
                    known.pop(place, None)
                self._withheld.discard(place)

    def stop(self) -> None:
        """Hand out nothing more; wait until the unit in flight has ended, within the same bound as a rebalance."""
        with self._change:
            self._stopping = True
            self._changed()
            if not self._change.wait_for(lambda: self._in_flight is None or self._error, self._limits.ending_s):
                self._error = _still_open(self._limits.ending_s)
                self._changed()

    # -- questions

    @property
    def error(self) -> BaseException | None:
        """What ended the source, if anything did."""
        return self._error

    @property
    def ending(self) -> bool:
        """Whether the poll thread is to leave."""
        return self._error is not None or (self._stopping and self._in_flight is None)

    @property
    def owned(self) -> Mapping[Place, int]:
        """Where the next slice of each owned place starts."""
        with self._change:
            return dict(self._next)

    @property
    def withheld(self) -> frozenset[Place]:
        """Owned places that are paused."""
        with self._change:
            return frozenset(self._withheld)

    @property
    def finished(self) -> Mapping[Place, int]:
        """Where the last finished unit left each owned place."""
        with self._change:
            return dict(self._finished)

    def waiting(self, behind: bool) -> float:
        """Seconds that work has waited without any unit being taken or ended. Ask often: the clock starts at the last time
        there was none.

        behind   whether the broker holds records beyond what has been read
        """
        with self._change:
            if self._holding or not (self._in_flight or self._buffer or behind):
                self._moved = time.monotonic()
            return time.monotonic() - self._moved

    # -- inside, under the lock

    def _takeable(self) -> bool:
        return bool(self._buffer) and not (self._in_flight or self._holding or self._stopping or self._error)

    def _end(self, unit: Unit) -> None:
        if self._in_flight is not unit:
            raise RuntimeError("this unit is not in flight")
        self._in_flight = None
        self._moved = time.monotonic()

    def _changed(self) -> None:
        self._change.notify_all()
        if self._takeable() or self._error:
            self._wake()

    def _due(self) -> dict[Place, int]:
        return {place: offset for place, offset in self._seeks.items() if place not in self._withheld}

    def _open(self) -> Gathering:
        if not self._buffer or self._full(self._buffer[-1]):
            self._buffer.append(Gathering())
        return self._buffer[-1]

    def _settled(self) -> bool:
        return bool(self._buffer) and self._full(self._buffer[0]) and not self._holding

    def _full(self, gathering: Gathering) -> bool:
        limits = self._limits
        return (
            gathering.records >= limits.records
            or gathering.bytes >= limits.bytes
            or len(gathering.parts) >= limits.places
        )

    def _room(self) -> int:
        if not self._buffer or (self._full(self._buffer[-1]) and len(self._buffer) < self._limits.units):
            return self._limits.records
        return 0 if self._full(self._buffer[-1]) else self._limits.records - self._buffer[-1].records


def _still_open(seconds: float) -> PermanentError:
    return PermanentError(
        Text(
            f"the unit in flight was still open after {seconds:.0f} s.", f"处理中的单元在 {seconds:.0f} 秒后仍未结束。"
        )
    )
