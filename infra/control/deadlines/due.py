"""What is due in a case: per step who has to do what by when, and who hears of it when it is late. Pure: the case, the rules, the
calendar and the time are arguments, and every time in a case is the broker's.

    reply       a provider's word on the grants it was asked for (Art. 21): unconditional 1 day, conditional 10 and extensions
    supplement  the applicant's answer to the one request for supplements; while it is awaited the clock of the reply stands
    delivery    from consent until the grant is in force (Art. 22)

The applicant's own signature and the data bureau's check of form have no time of their own: they happen within the reply's.
Overdue, it is the sharing authority's (Art. 28); if that has mediated after the day it was due and it still is, the government's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal, NamedTuple

from infra.control.applications.case import Case
from infra.control.deadlines.clock import Reading, Turn, days_taken, read_clock
from infra.control.deadlines.rules import Rules
from infra.control.deadlines.working_days import Calendar, MissingYear, working_days_between
from schemas.clock import shanghai_date
from schemas.text import Text

StepName = Literal["reply", "supplement", "delivery"]


@dataclass(frozen=True, slots=True)
class Due:
    """One step of one application that one department has to take, for all grants that share its clock.

    department     who has to act
    applicant      whose application it is
    conditional    whether the grants are of conditionally shared resources; None for a supplement
    received       the day counting began after
    allowed        working days in all, extensions included; None where no law sets a time
    due            the last day in time; None while the clock stands, where no law sets one, or for `problem`
    days_left      working days after today until then, negative when late; 0: today is the last
    took           working days it took, if it is done
    paused_since   the day the clock was stopped, if it stands
    overdue        the day has passed, or had when it was done
    escalated_to   whose it is now, while it is overdue: the sharing authority's, then the government's
    missing_year   the year whose calendar is missing, because of which `due`, `days_left` or `took` is not known
    """

    application: str
    step: StepName
    state: Literal["open", "paused", "done"]
    department: str
    applicant: str
    conditional: bool | None
    grants: tuple[str, ...]
    received: dt.date
    allowed: int | None = None
    extended_by: int = 0
    due: dt.date | None = None
    days_left: int | None = None
    took: int | None = None
    paused_since: dt.date | None = None
    overdue: bool = False
    escalated_to: Literal["authority", "government"] | None = None
    missing_year: int | None = None
    problem: Text | None = field(default=None, repr=False)


class Judged(NamedTuple):
    """What is due in a case, and by how many milliseconds the asker's clock was behind the case's last step (0: it was not)."""

    due: tuple[Due, ...]
    behind_ms: int


class _Group(NamedTuple):
    """What grants of one case share that are due together."""

    step: StepName
    department: str
    conditional: bool
    received: dt.date
    done: dt.date | None


def due_in(
    case: Case, rules: Rules, calendar: Calendar, now_ms: int, opened: Mapping[str, int] | None = None
) -> Judged:
    """What is due in a case at `now_ms`, done steps included, by step, department and day.

    opened   when each of its grants came into force first (milliseconds since 1970 UTC), by grant id
    A time before the case's last step is taken as that step's, and said. A day outside the calendar makes its own step say
    so (`missing_year`), and no other.
    """
    now = max(now_ms, case.history[-1].at) if case.history else now_ms
    mediated = [shanghai_date(s.at) for s in case.history if s.deed == "mediated"]
    judge = _Judge(case, rules, calendar, shanghai_date(now), _turns(case), mediated[-1] if mediated else None)
    found = sorted([*_replies(case), *_deliveries(case, opened or {}, judge.today)], key=_order)
    rows = [judge.due(group, tuple(g for _, g in same)) for group, same in groupby(found, key=lambda f: f[0])]
    return Judged((*_supplement(case), *rows), now - now_ms)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Reads the clocks of one case."""

    case: Case
    rules: Rules
    calendar: Calendar
    today: dt.date
    turns: tuple[Turn, ...]
    mediated: dt.date | None

    def due(self, group: _Group, grants: tuple[str, ...]) -> Due:
        """A row. What its clock needs a missing calendar for stays unknown, and the row says so."""
        state: Literal["open", "done"] = "open" if group.done is None else "done"
        who = (group.department, self.case.department)
        row = Due(self.case.application.id, group.step, state, *who, group.conditional, grants, group.received)
        try:
            clock = self._clock(group)
            row = replace(row, allowed=clock.allowed, extended_by=clock.extended_by)
            return self._open(row, clock) if group.done is None else self._done(row, group, clock, group.done)
        except MissingYear as missing:
            return _unknown(row, missing)

    def _clock(self, group: _Group) -> Reading:
        turns, most = self._turns(group), 0
        if group.step == "delivery":
            days = self.rules.delivery
        elif group.conditional:
            days, most = self.rules.conditional_reply, self.rules.extension
        else:
            days = self.rules.unconditional_reply
        return read_clock(group.received, days, turns, self.calendar, most=most)

    def _turns(self, group: _Group) -> tuple[Turn, ...]:
        if group.step == "delivery":
            return ()
        return tuple(t for t in self.turns if group.done is None or t.on <= group.done)

    def _done(self, row: Due, group: _Group, clock: Reading, done: dt.date) -> Due:
        took = days_taken(group.received, done, self._turns(group), self.calendar)
        return replace(row, took=took, overdue=clock.over(done, self.calendar))

    def _open(self, row: Due, clock: Reading) -> Due:
        if clock.stopped_since is not None:
            return replace(row, state="paused", paused_since=clock.stopped_since)
        due = clock.due(self.calendar)
        assert due is not None
        row = replace(row, due=due)
        if due >= self.today:
            return replace(row, days_left=working_days_between(self.today, due, self.calendar))
        row = replace(row, overdue=True, escalated_to=self._escalated(due))
        try:
            return replace(row, days_left=-working_days_between(due, self.today, self.calendar))
        except MissingYear as missing:
            return _unknown(row, missing)

    def _escalated(self, due: dt.date) -> Literal["authority", "government"]:
        return "government" if self.mediated is not None and self.mediated > due else "authority"


def _unknown(row: Due, missing: MissingYear) -> Due:
    return replace(row, missing_year=missing.year, problem=missing.what)


def _order(found: tuple[_Group, str]) -> tuple[object, ...]:
    group, grant = found
    done = group.done or dt.date.min
    return (group.step != "reply", group.department, group.conditional, group.received, done, grant)


def _replies(case: Case) -> Iterator[tuple[_Group, str]]:
    submitted = next((shanghai_date(s.at) for s in case.history if s.deed == "submitted"), None)
    if submitted is None:
        return
    for grant, item in case.items.items():
        said = item.decisions.get("provider")
        if said is None and (case.status == "withdrawn" or item.outcome != "open"):
            continue  # nobody wants to know any more
        done = None if said is None else max(shanghai_date(said.at), submitted)
        yield _Group("reply", item.asked.provider, not item.unconditional, submitted, done), grant


def _deliveries(case: Case, opened: Mapping[str, int], today: dt.date) -> Iterator[tuple[_Group, str]]:
    for grant, item in case.items.items():
        at = opened.get(grant)
        over = case.status == "withdrawn" or item.asked.grant.valid.until < today
        if item.outcome != "approved" or (at is None and over):
            continue  # nothing to deliver, or nobody who may have it any more
        consent = shanghai_date(max(d.at for d in item.decisions.values()))
        done = None if at is None else max(shanghai_date(at), consent)
        yield _Group("delivery", item.asked.provider, not item.unconditional, consent, done), grant


def _supplement(case: Case) -> Iterator[Due]:
    asked = [shanghai_date(s.at) for s in case.history if s.deed == "supplement_requested"]
    if case.status == "supplement_requested" and asked:
        who = (case.department, case.department)
        yield Due(case.application.id, "supplement", "open", *who, None, tuple(sorted(case.items)), asked[-1])


def _turns(case: Case) -> tuple[Turn, ...]:
    """What stopped, continued and prolonged the reply's clock since it began."""
    out: list[Turn] = []
    begun = False
    for step in case.history:
        on = shanghai_date(step.at)
        if step.deed == "submitted" and begun:
            out.append(Turn(on, "go"))
        elif step.deed == "supplement_requested":
            out.append(Turn(on, "stop"))
        elif step.deed == "extended":
            out.append(Turn(on, "extend", step.days))
        begun = begun or step.deed == "submitted"
    return tuple(out)


def late_first(rows: Iterable[Due]) -> list[Due]:
    """The rows as people want them: late ones first, then by the day they are due, those without one last."""
    return sorted(rows, key=lambda d: (d.state == "done", not d.overdue, d.due or dt.date.max, d.application, d.step))
