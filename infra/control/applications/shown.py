"""Applications as facts, for lists and for one in full. What became of a grant after its approval is read from the control log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from infra.control.applications.case import Case, Item, Step
from infra.control.applications.cases import case_of
from infra.control.applications.log import read_cases
from infra.control.listing import state
from infra.control.ordering import proves
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers, signers_of
from schemas.approval import Side
from schemas.clock import end_of_day_ms
from schemas.policy_state import GrantInForce, PolicyState

GrantStatus = Literal["open", "approved", "refused", "withdrawn", "granted", "suspended", "terminated", "expired"]
"""open, approved, refused, withdrawn: as the acts say. The others: what the control log says of the grant."""


@dataclass(frozen=True, slots=True)
class WordFacts:
    """One side's word on a grant. `by` None: the law's, of what is shared unconditionally."""

    approved: bool
    by: str | None
    at: int
    standing: str | None
    reason: str
    article: str


@dataclass(frozen=True, slots=True)
class FenceFacts:
    """A generation that ended: nothing of it is at or after these offsets."""

    generation: int
    topic: str
    reason: str | None
    ended_at: int | None
    offsets: Mapping[int, int] | None


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One grant of an application."""

    grant: str
    subscriber: str
    provider: str
    resource: str
    status: GrantStatus
    words: Mapping[Side, WordFacts]
    topic: str | None = None
    fences: tuple[FenceFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """Who stopped grants, or let them go on, in one command.

    what      the reason of an end, `lifted` or `resumed`
    capacity  on whose behalf; None where no signers were known, and of what time or a machine ended
    proven    whether every signature is of exactly this and by whom it names, as far as the signers known here tell
    """

    at: int
    what: str
    by: str
    department: str | None
    capacity: str | None
    proven: bool | None
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """An application. `status`: of its acts until it is approved, then of its grants, if all have the same."""

    application: str
    title: str
    department: str
    filed_by: str
    status: str
    submitted_at: int | None
    grants: Mapping[str, int]
    """How many grants have which status."""
    items: tuple[ItemFacts, ...] = ()
    history: tuple[Step, ...] = ()
    orders: tuple[OrderFacts, ...] = ()
    """By time: what became of its grants, as the control log says."""


def list_applications(
    settings: Settings, *, status: str | None = None, now_ms: int | None = None
) -> list[ApplicationFacts]:
    """All applications by id, or those of one status; without their grants and history."""
    now = int(time.time() * 1000) if now_ms is None else now_ms
    signers = signers_of(settings)
    cases, policy = read_cases(settings, signers), _Policy(state(settings), signers, now)
    every = (application_facts(case, policy, whole=False) for _, case in sorted(cases.cases.items()))
    return [a for a in every if status is None or a.status == status or status in a.grants]


def show_application(settings: Settings, application: str, *, now_ms: int | None = None) -> ApplicationFacts:
    """One in full: its grants with their fences, and who did what when. ConfigError if there is none."""
    now = int(time.time() * 1000) if now_ms is None else now_ms
    signers = signers_of(settings)
    case = case_of(read_cases(settings, signers), application)
    return application_facts(case, _Policy(state(settings), signers, now), whole=True)


class _Policy:
    """The control log's state, asked by grant."""

    def __init__(self, policy: PolicyState, signers: Signers, now: int) -> None:
        self._policy, self._now, self.signers = policy, now, signers
        self._former: dict[str, list[GrantInForce]] = {}
        for old in policy.ended:
            self._former.setdefault(old.grant.id, []).append(old)

    def of(self, grant: str) -> tuple[GrantInForce | None, list[GrantInForce]]:
        """Its newest generation, and all that have ended."""
        now = self._policy.grants.get(grant)
        former = self._former.get(grant, [])
        return now, [*former, now] if now is not None and now.ended is not None else former

    def status(self, grant: GrantInForce) -> GrantStatus:
        """What it is now."""
        if grant.end_reason == "suspended":
            return "suspended"
        if grant.end_reason == "expired":
            return "expired"
        if grant.ended is not None:
            return "terminated"
        return "expired" if end_of_day_ms(grant.grant.valid.until) < self._now else "granted"


def application_facts(case: Case, policy: _Policy, *, whole: bool) -> ApplicationFacts:
    """A case and what became of its grants."""
    items = [_item(case, item, policy) for item in case.items.values()]
    counts = Counter(i.status for i in items)
    submitted = next((s.at for s in case.history if s.deed == "submitted"), None)
    return ApplicationFacts(
        case.application.id,
        case.application.title,
        case.department,
        case.filed_by,
        _status(case, counts),
        submitted,
        dict(sorted(counts.items())),
        tuple(items) if whole else (),
        case.history if whole else (),
        tuple(_orders(case, policy)) if whole else (),
    )


def _status(case: Case, counts: Counter[GrantStatus]) -> str:
    """Approved in part stays that; of what is approved in whole the grants say how it goes on."""
    if case.status == "approved" and len(counts) == 1:
        return next(iter(counts))
    return case.status


def _item(case: Case, item: Item, policy: _Policy) -> ItemFacts:
    grant = item.asked.grant
    newest, ended = _generations(case, grant.id, policy)
    status: GrantStatus = policy.status(newest) if newest is not None else _undone(case, item)
    return ItemFacts(
        grant.id,
        grant.subscriber,
        item.asked.provider,
        grant.resource,
        status,
        dict(_words(item)),
        newest.topic if newest is not None else None,
        tuple(FenceFacts(g.generation, g.topic, g.end_reason, g.ended_at, g.fence) for g in ended),
    )


def _generations(case: Case, grant: str, policy: _Policy) -> tuple[GrantInForce | None, list[GrantInForce]]:
    newest, ended = policy.of(grant)
    if newest is not None and newest.approval is not None and newest.approval.application != case.application.id:
        return None, []  # another application's, or one of a file, that has the same id
    return newest, ended


def _orders(case: Case, policy: _Policy) -> list[OrderFacts]:
    """What was ordered of many grants at once is one fact."""
    found: dict[tuple[int, str, str, str | None, str | None, bool | None], list[str]] = {}
    for name in case.items:
        newest, ended = _generations(case, name, policy)
        live = [newest] if newest is not None and newest.ended is None else []
        for grant in [*ended, *live]:
            for done in grant.done:
                ordered = done.ordered
                department = ordered.department if ordered else None
                proven = proves(grant, done, policy.signers)
                found.setdefault((done.at, done.what, done.by, department, done.capacity, proven), []).append(name)
    return [OrderFacts(*what, tuple(grants)) for what, grants in sorted(found.items(), key=lambda one: one[0][0])]


def _undone(case: Case, item: Item) -> GrantStatus:
    return "withdrawn" if case.status == "withdrawn" else item.outcome


def _words(item: Item) -> Iterator[tuple[Side, WordFacts]]:
    for side, d in item.decisions.items():
        standing = d.standing.standing if d.standing is not None else None
        yield side, WordFacts(d.approved, d.by, d.at, standing, d.reason, d.article)
