"""Orders: whose word stopped a grant or let it go on, on behalf of whom, signed. The control log's own entry carries it, so
that no end waits for a second log and no evidence can be lost between two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.ids import Id
from schemas.signature import Signature
from schemas.validation import Model
from schemas.view_event import canonical

Capacity = Literal["provider", "subscriber", "bureau"]
"""On whose behalf somebody gives an order."""

LIFTS: Mapping[Capacity, frozenset[Capacity | None]] = {
    "provider": frozenset({"provider", "bureau", None}),
    "bureau": frozenset({"bureau"}),
    "subscriber": frozenset({"subscriber"}),
}
"""Whose suspensions each may lift (None: nobody known made it). It is the provider's data, so the bureau, which releases
nothing, lifts only what it ordered itself; nobody but a subscriber has data sent to it again that it asked not to get."""


class Ordered(Model):
    """Evidence of one order about one generation of a grant, with everything needed to check it again but `order_text`'s own."""

    by: Id
    """The person, as the list of signers names them."""
    department: Id
    capacity: Capacity
    signature: Signature


def order_text(grant: str, generation: int, what: str, capacity: Capacity, by: str, at: int) -> bytes:
    """What the person signs. `what`: the reason of an end, `lifted` or `resumed`; `generation` is the one that was stopped."""
    return canonical(
        {
            "kind": "grant.order",
            "grant": grant,
            "generation": generation,
            "what": what,
            "capacity": capacity,
            "by": by,
            "at": at,
        }
    ).encode()


@dataclass(frozen=True, slots=True)
class Done:
    """Who stopped a generation of a grant, or let it go on.

    what   the reason of an end, `lifted`, or `resumed` (then it is this generation's beginning)
    at     milliseconds since 1970 UTC, as the command said
    """

    what: str
    at: int
    by: str
    ordered: Ordered | None = None

    @property
    def capacity(self) -> Capacity | None:
        """On whose behalf; None if nobody is known."""
        return self.ordered.capacity if self.ordered else None


@dataclass(frozen=True, slots=True)
class Resumption:
    """That a generation is one that was suspended, going on: which one, what had been ordered of it, and who let it go on."""

    generation: int
    before: tuple[Done, ...]
    order: Done


def held(done: Sequence[Done]) -> tuple[Capacity | None, ...]:
    """On whose behalf a suspension goes on: everybody's who ordered it and whose order was not lifted."""
    found: list[Capacity | None] = []
    for one in done:
        if one.what == "suspended":
            found.append(one.capacity)
        elif one.what == "lifted" and one.capacity is not None:
            found = [who for who in found if who not in LIFTS[one.capacity]]
    return tuple(found)
