"""The next unit judged while the transaction of the one before it is being written.

A commit waits for the broker for about a third of a unit's time. Judging is a pure function of what it is given, so it may
be done meanwhile, under the assumption that nothing will have changed: the same records, the same rules, the same grants
that can be written, the same gaps. When the unit's turn comes, exactly these are compared; whatever differs is judged anew,
as if nothing had been done ahead. So no invariant rests on this file: it decides when work is done, never what is written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from stream_apps.exchange.judge import Judged
from stream_apps.exchange.views import Lane, Rules
from stream_apps.transport.unit import Place, Slice

MAX_AGE_MS = 1_000
"""A judgement older than this is not used: it was made at its own moment, and a grant may have run out since."""


@dataclass(frozen=True, slots=True)
class Basis:
    """All that the judgement of a slice rests on, beside its records."""

    start: int
    rules: Rules
    lanes: Sequence[Lane]
    gaps: frozenset[str]

    def same(self, other: Basis) -> bool:
        """Whether a judgement on one is a judgement on the other."""
        lanes = len(self.lanes) == len(other.lanes) and all(
            a is b for a, b in zip(self.lanes, other.lanes, strict=True)
        )
        return (self.start, self.gaps) == (other.start, other.gaps) and self.rules is other.rules and lanes


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judged slice, and the moment (milliseconds since 1970 UTC) it was judged at."""

    result: Judged
    at_ms: int


@dataclass(slots=True)
class _Work:
    bases: Mapping[Place, Basis]
    ended: threading.Event
    found: dict[Place, tuple[Slice, Basis, Judgement]]


class Ahead:
    """One thread that judges ahead. `begin` and `take` are called by whoever holds the exchange's lock."""

    def __init__(self, judge: Callable[[Slice, Basis], Judgement], upcoming: Callable[[], Sequence[Slice]]) -> None:
        """`upcoming` waits a moment for the next unit to be complete, and gives its slices, or none."""
        self._judge, self._upcoming = judge, upcoming
        self._queue: SimpleQueue[_Work] = SimpleQueue()
        self._work: _Work | None = None
        self._thread = threading.Thread(target=self._loop, name="exchange-ahead", daemon=True)

    def begin(self, bases: Mapping[Place, Basis]) -> None:
        """Judge what comes next, where it continues on one of `bases`. What was begun before is over."""
        self.rest()
        self._work = _Work(bases, threading.Event(), {})
        if not self._thread.is_alive():
            self._thread.start()
        self._queue.put(self._work)

    def take(self, part: Slice, basis: Basis, now_ms: int) -> Judgement | None:
        """The judgement of a slice on exactly this basis, if it was made ahead and is young enough."""
        self.rest()
        made = self._work.found.pop(part.place, None) if self._work is not None else None
        if made is None:
            return None
        of, on, judgement = made
        same = (of.start, of.end) == (part.start, part.end) and of.messages is part.messages and on.same(basis)
        return judgement if same and 0 <= now_ms - judgement.at_ms <= MAX_AGE_MS else None

    def rest(self) -> None:
        """Wait until nothing is being judged: nobody else may judge meanwhile."""
        if self._work is not None:
            self._work.ended.wait()

    def _loop(self) -> None:
        while True:
            work = self._queue.get()
            try:
                for part in self._upcoming():
                    basis = work.bases.get(part.place)
                    if basis is not None and basis.start == part.start:
                        work.found[part.place] = part, basis, self._judge(part, basis)
            except BaseException:  # noqa: BLE001 - it is judged anew in its turn, and the error or panic comes up there
                work.found.clear()
            finally:
                work.ended.set()
