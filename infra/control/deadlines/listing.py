"""Deadlines of all applications: the log of acts and the control log, read and judged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from infra.control.applications.case import Cases
from infra.control.deadlines.due import Due, due_in, late_first
from infra.control.deadlines.rules import Rules, read_rules
from infra.control.deadlines.working_days import Calendar, MissingYear, StateCouncil
from infra.runtime.settings import Settings
from schemas.policy_state import GrantInForce, PolicyState


@dataclass(frozen=True, slots=True)
class Deadlines:
    """What is due everywhere.

    at       the time it was judged at, milliseconds since 1970 UTC
    due      every step, done ones included; late ones first, then by day
    open     applications that somebody still has to do something for, by status
    behind   applications whose last step lies after `at` (this host's clock is behind the broker's), with milliseconds
    """

    at: int
    due: tuple[Due, ...]
    open: Mapping[str, int] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing_years(self) -> tuple[int, ...]:
        """Years whose calendar would be needed."""
        return tuple(sorted({d.missing_year for d in self.due if d.missing_year is not None}))


def judge_all(cases: Cases, policy: PolicyState, rules: Rules, calendar: Calendar, now_ms: int) -> Deadlines:
    """What is due in `cases` at `now_ms`. Pure."""
    opened = _opened(policy)
    rows: list[Due] = []
    statuses: Counter[str] = Counter()
    behind: dict[str, int] = {}
    for name, case in cases.cases.items():
        judged = due_in(case, rules, calendar, now_ms, opened.get(name))
        rows += judged.due
        if judged.behind_ms:
            behind[name] = judged.behind_ms
        if any(d.state != "done" for d in judged.due):
            statuses[case.status] += 1
    return Deadlines(now_ms, tuple(late_first(rows)), dict(statuses), behind)


def list_deadlines(
    settings: Settings,
    *,
    overdue: bool = False,
    done: bool = False,
    department: str | None = None,
    now_ms: int | None = None,
    calendar: Calendar | None = None,
) -> Deadlines:
    """The steps somebody has to take; late ones first.

    overdue      only steps that are late
    done         also steps that were taken
    department   only steps this department has to take, or of its own applications
    Raises ConfigError for a rules file that is wrong, TransientError if the cluster is out of reach.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    rules = read_rules(settings.deadlines)
    found = judge_all(*read_logs(settings), rules, calendar or StateCouncil(), now)
    rows = tuple(
        d
        for d in found.due
        if (done or d.state != "done")
        and (d.overdue or not overdue)
        and (department is None or department in (d.department, d.applicant))
    )
    return replace(found, due=rows)


def read_logs(settings: Settings) -> tuple[Cases, PolicyState]:
    """Applications and grants as their logs have them now. TransientError if the cluster is out of reach."""
    from infra.control.applications.log import ApplicationsReader
    from infra.runtime.policy_log import PolicyReader

    with ApplicationsReader(settings) as acts, PolicyReader(settings) as log:
        return acts.read_to_end(), log.read_to_end()


def check_calendar(found: Deadlines, calendar: Calendar | None = None) -> None:
    """Raises MissingYear if a deadline in `found` could not be worked out: to be called once the others are told."""
    if found.missing_years:
        raise MissingYear(found.missing_years[0], calendar or StateCouncil())


def _opened(policy: PolicyState) -> dict[str, dict[str, int]]:
    """When the grants of each application came into force first."""
    out: dict[str, dict[str, int]] = {}
    for g in _every(policy):
        if g.approval is not None:
            grants = out.setdefault(g.approval.application, {})
            grants[g.grant.id] = min(g.opened_at, grants.get(g.grant.id, g.opened_at))
    return out


def _every(policy: PolicyState) -> Iterator[GrantInForce]:
    yield from policy.ended
    yield from policy.grants.values()
