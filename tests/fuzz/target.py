"""What a fuzz target is."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol


class Target(Protocol):
    """Makes cases and says what must hold of them. Stateless but for caches: a case is judged alike whenever it is."""

    def case(self, dice: Random) -> Any:
        """A new case, as a JSON tree (bytes as text, one character for each); the same dice give the same case."""
        ...

    def check(self, case: Any) -> bool:
        """Raises anything at all if the case shows a fault. Returns whether the case was accepted (and not refused in good
        order), so that the pace says how many cases got past the door. A case that is no case is refused."""
        ...
