"""The clock agrees with somebody who crosses off days in a wall calendar, one by one."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from infra.control.deadlines.clock import Turn, days_taken, read_clock
from infra.control.deadlines.working_days import StateCouncil

CALENDAR = StateCouncil()
DAY = dt.timedelta(days=1)
FAR = dt.date(2026, 6, 30)


@st.composite
def histories(draw: st.DrawFn) -> tuple[dt.date, int, list[Turn]]:
    """A day of receipt in 2024 or 2025, days allowed, and what happened to the clock afterwards, in order."""
    received = draw(st.dates(dt.date(2024, 1, 1), dt.date(2025, 12, 31)))
    turns, on = [], received
    for gap in draw(st.lists(st.integers(0, 12), max_size=5)):
        on += gap * DAY
        what = draw(st.sampled_from(["stop", "go", "extend"]))
        turns.append(Turn(on, what, draw(st.integers(1, 10)) if what == "extend" else 0))  # type: ignore[arg-type]
    return received, draw(st.sampled_from([1, 10, 20])), turns


def crossed_off(received: dt.date, days: int, turns: list[Turn], most: int) -> tuple[dt.date | None, int]:
    """Day by day: the last day in time (None: the clock stands for ever), and the days allowed."""
    used, running, extended, today, waiting = 0, True, 0, received, list(turns)
    while today <= FAR:
        whole = running and today > received
        while waiting and waiting[0].on == today:
            turn = waiting.pop(0)
            if turn.what == "extend":
                extended = min(extended + turn.days, most)
            else:
                running = turn.what == "go"
                whole = False if turn.what == "stop" else whole
        if whole and CALENDAR.is_working_day(today):
            used += 1
            if used == days + extended:
                return today, days + extended
        today += DAY
    assert not running
    return None, days + extended


@given(histories(), st.sampled_from([0, 10]))
def test_the_last_day_is_the_one_a_person_would_find(history: tuple[dt.date, int, list[Turn]], most: int) -> None:
    received, days, turns = history
    clock = read_clock(received, days, turns, CALENDAR, most=most)
    assert (clock.due(CALENDAR), clock.allowed) == crossed_off(received, days, turns, most)


@given(histories(), st.integers(0, 60))
def test_a_reply_is_late_exactly_when_its_day_is_after_the_last_one(
    history: tuple[dt.date, int, list[Turn]], after: int
) -> None:
    received, days, turns = history
    done = received + after * DAY
    before = [t for t in turns if t.on <= done]
    clock = read_clock(received, days, before, CALENDAR)
    due = clock.due(CALENDAR)
    assert clock.over(done, CALENDAR) == (due is not None and due < done)
    if not clock.over(done, CALENDAR):
        assert days_taken(received, done, before, CALENDAR) <= clock.allowed
