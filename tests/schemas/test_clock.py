"""Days of Chinese civil time have a first and a last millisecond, the first and the last day of all included."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.clock import end_of_day_ms, shanghai_date, start_of_day_ms
from schemas.grant import Validity


@given(st.dates(max_value=dt.date(9999, 12, 30)))
@settings(deadline=None)
def test_a_day_ends_where_the_next_begins(day: dt.date) -> None:
    assert end_of_day_ms(day) + 1 == start_of_day_ms(day + dt.timedelta(days=1))


@given(st.dates(min_value=dt.date(1950, 1, 1), max_value=dt.date(9999, 12, 30)))
@settings(deadline=None)
def test_both_ends_of_a_day_are_of_that_day(day: dt.date) -> None:
    assert shanghai_date(start_of_day_ms(day)) == shanghai_date(end_of_day_ms(day)) == day


@pytest.mark.parametrize("until", ["2026-12-31", "9999-12-31"])
def test_a_grant_may_be_valid_until_the_last_day_there_is(until: str) -> None:
    valid = Validity.model_validate({"from": "0001-01-01", "until": until})
    last = end_of_day_ms(dt.date.fromisoformat(until))
    assert valid.covers(last)
    assert not valid.covers(last + 1)
    assert valid.covers(start_of_day_ms(dt.date.min))
