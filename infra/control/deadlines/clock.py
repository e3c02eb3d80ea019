"""One statutory clock: when it began, what stopped and what prolonged it, and so when it ends. Pure; days are working days.

A working day counts if the clock runs through the whole of it. So neither the day of receipt counts, nor that of a request for
supplements, nor that of the answer: as on receipt, counting goes on with the working day after.
What comes when the time is over already changes nothing any more: a request for supplements or an extension cannot heal a
reply that is late.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from infra.control.deadlines.working_days import Calendar, add_working_days, working_days_between

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that happened to a clock: it was stopped, went on, or got `days` more."""

    on: dt.date
    what: Literal["stop", "go", "extend"]
    days: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock as it stands.

    received      the day counting began after
    allowed       days in all, extensions included
    extended_by   of these, by extensions
    stopped_since the day it was stopped, if it is stopped now
    left          days left after `since`, or when it was stopped
    since         counting goes on after this day
    """

    received: dt.date
    allowed: int
    left: int
    since: dt.date
    extended_by: int = 0
    stopped_since: dt.date | None = None

    def due(self, calendar: Calendar) -> dt.date | None:
        """The last day in time; None while it is stopped. Raises MissingYear if that lies outside the calendar."""
        return None if self.stopped_since else add_working_days(self.since, self.left, calendar)

    def over(self, day: dt.date, calendar: Calendar) -> bool:
        """Whether the time was over before `day`. Raises MissingYear if `day` lies outside the calendar."""
        return self.stopped_since is None and working_days_between(self.since, day - _DAY, calendar) >= self.left


def read_clock(received: dt.date, days: int, turns: Sequence[Turn], calendar: Calendar, *, most: int = 0) -> Reading:
    """The clock of a step that may take `days`, after `turns` in their order; extensions count up to `most` days together.

    Raises MissingYear if a day it had to look at lies outside the calendar.
    """
    clock = Reading(received, days, left=days, since=received)
    for turn in turns:
        if clock.over(turn.on, calendar):
            break
        clock = _turned(clock, turn, calendar, most)
    return clock


def _turned(clock: Reading, turn: Turn, calendar: Calendar, most: int) -> Reading:
    if turn.what == "stop" and clock.stopped_since is None:
        spent = working_days_between(clock.since, turn.on - _DAY, calendar)
        return replace(clock, left=clock.left - spent, stopped_since=turn.on)
    if turn.what == "go" and clock.stopped_since is not None:
        return replace(clock, since=turn.on, stopped_since=None)
    if turn.what == "extend":
        more = min(turn.days, most - clock.extended_by)
        return replace(
            clock, allowed=clock.allowed + more, extended_by=clock.extended_by + more, left=clock.left + more
        )
    return clock


def days_taken(received: dt.date, done: dt.date, turns: Sequence[Turn], calendar: Calendar) -> int:
    """Days that counted until `done`, the day it was done included unless the clock stood. Raises MissingYear."""
    taken, since, running = 0, received, True
    for turn in (t for t in turns if t.on <= done):
        if turn.what == "stop" and running:
            taken, running = taken + working_days_between(since, turn.on - _DAY, calendar), False
        elif turn.what == "go" and not running:
            since, running = turn.on, True
    return taken + (working_days_between(since, done, calendar) if running else 0)
