"""Deadlines as Prometheus sees them: what is over is gone, not frozen."""

from __future__ import annotations

import datetime as dt

from infra.control import telemetry
from infra.control.applications.case import Cases
from infra.control.deadlines.listing import judge_all
from infra.control.deadlines.rules import STATUTE
from infra.runtime import metrics
from schemas.clock import end_of_day_ms
from schemas.policy_state import PolicyState
from tests.infra.control.deadlines.cases import CALENDAR, case, item, ms, step


def value(name: str, **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, labels)


def see(now: str, **cases: object) -> None:
    telemetry.deadlines_seen(judge_all(Cases(cases), PolicyState(), STATUTE, CALENDAR, ms(now)))  # type: ignore[arg-type]


def test_open_late_and_unknown_steps_are_counted_by_department_and_step() -> None:
    late = case(step("2026-11-02", "submitted"), items=(item("a.1"), item("a.2", provider="gongan")), name="a")
    open_ = case(step("2026-11-20", "submitted"), items=(item("b.1"),), name="b")
    paused = case(
        step("2026-11-20", "submitted"),
        step("2026-11-20", "supplement_requested"),
        items=(item("c.1"),),
        name="c",
        status="supplement_requested",
    )
    see("2026-11-24", a=late, b=open_, c=paused)
    assert value("bus_open_applications", state="submitted") == 2
    assert value("bus_open_applications", state="supplement_requested") == 1
    assert value("bus_open_deadlines", department="scjg", stage="reply") == 3
    assert value("bus_open_deadlines", department="shuiwu", stage="supplement") == 1
    assert value("bus_overdue_deadlines", department="scjg", stage="reply") == 1
    assert value("bus_overdue_deadlines", department="gongan", stage="reply") == 1
    ends = end_of_day_ms(dt.date(2026, 11, 16)) / 1000
    assert value("bus_next_deadline_timestamp_seconds", department="scjg", stage="reply") == ends


def test_what_is_over_is_shown_no_more() -> None:
    late = case(step("2026-11-02", "submitted"), items=(item("a.1"),), name="a")
    see("2026-11-24", a=late)
    see("2026-11-24")
    for name in ("bus_open_deadlines", "bus_overdue_deadlines", "bus_next_deadline_timestamp_seconds"):
        assert value(name, department="scjg", stage="reply") is None
    assert value("bus_open_applications", state="submitted") is None


def test_a_missing_calendar_is_counted() -> None:
    see("2026-12-28", a=case(step("2026-12-28", "submitted"), items=(item("a.1"),), name="a"))
    assert value("bus_unknown_deadlines", department="scjg", stage="reply") == 1
