"""Faults one after another, sometimes two at once, as the seed has it; after each the city must come to itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.lab import Lab
from tests.chaos.ledger import Ledger

RECOVERY_S = 120.0
"""Longest time after a fault's end until every sink has received something new."""
SETTLE_S = 180.0
_AFTER_S = 60.0
"""So long after its end a fault still explains that a process ended."""
_PAIRS = 0.25
"""How often a second fault begins while one holds."""
_OUT_OF_REACH = 75
"""The exit code of who found nobody there as it began; it may be started again."""
_GIVEN_UP = (0, 2, 130)
"""Exit codes after which no supervisor starts a process again."""


@dataclass(slots=True)
class Blow:
    """A fault that was inflicted. Times are seconds since the run began; `recovered_s` after its end, None if never."""

    name: str
    began: float
    ended: float
    may_end: tuple[str, ...]
    recovered_s: float | None = None


@dataclass
class Run:
    """What happened. `seed` decides the faults, their victims and their lengths; not the moment a process is at."""

    lab: Lab
    dice: Random
    say: Callable[[str], None]
    blows: list[Blow] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _judged: set[int] = field(default_factory=set)
    """Exits that were looked at."""

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def for_minutes(self, minutes: float, names: Sequence[str]) -> None:
        """Inflict faults until the time is over."""
        deck: list[str] = []
        while self.now < minutes * 60:
            deck = deck or self.dice.sample(list(names), len(names))
            chosen = [deck.pop()]
            if deck and self.dice.random() < _PAIRS:
                chosen.append(deck.pop())
            self.inflict([FAULTS[name](self.lab, self.dice) for name in chosen])
            self.lab.look()
            self._pause(self.dice.uniform(0.5, 2.0))

    def inflict(self, faults: Sequence[Fault]) -> None:
        """Begin them all, hold each for its time, end them, and wait until everything flows again."""
        self.say(" and ".join(f"{f.name} ({f.hold_s:.1f} s)" for f in faults))
        blows: list[Blow] = []
        try:
            for fault in faults:
                blows.append(Blow(fault.name, self.now, float("inf"), fault.may_end))
                self.blows.append(blows[-1])
                fault.begin(self.lab)
            until = time.monotonic() + max((f.hold_s for f in faults), default=0.0)
            while time.monotonic() < until:
                for fault in faults:
                    fault.tick(self.lab)
                self._pause(0.1)
        finally:
            for fault in reversed(faults):
                fault.end(self.lab)
            for blow in blows:
                blow.ended = self.now
        self._recover(blows)

    def inflicted(self, name: str, may_end: tuple[str, ...]) -> None:
        """Note a fault that somebody inflicted by hand, just now."""
        self.blows.append(Blow(name, self.now, self.now, may_end))

    def _recover(self, blows: Sequence[Blow]) -> None:
        """Every sink gets something that was not there when the last fault ended."""
        before = {self._name(pair): self.lab.delivered(*pair) for pair in self.lab.pairs()}
        ended = time.monotonic()
        waiting = set(before)
        while waiting and time.monotonic() - ended < RECOVERY_S:
            self._pause(0.1)
            waiting -= {
                name
                for pair in self.lab.pairs()
                if (name := self._name(pair)) in waiting and self.lab.delivered(*pair) > before[name]
            }
        for blow in blows:
            blow.recovered_s = None if waiting else time.monotonic() - ended
        names = " and ".join(blow.name for blow in blows)
        self.stalled += [f"{name}: nothing within {RECOVERY_S:g} s of the end of {names}" for name in sorted(waiting)]

    def count(self) -> Ledger:
        """Publishers pause, everything published so far goes through, and is counted. `go_on` lets them publish again."""
        try:
            self.lab.settle(SETTLE_S)
        except AssertionError as error:
            self.stalled.append(str(error))
        self.lab.look()
        found = self.lab.ledger()
        found.unexplained += [*self.stalled, *self._exits()]
        self.stalled.clear()
        return found

    def go_on(self) -> None:
        """After a count."""
        for machine in self.lab.kind("publish-"):
            machine.start()

    def _exits(self) -> list[str]:
        """Processes that ended by themselves since the last count although no fault explains it, or so that nobody would start them again."""
        out = []
        for exit_ in [e for m in self.lab.made for e in m.exits if id(e) not in self._judged]:
            self._judged.add(id(exit_))
            at = exit_.at - self._began
            causes = [b for b in self.blows if b.began <= at <= b.ended + _AFTER_S]
            expected = exit_.code == _OUT_OF_REACH or any(exit_.machine.startswith(b.may_end) for b in causes)
            if not causes or not expected or exit_.code in _GIVEN_UP:
                out.append(f"{exit_.machine} ended by itself with {exit_.code} at {at:.1f} s")
        return out

    def facts(self) -> dict[str, Any]:
        """For `--json`."""
        return {"blows": [asdict(blow) for blow in self.blows], "seconds": round(self.now, 1)}

    def _pause(self, seconds: float) -> None:
        self.lab.wait(seconds)

    @staticmethod
    def _name(pair: tuple[Any, str, str]) -> str:
        return f"{pair[0].id} > {pair[1]}"
