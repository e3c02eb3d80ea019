"""The process that does, again and again, what nobody should have to remember: each duty in its own time.

A duty that fails is logged, counted and tried again after a wait that grows; the others go on. Several controllers may run:
each change is decided within a turn at the control log, so one of two that meet is told it was overtaken and looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass
from typing import Literal, Protocol

from infra.control import telemetry
from infra.runtime.settings import Settings
from schemas.errors import BusError
from schemas.text import Text

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Between the tries of a duty that fails: doubled each time."""
JUMP_MS = 60_000
"""A clock that moves by so much more, or less, than the time that passed has jumped."""
STEADY_S = 600.0
"""How long a clock must have run evenly after a jump before grants end by it: an end cannot be taken back."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done at least every `every_s` seconds.

    run            gets the settings and the time (milliseconds since 1970 UTC); does what there is to do and returns what it
                   did, empty if nothing. It may raise anything; it is called again, so it must be safe to do twice.
    by_the_clock   it does by the clock what cannot be taken back, so it rests while the clock is not to be trusted
    """

    name: str
    every_s: float
    run: Callable[[Settings, int], object]
    by_the_clock: bool = False


@dataclass(frozen=True, slots=True)
class DutyRun:
    """One run of a duty; `did`: what it reported."""

    duty: str
    outcome: Literal["done", "failed", "rested"]
    seconds: float
    did: object = ()
    error: Text | None = None


class Stop(Protocol):
    """What ends a controller: a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it should end."""

    def wait(self, timeout: float) -> bool:
        """Wait for that, at most `timeout` seconds."""


@dataclass(slots=True)
class _Planned:
    duty: Duty
    at: float
    failures: int = 0


class Controller:
    """Does `duties` in one thread, one after the other.

    now_ms      this host's clock, milliseconds since 1970 UTC
    monotonic   seconds that never jump
    """

    def __init__(
        self, settings: Settings, duties: Sequence[Duty], *, now_ms: Callable[[], int], monotonic: Callable[[], float]
    ) -> None:
        self._settings, self._now, self._monotonic = settings, now_ms, monotonic
        self._planned = [_Planned(duty, monotonic()) for duty in duties]
        self._seen = monotonic(), now_ms()
        self._steady_from = monotonic()
        for duty in duties:
            telemetry.began(duty.name)

    def once(self) -> tuple[DutyRun, ...]:
        """Every duty, whether it is time or not."""
        return tuple(self._do(planned) for planned in self._planned)

    def run(self, stop: Stop) -> None:
        """Every duty in its time until `stop`, which is heeded between two duties."""
        while not stop.is_set():
            for planned in self._ready():
                self._do(planned)
                if stop.is_set():
                    return
            stop.wait(max(min(p.at for p in self._planned) - self._monotonic(), 0.0))

    def _ready(self) -> Iterable[_Planned]:
        now = self._monotonic()
        return sorted((p for p in self._planned if p.at <= now), key=lambda p: p.at)

    def _do(self, planned: _Planned) -> DutyRun:
        duty, now, began = planned.duty, self._read_clock(), self._monotonic()
        if duty.by_the_clock and began < self._steady_from:
            planned.at = began + duty.every_s
            return DutyRun(duty.name, "rested", 0.0)
        try:
            did = duty.run(self._settings, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other duties go on
            return self._failed(planned, error, self._monotonic() - began)
        seconds = self._monotonic() - began
        planned.at, planned.failures = began + duty.every_s, 0
        telemetry.done(duty.name, seconds, len(did) if isinstance(did, Sized) else 1)
        return DutyRun(duty.name, "done", round(seconds, 3), did)

    def _failed(self, planned: _Planned, error: Exception, seconds: float) -> DutyRun:
        wait = min(FIRST_WAIT_S * 2.0 ** min(planned.failures, 30), LONGEST_WAIT_S)
        planned.failures += 1
        planned.at = self._monotonic() + wait
        telemetry.failed(planned.duty.name, error, seconds, planned.failures, wait)
        return DutyRun(planned.duty.name, "failed", round(seconds, 3), error=_words(error))

    def _read_clock(self) -> int:
        """The time; a jump since it was read last is reported, and makes what goes by the clock rest."""
        passed, now = self._monotonic(), self._now()
        by = now - self._seen[1] - round((passed - self._seen[0]) * 1000)
        self._seen = passed, now
        if abs(by) > JUMP_MS:
            telemetry.clock_jumped(by)
            self._steady_from = passed + STEADY_S
        return now


def _words(error: Exception) -> Text:
    """Our own message; of a foreign error only its type, because its text may quote anything."""
    if isinstance(error, BusError):
        return Text(error.message("en"), error.message("zh"))
    name = type(error).__name__
    return Text(f"unexpected: {name}.", f"意外错误: {name}。")
