"""What a mask lets its receiver know of a value, so that several grants can be judged together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reveal:
    """What is known of a value once its masked form is.

    kind     nothing: that there is a field
             token:   which values are equal, and no more
             ends:    the first `head` and the last `tail` characters
             cell:    in which cell of a division of all values it lies: `grain` names the division, `coarser` the divisions
                      that follow from it (the month tells the year), `edges` the borders where it is one of intervals
             part:    some of it, in a way that cannot be compared with another's (`grain` names the way)
             all:     the value
    """

    kind: Literal["nothing", "token", "ends", "cell", "part", "all"]
    head: int = 0
    tail: int = 0
    grain: str = ""
    coarser: frozenset[str] = frozenset()
    edges: tuple[float, ...] = ()


NOTHING = Reveal("nothing")
TOKEN = Reveal("token")
ALL = Reveal("all")
