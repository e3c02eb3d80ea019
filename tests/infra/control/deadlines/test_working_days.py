"""Working days are counted as the State Council's notices of 2024 to 2026 have them, and outside them not at all."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.control.deadlines.working_days import MissingYear, StateCouncil, add_working_days, working_days_between

CALENDAR = StateCouncil()


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    "made_up", ["2024-02-04", "2024-10-12", "2025-01-26", "2025-10-11", "2026-01-04", "2026-02-14", "2026-02-28"]
)
def test_a_weekend_day_that_is_made_up_for_is_a_working_day(made_up: str) -> None:
    assert day(made_up).isoweekday() > 5
    assert CALENDAR.is_working_day(day(made_up))


@pytest.mark.parametrize("free", ["2024-02-12", "2025-10-08", "2026-01-02", "2026-02-16", "2026-02-23", "2026-10-07"])
def test_a_weekday_of_a_holiday_is_none(free: str) -> None:
    assert day(free).isoweekday() < 6
    assert not CALENDAR.is_working_day(day(free))


@pytest.mark.parametrize(
    ("received", "count", "due"),
    [
        ("2026-11-24", 1, "2026-11-25"),
        ("2026-11-24", 10, "2026-12-08"),
        ("2026-11-27", 1, "2026-11-30"),  # a Friday: Monday
        ("2026-11-28", 1, "2026-11-30"),  # received on a Saturday: counting begins on Monday all the same
        ("2026-02-13", 1, "2026-02-14"),  # the Saturday before the Spring Festival is worked
        ("2026-02-13", 2, "2026-02-24"),  # then nine days are free
        ("2026-02-13", 6, "2026-02-28"),  # and the Saturday after is worked
        ("2026-02-13", 10, "2026-03-05"),
        ("2024-12-31", 1, "2025-01-02"),
        ("2025-12-31", 1, "2026-01-04"),  # a Sunday that is worked
        ("2025-12-25", 10, "2026-01-09"),
        ("2024-09-30", 10, "2024-10-18"),
    ],
)
def test_counting_begins_the_working_day_after_receipt(received: str, count: int, due: str) -> None:
    found = add_working_days(day(received), count, CALENDAR)
    assert found == day(due)
    assert working_days_between(day(received), found, CALENDAR) == count


def test_a_day_beyond_the_last_published_year_is_refused_with_the_year_that_is_missing() -> None:
    last = CALENDAR.last_day
    assert not CALENDAR.is_working_day(last - dt.timedelta(days=(last.weekday() - 6) % 7))  # its last Sunday is known
    with pytest.raises(MissingYear) as failed:
        add_working_days(last, 1, CALENDAR)
    assert failed.value.year == last.year + 1
    assert str(last.year + 1) in failed.value.what.en
    assert str(last.year + 1) in failed.value.what.zh
    assert failed.value.hint is not None
    assert "chinesecalendar" in failed.value.hint.en


def test_a_deadline_that_crosses_into_an_unpublished_year_is_refused_though_it_began_in_a_published_one() -> None:
    with pytest.raises(MissingYear):
        add_working_days(CALENDAR.last_day - dt.timedelta(days=5), 10, CALENDAR)


def test_a_day_before_the_first_year_is_refused_too() -> None:
    assert CALENDAR.first_day == dt.date(2004, 1, 1)
    with pytest.raises(MissingYear, match="2003"):
        CALENDAR.is_working_day(dt.date(2003, 12, 31))


def test_no_working_days_are_no_deadline() -> None:
    with pytest.raises(ValueError, match="end nowhere"):
        add_working_days(day("2026-11-24"), 0, CALENDAR)
