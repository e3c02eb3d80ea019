"""What a standing approval would approve now, beside the list its provider signed: what is added later is a difference to sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.approval import StandingItem

Place = tuple[str, str]
"""Resource and subscriber."""
_WORDS = ("purpose", "basis", "fields", "where", "before", "release_time", "valid", "view")
"""Of a line, what is approved; standing approval and version only say where it stands."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that differs. `what`: of a changed one, the words that changed (`fields`, `valid`)."""

    change: Literal["added", "removed", "changed"]
    resource: str
    subscriber: str
    what: tuple[str, ...] = ()


def difference(signed: Sequence[StandingItem], now: Sequence[StandingItem]) -> list[Line]:
    """The lines that differ, by resource and subscriber; empty if signing anew would change nothing."""
    before, after = {_place(i): i for i in signed}, {_place(i): i for i in now}
    return [line for place in sorted(before.keys() | after.keys()) if (line := _line(place, before, after)) is not None]


def _line(place: Place, before: dict[Place, StandingItem], after: dict[Place, StandingItem]) -> Line | None:
    old, new = before.get(place), after.get(place)
    if old is None or new is None:
        return Line("added" if old is None else "removed", *place)
    what = tuple(word for word in _WORDS if getattr(old, word) != getattr(new, word))
    return Line("changed", *place, what) if what else None


def _place(item: StandingItem) -> Place:
    return item.resource, item.subscriber
