"""What a subscriber's program receives: changes, the beginning of a generation, and the end of the grant."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from consumers.events import Place, Row
from consumers.position import Position
from schemas.change_event import Op
from schemas.text import Text

Acknowledge = Callable[["Event | GenerationStarted"], None]
Began = Literal["first", "amended", "resumed", "rebuilt"]


@dataclass(slots=True, eq=False)
class Event:
    """One change of one released row.

    op           c create, u update, d delete, r read (a row of the snapshot)
    key          the key fields
    before       the row as it was, where the grant releases it
    after        the row as it is; None for a delete
    released_at  milliseconds since 1970 UTC, no finer than the grant says; None for a delete whose time compaction removed
    place        partition and offset in the grant's topic: the event's only identity
    position     store it with your rows, if you keep positions yourself: everything up to and with this event is done with
    """

    op: Op
    key: Row = field(repr=False)  # what is printed by accident holds no content
    before: Row | None = field(repr=False)
    after: Row | None = field(repr=False)
    released_at: int | None
    place: Place
    _begin: Position = field(repr=False)
    _offsets: tuple[int, ...] = field(repr=False)
    _acknowledge: Acknowledge = field(repr=False)

    @property
    def generation(self) -> int:
        """The grant's generation it belongs to."""
        return self._begin.generation

    @property
    def position(self) -> Position:
        """Where to read on once this event, and all that were handed out before it, are done with."""
        return replace(self._begin, offsets=self._offsets)

    def acknowledge(self) -> None:
        """You are done with it and with everything before it in its partition; after a restart none of that comes again."""
        self._acknowledge(self)


@dataclass(slots=True, eq=False)
class GenerationStarted:
    """What follows is everything there is, from the first row on: empty your copy, then fill it.

    reason   first: nothing had been acknowledged so far; amended: the grant was changed, its fields may be others; resumed: it
             goes on after a suspension; rebuilt: you asked for the beginning, or were away for so long that
             deletes may be missing from what is left
    fields   the released fields with their titles, the key's first
    position, acknowledge: as an event's. Until it or an event after it is acknowledged, a restart begins here again.
    """

    grant: str
    generation: int
    reason: Began
    fields: Mapping[str, str]
    position: Position = field(repr=False)
    _acknowledge: Acknowledge = field(repr=False)

    def acknowledge(self) -> None:
        """Your copy is empty and ready; what was held of an earlier generation is done with."""
        self._acknowledge(self)


@dataclass(frozen=True, slots=True)
class GrantEnded:
    """The grant is over; nothing comes after this. The loop ends by itself.

    reason      revoked, suspended (it may be resumed: then a later start goes on), expired or withdrawn
    at          milliseconds since 1970 UTC, if known
    cut_off     something released before the end was not handed out, and never will be; or that cannot be ruled out
    destroy_by  the last day by which what was received is to be destroyed and that confirmed; None: nothing said so
    message     all of this in words, and what to do
    """

    grant: str
    generation: int
    reason: str
    at: int | None
    cut_off: bool
    destroy_by: dt.date | None
    message: Text


Received = Event | GenerationStarted | GrantEnded
