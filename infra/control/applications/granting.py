"""What both sides have approved is granted: opened in the control log with its approval, a thousand in one append."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.control import topics
from infra.control.applications.case import Cases, Decision, Item
from infra.control.applications.log import read_cases
from infra.control.apply import apply_documents
from infra.control.documents import Documents
from infra.control.facts import GrantApplied
from infra.control.listing import state
from infra.control.plan import make_plan
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers, signers_of
from infra.runtime.turn import Overtaken
from schemas.approval import Approval, Countersign
from schemas.clock import shanghai_date
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy import compile_view

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Granted:
    """opened: what was granted now. blocked: what is approved and cannot be granted, with the reason, by grant."""

    opened: tuple[GrantApplied, ...]
    blocked: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Approved:
    """A grant that both sides approved, as it will be opened."""

    grant: Grant
    view: str
    provider: str
    approval: Approval


def grant_approved(
    settings: Settings,
    applications: Collection[str] | None = None,
    *,
    by: str = "bus",
    now_ms: int | None = None,
    told: Callable[[Text], None] = lambda text: None,
) -> Granted:
    """Open what is approved and was never opened, of these applications or of all. Doing it again changes nothing.

    A grant that cannot be opened (its contract changed since, its time is over, a rule on combinations forbids it) stays
    approved, is reported, and keeps none of the others from being opened. What has ended is never opened again.
    Raises Overtaken if other commands were faster five times, TransientError if something is out of reach: run it again.
    """
    now = int(time.time() * 1000) if now_ms is None else now_ms
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _grant(settings, applications, by, now, told)
        except Overtaken:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def approved_grants(cases: Cases, applications: Collection[str] | None = None) -> Iterator[Approved]:
    """Every grant that both sides approved, of applications that were not withdrawn."""
    for name, case in sorted(cases.cases.items()):
        if case.status != "withdrawn" and (applications is None or name in applications):
            for item in case.items.values():
                if item.outcome == "approved":
                    yield Approved(item.asked.grant, item.asked.view, item.asked.provider, _approval(name, item))


def _approval(application: str, item: Item) -> Approval:
    subscriber = _countersign(item.decisions["subscriber"])
    assert subscriber is not None  # only the provider's word may be the law's
    return Approval(application=application, provider=_countersign(item.decisions["provider"]), subscriber=subscriber)


def _countersign(word: Decision) -> Countersign | None:
    if word.by is None:
        return None
    assert word.signature is not None
    return Countersign(by=word.by, signature=word.signature, standing=word.standing)


def _grant(
    settings: Settings,
    applications: Collection[str] | None,
    by: str,
    now: int,
    told: Callable[[Text], None],
) -> Granted:
    signers = signers_of(settings)
    waiting = list(approved_grants(read_cases(settings, signers), applications))
    policy = state(settings) if waiting else PolicyState()
    taken = {a.grant.id: _TAKEN for a in waiting if _is_taken(policy.grants.get(a.grant.id), a)}
    waiting = [a for a in waiting if a.grant.id not in policy.grants]
    if not waiting:
        return Granted((), taken)
    trial = _Trial(settings, policy, signers, now)
    trial.blocked |= taken
    trial.add(waiting)
    if not trial.fit:
        return Granted((), trial.blocked)
    count = len(trial.fit)
    told(Text(f"opening {count} grants with their topics.", f"正在开通 {count} 项授权及其主题。"))
    applied = apply_documents(settings, _documents(trial.fit), by=by, now_ms=now, told=told)
    opened = tuple(a.fact for a in applied if isinstance(a.fact, GrantApplied))
    return Granted(opened, trial.blocked)


_TAKEN = Text(
    "another grant has this id, which did not come from this application.", "该编号已被其他授权使用, 并非出自本申请。"
)


def _is_taken(there: GrantInForce | None, wanted: Approved) -> bool:
    if there is None:
        return False
    return there.approval is None or there.approval.application != wanted.approval.application


class _Trial:
    """Finds out which of many grants can be opened together. One that cannot is found by halving."""

    def __init__(self, settings: Settings, policy: PolicyState, signers: Signers, now: int) -> None:
        self._policy, self._signers, self._today = policy, signers, shanghai_date(now)
        self._existing = topics.partition_counts(admin(settings))
        self.fit: list[Approved] = []
        self.blocked: dict[str, Text] = {}

    def add(self, some: Sequence[Approved]) -> None:
        """Judge `some` beside those that fit."""
        try:
            for one in some:
                self._unchanged(one)
            make_plan(self._policy, _documents([*self.fit, *some]), self._existing, self._today, self._signers)
        except ConfigError as error:
            if len(some) == 1:
                self.blocked[some[0].grant.id] = error.what
                return
            half = len(some) // 2
            self.add(some[:half])
            self.add(some[half:])
        else:
            self.fit += some

    def _unchanged(self, one: Approved) -> None:
        """ConfigError unless the contract in force still is what both sides looked at."""
        known = self._policy.contracts.get(one.grant.resource)
        if known is None:
            return  # the plan says so
        resource = known.contract.resource
        if resource.provider != one.provider or (one.approval.provider is None and resource.sharing != "unconditional"):
            raise ConfigError(
                Text(
                    f"{one.provider} did not sign for '{resource.id}', which {resource.provider} provides.",
                    f"'{resource.id}' 由 {resource.provider} 提供, 而其未签名。",
                ),
                where=one.grant.id,
            )
        if compile_view(known.contract, one.grant, one.grant.id).fingerprint != one.view:
            raise ConfigError(
                Text(
                    "the contract has changed since it was asked for: its view is another one; apply anew.",
                    "申请之后契约已变更, 视图不同; 请重新申请。",
                ),
                where=one.grant.id,
            )


def _documents(some: Sequence[Approved]) -> Documents:
    return Documents(
        (),
        tuple((one.grant.id, one.grant) for one in some),
        approvals={one.grant.id: one.approval for one in some},
    )
