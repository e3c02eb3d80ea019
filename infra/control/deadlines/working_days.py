"""Working days as the State Council's yearly notice has them: weekends and holidays are free, days made up for (调休) are not.

Pure but for the library that holds the notices. Dates are dates in Asia/Shanghai. No day outside the published years is ever
guessed: whoever asks for one is told which year is missing.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Protocol

import chinese_calendar
from chinese_calendar import constants

from schemas.errors import ConfigError
from schemas.text import Text

_DAY = dt.timedelta(days=1)


class Calendar(Protocol):
    """Which days are working days, from `first_day` to `last_day`. Pure, and cheap enough to be asked per day."""

    @property
    def first_day(self) -> dt.date:
        """The first day it knows."""

    @property
    def last_day(self) -> dt.date:
        """The last day it knows."""

    def is_working_day(self, day: dt.date) -> bool:
        """Whether offices work on `day`. Raises MissingYear outside what it knows."""


class MissingYear(ConfigError):
    """The notice of `year` is not in the calendar."""

    def __init__(self, year: int, calendar: Calendar) -> None:
        first, last = calendar.first_day.year, calendar.last_day.year
        super().__init__(
            Text(
                f"the working days of {year} are not known: the calendar here holds the State Council's notices "
                f"of {first} to {last}, and nothing is guessed.",
                f"缺少 {year} 年工作日历: 现有国务院节假日安排为 {first} 至 {last} 年, 不作推测。",
            ),
            where=f"working days {year}",
            hint=Text(
                "Once the notice is published, upgrade the package chinesecalendar.",
                "待节假日安排公布后, 请升级 chinesecalendar 包。",
            ),
        )
        self.year = year


class StateCouncil:
    """The notices as the installed package `chinesecalendar` holds them.

    A notice may still change the last days of the year before it (2018-12-29 and -31 were changed so). Due dates are worked
    out whenever they are asked for and stored nowhere, so an upgrade of the package corrects them.
    """

    def __init__(self) -> None:
        known = constants.holidays.keys() | constants.workdays.keys()
        self._first = dt.date(min(known).year, 1, 1)
        self._last = dt.date(max(constants.holidays).year, 12, 31)

    @property
    def first_day(self) -> dt.date:
        """New Year of the first year with a notice."""
        return self._first

    @property
    def last_day(self) -> dt.date:
        """The last day of the last year with a notice."""
        return self._last

    def is_working_day(self, day: dt.date) -> bool:
        """Whether offices work on `day`. Raises MissingYear outside the years with a notice."""
        if not self._first <= day <= self._last:
            raise MissingYear(day.year, self)
        return _is_workday(day)


@cache  # a few thousand days at most, each asked for by every application
def _is_workday(day: dt.date) -> bool:
    return bool(chinese_calendar.is_workday(day))


def add_working_days(start: dt.date, count: int, calendar: Calendar) -> dt.date:
    """The `count`-th working day after `start` (at least 1): counting begins the working day after receipt.

    Raises MissingYear if that day, or one on the way, lies outside the calendar.
    """
    if count < 1:
        raise ValueError(f"{count} working days end nowhere")
    day = start
    while count:
        day += _DAY
        count -= calendar.is_working_day(day)
    return day


def working_days_between(after: dt.date, until: dt.date, calendar: Calendar) -> int:
    """How many working days lie after `after` and not after `until`; 0 if `until` is no later. Raises MissingYear."""
    days = (until - after).days
    return sum(calendar.is_working_day(after + n * _DAY) for n in range(1, days + 1))
