"""When too many records of a resource are wrong, the records are not the fault: the resource stops and says so."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 100
"""Records seen before anything is concluded."""
_WINDOW = 1_000


@dataclass(slots=True)
class Breaker:
    """The recent records of one resource. `share` is the part of faulty ones above which it trips."""

    share: float = 0.5
    _seen: float = 0.0
    _faulty: float = 0.0

    def trips(self, records: int, faulty: int) -> bool:
        """Whether these records, with the ones before, are too many faults. Changes nothing."""
        seen, wrong = self._seen + records, self._faulty + faulty
        return faulty > 0 and seen >= LEAST and wrong > self.share * seen

    def passed(self, records: int, faulty: int) -> None:
        """These records were committed. Older ones count half as soon as there are many."""
        self._seen += records
        self._faulty += faulty
        if self._seen > _WINDOW:
            scale = _WINDOW / 2 / self._seen
            self._seen *= scale
            self._faulty *= scale

    def reset(self) -> None:
        """Start anew: what made the records wrong was changed."""
        self._seen = self._faulty = 0.0
