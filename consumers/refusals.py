"""When rows that a database refuses are no longer single rows' fault but the table's: a condition hardly any row meets.

Rejecting deletes what stood under a row's key, because it is not true any more. A mistaken constraint would so empty a table.
"""

from __future__ import annotations

FEW = 10
"""So many at once are always the rows' own fault. Also how much all that came before counts, as rows: a long good time must
not let a mistake empty the table."""


class Refusals:
    """Counts the rows of one opened sink."""

    def __init__(self) -> None:
        self._refused = self._taken = 0.0

    @property
    def too_many(self) -> bool:
        """Whether most of the last rows were refused, and more than a few."""
        return self._refused > FEW and self._refused > self._taken

    def add(self, refused: int, taken: int) -> None:
        """A batch of so many rows refused and taken."""
        if self._refused + self._taken > FEW:
            share = FEW / (self._refused + self._taken)
            self._refused, self._taken = self._refused * share, self._taken * share
        self._refused += refused
        self._taken += taken
