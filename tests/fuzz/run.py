"""Rounds of cases: how fast, how many, and what was found."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.finding import Finding, Note, failure_of, judged, told
from tests.fuzz.shrink import smallest
from tests.fuzz.target import Target

_ROUND_S = 1.0


def dice_of(seed: int, target: str, number: int) -> Random:
    """The dice of one case: it is the same whatever ran before it."""
    return Random(f"{seed}:{target}:{number}")


@dataclass(slots=True)
class Tally:
    """What one target has done."""

    name: str
    first: int = 0
    cases: int = 0
    accepted: int = 0
    seconds: float = 0.0
    findings: dict[str, Path] = field(default_factory=dict)
    """By what went wrong and where, so that each fault is told once."""

    def __str__(self) -> str:
        pace = self.cases / self.seconds if self.seconds else 0
        found = f", {len(self.findings)} FAULTS" if self.findings else ""
        return f"{self.name:9} {self.cases:9,} cases {pace:7,.0f}/s {self.accepted * 100 // max(self.cases, 1):3}% accepted{found}"


class Fuzzer:
    """Runs targets in turns. Everything but the pace follows from the seed; each fault is written to `folder` once."""

    def __init__(self, targets: Mapping[str, Target], seed: int, folder: Path, say: Callable[[str], None]) -> None:
        self._targets, self._seed, self._folder, self._say = targets, seed, folder, say
        self._note = Note(folder)

    def run(self, *, seconds: float | None = None, cases: int | None = None, first: int = 0) -> list[Tally]:
        """For `seconds` all together, or `cases` each, from the case numbered `first` on."""
        tallies = [Tally(name, first) for name in self._targets]
        began = time.monotonic()
        while seconds is None or time.monotonic() - began < seconds:
            waiting = [t for t in tallies if cases is None or t.cases < cases]
            if not waiting:
                break
            for tally in waiting:
                self._round(tally, cases)
                self._say(f"{time.monotonic() - began:6.0f} s  {tally}")
        return tallies

    def _round(self, tally: Tally, cases: int | None) -> None:
        target, began = self._targets[tally.name], time.monotonic()
        while (cases is None or tally.cases < cases) and time.monotonic() - began < _ROUND_S:
            number = tally.first + tally.cases
            case = target.case(dice_of(self._seed, tally.name, number))
            self._note.write(tally.name, self._seed, number, case)
            accepted, error = judged(target, case)
            tally.cases += 1
            tally.accepted += accepted
            if error is not None and told(error) not in tally.findings:
                tally.findings[told(error)] = self._found(tally.name, number, case, error)
        tally.seconds += time.monotonic() - began

    def _found(self, name: str, number: int, case: Any, error: BaseException) -> Path:
        fault, target = told(error), self._targets[name]
        self._say(f"FAULT in {name}: {fault} (seed {self._seed}, case {number}); looking for the smallest input")

        def fails(smaller: Any) -> bool:
            self._note.write(name, self._seed, number, smaller)
            return failure_of(target, smaller) == fault

        trace = tuple(traceback.format_exception(error)[-12:])
        path = Finding(name, self._seed, number, fault, smallest(case, fails), trace).write(self._folder)
        self._say(f"      {path}; see it again: python -m tests.fuzz --replay {path}")
        return path
