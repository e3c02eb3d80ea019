"""What the responsible heads of both sides do: approve or refuse, grant by grant. All of an act has an effect or none of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infra.control.applications.case import Case, Cases, Decision, Item
from infra.control.applications.steps import decided, filed, stepped, with_case
from infra.runtime.signers import BUREAU, Person, Signers
from schemas.act import Approved, Refused
from schemas.approval import Side, approval_text
from schemas.signature import Signature


def approved(cases: Cases, person: Person, offset: int, at: int, deed: Approved, signers: Signers) -> Cases | str:
    """One side approves grants, each with a signature of what would be executed. Nobody approves what they filed themselves,
    nobody signs for both sides, and the bureau does not approve."""
    case = _to_decide(cases, person, deed, deed.signatures, signers)
    if isinstance(case, str):
        return case
    if BUREAU in person.roles:
        return "bureau"
    if filed(case, person):
        return "own"
    if any(_signed_other_side(case.items[name], deed.side, person) for name in deed.signatures):
        return "both_sides"
    if not _all_signed(case, person, deed.side, deed.signatures, signers):
        return "signature"
    words = {name: Decision(True, person.id, at, signature=s) for name, s in deed.signatures.items()}
    done = stepped(
        decided(case, deed.side, words), person, offset, at, "approved", side=deed.side, grants=tuple(words)
    )  # fmt: skip
    return with_case(cases, done)


def refused(cases: Cases, person: Person, offset: int, at: int, deed: Refused, signers: Signers) -> Cases | str:
    """One side refuses grants, with reason and article (Art. 14, 21)."""
    case = _to_decide(cases, person, deed, deed.grants, signers)
    if isinstance(case, str):
        return case
    if not (deed.reason.strip() and deed.article.strip()):
        return "reason"
    word = Decision(False, person.id, at, reason=deed.reason, article=deed.article)
    note = f"{deed.reason} ({deed.article})"
    done = decided(case, deed.side, dict.fromkeys(deed.grants, word))
    return with_case(
        cases, stepped(done, person, offset, at, "refused", note=note, side=deed.side, grants=deed.grants)
    )  # fmt: skip


def decides(item: Item, side: Side, person: Person, signers: Signers) -> bool:
    """Whether a person has a say on a grant on one side."""
    department = item.asked.provider if side == "provider" else item.asked.grant.subscriber
    return signers.signs(person, side, department)


def undecided(item: Item, side: Side, *, approving: bool) -> bool:
    """Whether a side's people may still say their word on a grant.

    The law's word (an automatic reply that a resource is shared unconditionally) is somebody's claim, which the contract may
    not bear out: nothing is granted then. So people may say theirs in its place: refuse while the other side has not decided,
    approve at any time.
    """
    word = item.decisions.get(side)
    if word is None:
        return item.outcome == "open"
    return word.approved and word.by is None and (approving or item.outcome == "open")


def _to_decide(
    cases: Cases, person: Person, deed: Approved | Refused, grants: Iterable[str], signers: Signers
) -> Case | str:
    side, approving = deed.side, isinstance(deed, Approved)
    case = cases.cases.get(deed.application)
    if case is None:
        return "unknown"
    named = [case.items.get(name) for name in grants]
    items = [item for item in named if item is not None]
    if len(items) < len(named):
        return "unknown_grant"
    if not all(decides(item, side, person, signers) for item in items):
        return "role"
    if not all(undecided(item, side, approving=approving) for item in items):
        return "decided"  # before the status: who was a moment too late is told that, not that the case is over
    by_law = approving and case.status in ("approved", "partly_approved") and all(side in i.decisions for i in items)
    return case if case.status == "submitted" or by_law else case.status


def _signed_other_side(item: Item, side: Side, person: Person) -> bool:
    """A person belongs to one department, so this takes one that provides and subscribes."""
    other: Side = "subscriber" if side == "provider" else "provider"
    word = item.decisions.get(other)
    same = item.asked.provider == item.asked.grant.subscriber
    return same and word is not None and word.by == person.id


def _all_signed(case: Case, person: Person, side: Side, signatures: Mapping[str, Signature], signers: Signers) -> bool:
    application = case.application.id
    for name, signature in signatures.items():
        asked = case.items[name].asked
        if signers.verify(signature, approval_text(application, asked.grant, asked.view, side)) != person:
            return False
    return True
