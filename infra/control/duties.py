"""The catalogue of what the controller does."""

from __future__ import annotations

from contextlib import ExitStack

from infra.control import telemetry
from infra.control.applications.case import Cases
from infra.control.applications.granting import approved_grants, grant_approved
from infra.control.applications.log import ApplicationsReader
from infra.control.contracts import Contracts
from infra.control.controller import Duty
from infra.control.deadlines.due import Due
from infra.control.deadlines.listing import judge_all
from infra.control.deadlines.rules import read_rules
from infra.control.deadlines.working_days import StateCouncil
from infra.control.expiry import complete_fences, end_expired
from infra.control.facts import Fence, GrantApplied
from infra.control.followed import Followed
from infra.control.rebuild import rebuild
from infra.control.server_certificate import believed_until
from infra.control.standing.desk import reply
from infra.control.standing.reply import auto_reply
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from infra.security.certificates import RENEW
from infra.security.follow import follow
from infra.security.reconcile import Held
from schemas.act import AutoReplied
from schemas.policy_state import PolicyState

BY = "bus controller"
"""Who the control log says ended a grant."""
_GIVEN_UP_MS = 30_000
"""A command that wrote an ending waits at most 12 s for its fence; one without a fence for so long was interrupted."""


def duties(resources: ExitStack) -> tuple[Duty, ...]:
    """What a controller does. `resources` gets the connections that are kept from turn to turn.

    A new duty is a line here. It is called with the settings and the time, and returns what it did, empty if nothing.
    """
    policy = resources.enter_context(Followed(PolicyReader))
    acts = resources.enter_context(Followed(ApplicationsReader))
    return (
        Duty("expiry", 5, lambda s, now: _end_expired(s, now, policy), by_the_clock=True),
        Duty("fences", 15, lambda s, now: _complete_fences(s, now, policy)),
        Duty("rebuild", 15, lambda s, now: rebuild(s, now_ms=now, by=BY, seen=policy.state(s))),
        Duty("replies", 30, lambda s, now: _reply(s, now, acts, policy)),
        Duty("grants", 30, lambda s, now: _grant_approved(s, now, acts, policy)),
        Duty("acls", 15, lambda s, _now: _mend_acls(s, policy)),
        Duty("certificates", 300, _watch_certificates),
        Duty("deadlines", 60, lambda s, now: _watch_deadlines(s, now, acts, policy)),
    )


def _end_expired(settings: Settings, now_ms: int, policy: Followed[PolicyState]) -> tuple[Fence, ...]:
    return end_expired(settings, now_ms=now_ms, by=BY, seen=policy.state(settings))


def _complete_fences(settings: Settings, now_ms: int, policy: Followed[PolicyState]) -> tuple[Fence, ...]:
    return complete_fences(settings, now_ms=now_ms, older_than_ms=_GIVEN_UP_MS, seen=policy.state(settings))


def _reply(
    settings: Settings, now_ms: int, acts: Followed[Cases], policy: Followed[PolicyState]
) -> tuple[AutoReplied, ...]:
    """What no provider needs to decide and nobody answered yet, because a line was signed, or a contract came, since. Acts are
    signed: a controller without a key of its own (BUS_IDENTITY, role bureau) leaves this to who submits."""
    if settings.identity is None:
        return ()
    if not auto_reply(acts.state(settings), Contracts(policy.state(settings).contracts), now_ms):
        return ()
    return tuple(reply(settings, now_ms=now_ms))


def _grant_approved(
    settings: Settings, now_ms: int, acts: Followed[Cases], policy: Followed[PolicyState]
) -> tuple[GrantApplied, ...]:
    """What both sides approved and was not opened: the command of the second signature was interrupted."""
    there = policy.state(settings).grants
    if all(approved.grant.id in there for approved in approved_grants(acts.state(settings))):
        return ()
    return grant_approved(settings, by=BY, now_ms=now_ms).opened


def _mend_acls(settings: Settings, policy: Followed[PolicyState]) -> tuple[Held, ...]:
    """What somebody changed by hand is put right; what that was."""
    found = follow(settings, policy.state(settings))
    if not found:
        return ()
    telemetry.acls_mended(found)
    return (*found.missing, *found.surplus)


def _watch_deadlines(
    settings: Settings, now_ms: int, acts: Followed[Cases], policy: Followed[PolicyState]
) -> tuple[Due, ...]:
    """Shows all deadlines as metrics; the late ones."""
    rules = read_rules(settings.deadlines)
    found = judge_all(acts.state(settings), policy.state(settings), rules, StateCouncil(), now_ms)
    telemetry.deadlines_seen(found)
    return tuple(d for d in found.due if d.overdue and d.state != "done")


def _watch_certificates(settings: Settings, now_ms: int) -> tuple[str, ...]:
    """Shows until when clients believe the cluster; which certificates end soon."""
    ends = believed_until(settings)
    telemetry.certificates_seen(ends)
    left = {name: at.timestamp() - now_ms / 1000 for name, at in ends.items()}
    soon = tuple(name for name, seconds in left.items() if seconds < RENEW.total_seconds())
    for name in soon:
        telemetry.certificate_ends(name, left[name])
    return soon
