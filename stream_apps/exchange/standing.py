"""What a worker knows of a partition it owns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from schemas.evidence import CATCHING_UP, OUTAGE
from stream_apps.exchange.marks import Mark
from stream_apps.exchange.views import Lane, Rules


@dataclass(slots=True)
class Standing:
    """A partition's position and mark as last committed (or as found, `announced` False). `begin` is where it begins."""

    next: int
    mark: Mark
    begin: int = 0
    announced: bool = False
    waits: set[str] = field(default_factory=set)
    """Why nothing is read from it now: `retry`, `stopped`."""
    retry_at: float = 0.0
    attempts: int = 0
    history_retry_at: float = 0.0
    """No pass over its history before this moment, after so many that failed in a row."""
    history_failures: int = 0
    compared: int = -1
    """`Topics.news` when the grants' topics were last held against the mark."""

    def pending(self, lanes: Sequence[Lane]) -> list[Lane]:
        """Those grants that must first be given the partition's history; live units leave them out until then."""
        mark = self.mark
        return [
            v
            for v in lanes
            if (v.grant.opened > mark.live or v.grant.opened in mark.off) and v.grant.opened > mark.lost
        ]

    def apart(self, lanes: Sequence[Lane]) -> dict[int, str]:
        """By opening epoch, those grants that live units leave out here, and why."""
        lost = {v.grant.opened: OUTAGE for v in lanes if v.grant.opened <= self.mark.lost}
        return lost | {v.grant.opened: CATCHING_UP for v in self.pending(lanes)}

    def settled(self, epoch: int) -> Mark:
        """The mark where there is no history: whatever is in force is live."""
        return replace(self.mark, live=max(self.mark.live, epoch)) if self.next <= self.begin else self.mark


def after_replay(mark: Mark, done: frozenset[int], rules: Rules) -> Mark:
    """The mark once `done` (opening epochs) have the history. Everything in force is live up to the newest of them, but
    for what is withheld."""
    newest = max(done, default=mark.live)
    missed = {w.grant.opened for w in rules.withheld if mark.live < w.grant.opened <= newest}
    missed |= {v.grant.opened for v in rules.lanes if mark.live < v.grant.opened <= newest} - done
    return replace(mark, live=max(mark.live, newest), replay=None, off=(mark.off - done) | frozenset(missed))
