"""A batch of a grant's topic as what a program is handed: one event for each change, each with where to read on after it."""

from __future__ import annotations

from dataclasses import dataclass

from consumers.events import Batch, Row, Tombstone
from consumers.grant_end import GrantEnd
from consumers.position import Position
from consumers.received import Acknowledge, Event, GenerationStarted
from schemas.change_event import Op


@dataclass(frozen=True, slots=True)
class Passed:
    """Everything up to here has been handed out; what lies behind the last event held nothing for the program."""

    position: Position


Chunk = list[Event | GenerationStarted | Passed | GrantEnd]


class Chunks:
    """Makes the chunks of one generation, from `begin` on.

    A tombstone right behind the delete of its key says nothing new and belongs to it; one that stands alone is a delete,
    because compaction has removed the other (or because a batch ended and the program was started anew between the two: then the
    delete comes twice).
    """

    def __init__(self, begin: Position, acknowledge: Acknowledge) -> None:
        self._at = begin
        self._acknowledge = acknowledge
        self._deleted: dict[int, tuple[Row, Event]] = {}
        """By partition, the delete that is its last event."""

    @property
    def position(self) -> Position:
        """Where to read on after all chunks so far."""
        return self._at

    def of(self, batch: Batch) -> Chunk:
        """The batch's events, and that they are all."""
        out: Chunk = []
        offsets = list(self._at.offsets)
        for record in batch.records:
            partition, offset = record.place
            offsets[partition] = offset + 1
            deleted = self._deleted.pop(partition, None)
            if isinstance(record, Tombstone):
                if deleted is not None and deleted[0] == record.key:
                    deleted[1]._offsets = tuple(offsets)
                    continue
                op, at, key, before, after = Op.DELETE, None, record.key, None, None
            else:
                op, at, key, before, after = record.op, record.released_at, record.key, record.before, record.after
            event = Event(op, key, before, after, at, record.place, self._at, tuple(offsets), self._acknowledge)
            if op is Op.DELETE and not isinstance(record, Tombstone):
                self._deleted[partition] = (key, event)
            out.append(event)
        self._at = self._at.at({p: step.next for p, step in batch.steps.items()})
        out.append(Passed(self._at))
        return out
