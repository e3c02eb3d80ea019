"""Duties are done in their time whatever becomes of the others; time is the test's, nothing sleeps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra.control.controller import FIRST_WAIT_S, JUMP_MS, LONGEST_WAIT_S, STEADY_S, Controller, Duty
from infra.runtime import metrics
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.text import Text


class Time:
    """A clock and a stop in one: waiting moves it, and at `until` seconds it is time to stop."""

    def __init__(self, until: float = 0.0) -> None:
        self.seconds, self.ahead_ms, self.until = 0.0, 0, until

    def is_set(self) -> bool:
        return self.seconds >= self.until

    def wait(self, timeout: float) -> bool:
        self.seconds += max(timeout, 0.001)
        return self.is_set()

    def now_ms(self) -> int:
        return 1_000_000 + round(self.seconds * 1000) + self.ahead_ms

    def controller(self, *duties: Duty) -> Controller:
        return Controller(SETTINGS, duties, now_ms=self.now_ms, monotonic=lambda: self.seconds)


SETTINGS = Settings(home=Path("nowhere"))


def noting(
    time: Time, into: list[float], fails: Callable[[], bool] = lambda: False
) -> Callable[[Settings, int], object]:
    def run(settings: Settings, now_ms: int) -> object:
        assert settings is SETTINGS
        assert now_ms == time.now_ms()
        into.append(time.seconds)
        if fails():
            raise TransientError(Text("out of reach.", "不可达。"))
        return ()

    return run


def count(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_every_duty_is_done_at_once_and_then_in_its_own_time() -> None:
    time, often, rarely = Time(until=10.5), [], []  # type: ignore[var-annotated]
    time.controller(Duty("t.often", 2, noting(time, often)), Duty("t.rarely", 5, noting(time, rarely))).run(time)
    assert often == [0, 2, 4, 6, 8, 10]
    assert rarely == [0, 5, 10]


def test_a_duty_that_fails_is_logged_counted_and_tried_again_after_longer_and_longer_waits() -> None:
    time, bad, good = Time(until=400), [], []  # type: ignore[var-annotated]
    with capture_logs() as lines:
        time.controller(Duty("t.bad", 5, noting(time, bad, lambda: True)), Duty("t.good", 100, noting(time, good))).run(
            time
        )
    waits = [b - a for a, b in pairwise(bad)]
    assert waits[:4] == [FIRST_WAIT_S, 2, 4, 8]
    assert waits[-1] == LONGEST_WAIT_S == max(waits)
    assert good == [0, 100, 200, 300]
    failures = [line for line in lines if line["event"] == "duty failed"]
    assert [line["duty"] for line in failures] == ["t.bad"] * len(bad)
    assert count("bus_controller_runs_total", duty="t.bad", outcome="failed") == len(bad)
    assert count("bus_controller_runs_total", duty="t.good", outcome="done") == 4


def test_a_duty_that_works_again_goes_on_in_its_own_time_and_its_next_failure_waits_briefly_again() -> None:
    time, seen = Time(until=30), []  # type: ignore[var-annotated]
    outcomes = iter([True, True, False, False, True, False])
    time.controller(Duty("t.mended", 5, noting(time, seen, lambda: next(outcomes, False)))).run(time)
    assert seen == [0, 1, 3, 8, 13, 14, 19, 24, 29]


def test_a_stop_is_heeded_between_two_duties() -> None:
    time, seen = Time(until=1), []  # type: ignore[var-annotated]

    def stopping(_settings: Settings, _now: int) -> object:
        time.seconds = 2
        return ()

    time.controller(Duty("t.first", 5, stopping), Duty("t.second", 5, noting(time, seen))).run(time)
    assert seen == []


def test_once_does_every_duty_and_tells_what_failed_in_both_languages() -> None:
    time, seen = Time(), []  # type: ignore[var-annotated]

    def broken(_settings: Settings, _now: int) -> object:
        raise KeyError("a value of a record")

    runs = time.controller(
        Duty("t.a", 5, broken),
        Duty("t.b", 5, noting(time, seen, lambda: True)),
        Duty("t.c", 5, lambda _s, _n: ("something",)),
    ).once()
    assert [(r.duty, r.outcome, r.did) for r in runs] == [
        ("t.a", "failed", ()),
        ("t.b", "failed", ()),
        ("t.c", "done", ("something",)),
    ]
    assert runs[0].error == Text("unexpected: KeyError.", "意外错误: KeyError。")
    assert runs[1].error == Text("out of reach.", "不可达。")


@pytest.mark.parametrize("by", [JUMP_MS + 1, -JUMP_MS - 1])
def test_after_a_clock_jumped_what_cannot_be_taken_back_rests_until_it_has_run_evenly_for_a_while(by: int) -> None:
    time, final, other = Time(), [], []  # type: ignore[var-annotated]
    doing = time.controller(
        Duty("t.final", 5, noting(time, final), by_the_clock=True), Duty("t.other", 5, noting(time, other))
    )
    before = count("bus_controller_clock_jumps_total")
    assert [r.outcome for r in doing.once()] == ["done", "done"]
    time.ahead_ms = by
    assert [r.outcome for r in doing.once()] == ["rested", "done"]
    time.seconds += STEADY_S - 1
    assert [r.outcome for r in doing.once()] == ["rested", "done"]
    time.seconds += 1
    assert [r.outcome for r in doing.once()] == ["done", "done"]
    assert count("bus_controller_clock_jumps_total") == before + 1


def test_a_clock_that_drifts_a_little_has_not_jumped() -> None:
    time, seen = Time(), []  # type: ignore[var-annotated]
    doing = time.controller(Duty("t.drift", 5, noting(time, seen), by_the_clock=True))
    for _ in range(3):
        time.seconds += 5
        time.ahead_ms += JUMP_MS
        assert [r.outcome for r in doing.once()] == ["done"]
