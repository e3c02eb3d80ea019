"""Rounds of cases: how fast, how many, and what was found, each finding in a file of its own."""

from __future__ import annotations

import json
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.shrink import smallest
from tests.fuzz.target import Target

SLOWEST_S = 5.0
"""Seconds a case may take; hostile input that takes longer is a finding too."""
_ROUND_S = 1.0


class TooSlowError(Exception):
    """A case took longer than it may."""


@dataclass(slots=True)
class Tally:
    """What one target has done."""

    cases: int = 0
    accepted: int = 0
    seconds: float = 0.0
    findings: dict[str, Path] = field(default_factory=dict)
    """By what went wrong and where, so that each fault is told once."""

    def line(self, name: str) -> str:
        """For a person."""
        pace = self.cases / self.seconds if self.seconds else 0
        found = f", {len(self.findings)} FAULTS" if self.findings else ""
        return f"{name} {self.cases:,} ({pace:,.0f}/s, {self.accepted * 100 // max(self.cases, 1)}% accepted{found})"


def dice_of(seed: int, target: str, number: int) -> Random:
    """The dice of one case: it is the same whatever ran before it."""
    return Random(f"{seed}:{target}:{number}")


def failure_of(target: Target, case: Any) -> str | None:
    """What goes wrong with a case, and where; None if nothing does."""
    try:
        with _hurried():
            target.check(case)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of native code is no Exception
        return _told(error)
    return None


def fuzz(
    targets: Mapping[str, Target],
    seed: int,
    folder: Path,
    *,
    seconds: float | None = None,
    cases: int | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Tally]:
    """Run all targets in turns, for `seconds` together or `cases` each; each fault is written to `folder` once."""
    tallies = {name: Tally() for name in targets}
    began = time.monotonic()
    while any(_goes_on(t, cases) for t in tallies.values()) and (seconds is None or time.monotonic() - began < seconds):
        for name, target in targets.items():
            _round(name, target, seed, tallies[name], folder, cases, say)
            say(f"{time.monotonic() - began:6.0f}s  {tallies[name].line(name)}")
    return tallies


def _goes_on(tally: Tally, cases: int | None) -> bool:
    return cases is None or tally.cases < cases


def _round(
    name: str, target: Target, seed: int, tally: Tally, folder: Path, cases: int | None, say: Callable[[str], None]
) -> None:
    began = time.monotonic()
    while _goes_on(tally, cases) and time.monotonic() - began < _ROUND_S:
        case = target.case(dice_of(seed, name, tally.cases))
        try:
            with _hurried():
                tally.accepted += target.check(case)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic of native code is no Exception
            fault = _told(error)
            if fault not in tally.findings:
                tally.findings[fault] = _written(name, target, seed, tally.cases, case, error, folder, say)
        tally.cases += 1
    tally.seconds += time.monotonic() - began


def _written(
    name: str,
    target: Target,
    seed: int,
    number: int,
    case: Any,
    error: BaseException,
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    fault = _told(error)
    say(f"FAULT in {name}: {fault} (seed {seed}, case {number}); looking for the smallest input")
    small = smallest(case, lambda c: failure_of(target, c) == fault)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{seed}-{number}.json"
    body = {
        "target": name,
        "seed": seed,
        "number": number,
        "fault": fault,
        "replay": f"python -m tests.fuzz --replay {path}",
        "case": small,
        "traceback": traceback.format_exception(error)[-12:],
    }
    path.write_text(json.dumps(body, indent=1))
    say(f"      smallest input: {path}\n      see it again:   {body['replay']}")
    return path


def _told(error: BaseException) -> str:
    """Kind and place of a fault, without what the case held."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "site-packages" not in f.filename and "/lib/python" not in f.filename]
    last = (ours or frames)[-1]
    said = f" ({error})" if isinstance(error, (AssertionError, TooSlowError)) and "\n" not in str(error) else ""
    return f"{type(error).__name__}{said} at {'/'.join(Path(last.filename).parts[-3:])}:{last.lineno}"


@contextmanager
def _hurried() -> Iterator[None]:
    """TooSlowError for what takes too long, as soon as the interpreter looks up."""

    def late(_signal: int, _frame: object) -> None:
        raise TooSlowError(f"longer than {SLOWEST_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SLOWEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def faults(tallies: Iterable[Tally]) -> list[Path]:
    """The files of everything that was found."""
    return [path for tally in tallies for path in tally.findings.values()]
