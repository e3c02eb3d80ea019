"""The fold of the log of acts: who cannot prove who they are, and whoever breaks a rule, changes nothing. Pure."""

from __future__ import annotations

from dataclasses import replace

from infra.control.applications.case import Cases, Verdict
from infra.control.applications.rules import RULES
from infra.runtime.signers import Person, Signers
from schemas.act import Act, Drafted, act_text

KEPT_VERDICTS = 1000
"""So many acts without effect are remembered: whoever floods the log with nonsense fills no memory."""


def after(cases: Cases, offset: int, at_ms: int, act: Act | None, signers: Signers) -> Cases:
    """The cases once the entry at `offset` has been folded in. `act`: None for an entry that is no act.

    at_ms   the broker's time of the entry, milliseconds since 1970 UTC; a case's time never runs backwards, so an earlier
            one than that of the case's last step counts as that one
    """
    if act is None:
        return _without_effect(cases, offset, "unreadable")
    person = signers.verify(act.signature, act_text(act.deed, act.by, act.nonce))
    if person is None or person.id != act.by:
        return _without_effect(cases, offset, "signature")
    if not person.signs_at(at_ms):
        return _without_effect(cases, offset, "lapsed")
    once = act.signature.key + act.nonce
    if once in cases.seen:
        return _without_effect(cases, offset, "repeated")
    # also of an act without effect: a copy of it must not have one later
    cases = replace(cases, seen=cases.seen.set(once, None))
    return _judged(cases, person, offset, at_ms, act, signers)


def why_without_effect(cases: Cases, offset: int) -> str | None:
    """The word why the act at `offset` had no effect; None if it had one."""
    return next((v.why for v in reversed(cases.without_effect) if v.offset == offset), None)


def _judged(cases: Cases, person: Person, offset: int, at_ms: int, act: Act, signers: Signers) -> Cases:
    rule = RULES.get(act.deed.kind)
    if rule is None:
        return _without_effect(cases, offset, "no_rule")
    found = rule(cases, person, offset, _time(cases, act, at_ms), act.deed, signers)
    return _without_effect(cases, offset, found) if isinstance(found, str) else found


def _time(cases: Cases, act: Act, at_ms: int) -> int:
    deed = act.deed
    name = deed.application.id if isinstance(deed, Drafted) else getattr(deed, "application", None)
    case = cases.cases.get(name) if name is not None else None
    return max(at_ms, case.history[-1].at) if case is not None else at_ms


def _without_effect(cases: Cases, offset: int, why: str) -> Cases:
    return replace(cases, without_effect=(*cases.without_effect[1 - KEPT_VERDICTS :], Verdict(offset, why)))
