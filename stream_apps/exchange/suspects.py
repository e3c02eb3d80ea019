"""What earlier deaths have taught: ranges that held a record which may kill, and how often each offset was met by death
while it was judged alone. Kept beside the page of `inflight`, written only when there is something to learn or forget.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stream_apps.exchange.inflight import Judging, private_folder
from stream_apps.transport.unit import Place

PROVEN = 2
"""Deaths at an offset judged alone after which it is not touched again."""
_Key = tuple[Place, bool]
"""A partition, and whether it was its history that was read."""


@dataclass(slots=True)
class Case:
    """Suspicions about one partition: ranges [start, end), deaths by offset while that record was judged alone, and the
    offsets that were tried out."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    deaths: dict[int, int] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)

    def touches(self, start: int, end: int) -> bool:
        """Whether any of the offsets [start, end) is suspect."""
        return any(start < hi and lo < end for lo, hi in self.ranges)

    def accused(self, offset: int) -> bool:
        """Whether a record is to be tried out: one death is no proof, and a trial is held once."""
        return self.deaths.get(offset) == 1 and offset not in self.tried


class Suspects:
    """All suspicions of one worker. Whoever holds the exchange's lock uses it."""

    def __init__(self, path: Path | None = None, failed: Callable[[OSError], None] = lambda error: None) -> None:
        """`path`: where they are kept, 0600 (None: nowhere). `failed` is told when they cannot be; then they are known to
        this process alone, which costs another death and nothing else."""
        self._path, self._failed = path, failed
        self._cases = {} if path is None else _read(path)

    def of(self, place: Place, history: bool) -> Case | None:
        """What is suspect of a partition; None for almost all of them."""
        return self._cases.get((place, history)) if self._cases else None

    def add(self, left: Judging) -> None:
        """A process died while it judged this."""
        case = self._cases.setdefault((left.place, left.history), Case())
        if not any(lo <= left.start and left.end <= hi for lo, hi in case.ranges):
            case.ranges.append((left.start, left.end))
        if left.alone is not None:
            case.deaths[left.alone] = case.deaths.get(left.alone, 0) + 1
        self._write()

    def tried(self, place: Place, history: bool, offset: int) -> None:
        """This record is about to be tried out. Written first, so that a trial that ends the worker is not held for ever."""
        self._cases[place, history].tried.add(offset)
        self._write()

    def convict(self, place: Place, history: bool, offset: int) -> None:
        """It is proven that this record kills."""
        self._cases[place, history].deaths[offset] = PROVEN
        self._write()

    def passed(self, place: Place, at: int, history: bool = False) -> None:
        """Everything before `at` is committed: forget the ranges that lie behind it."""
        case = self.of(place, history)
        if case is None or all(at < hi for _, hi in case.ranges):
            return
        case.ranges = [(lo, hi) for lo, hi in case.ranges if at < hi]
        case.deaths = {offset: n for offset, n in case.deaths.items() if case.touches(offset, offset + 1)}
        case.tried &= case.deaths.keys()
        if not case.ranges:
            del self._cases[place, history]
        self._write()

    def __bool__(self) -> bool:
        return bool(self._cases)

    def _write(self) -> None:
        """The whole file anew, and in one step."""
        if self._path is None:
            return
        try:
            if not self._cases:
                self._path.unlink(missing_ok=True)
                return
            private_folder(self._path.parent)
            new = self._path.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(json.dumps([_said(key, case) for key, case in self._cases.items()]))
            new.replace(self._path)
        except OSError as error:
            self._failed(error)


def _said(key: _Key, case: Case) -> dict[str, object]:
    (topic, partition), history = key
    return {
        "topic": topic,
        "partition": partition,
        "history": history,
        "ranges": case.ranges,
        "deaths": sorted(case.deaths.items()),
        "tried": sorted(case.tried),
    }


def _read(path: Path) -> dict[_Key, Case]:
    """What the file says. One that a failing machine left in pieces says nothing; OSError if it cannot be read."""
    try:
        said = json.loads(path.read_text())
        return {
            (Place(str(one["topic"]), int(one["partition"])), bool(one["history"])): Case(
                [(int(lo), int(hi)) for lo, hi in one["ranges"]],
                {int(o): int(n) for o, n in one["deaths"]},
                set(map(int, one["tried"])),
            )
            for one in said
        }
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):
        return {}
