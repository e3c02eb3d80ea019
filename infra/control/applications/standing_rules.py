"""What providers sign before they are asked, and how it answers applications. What `rules.py` says of rules holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infra.control.applications.case import Case, Cases, Decision, Item, Standing
from infra.control.applications.steps import decided, stepped, with_case
from infra.control.standing.difference import difference
from infra.runtime.signers import BUREAU, Person, Signers
from schemas.act import AutoReplied, StandingEnded, StandingSigned
from schemas.approval import StandingItem, standing_text
from schemas.clock import shanghai_date
from schemas.standing_approval import StandingApproval


def standing_signed(
    cases: Cases, person: Person, _offset: int, at: int, deed: StandingSigned, signers: Signers
) -> Cases | str:
    """Somebody who signs for a provider signs its lines, every one of them, in place of the list signed before.

    That the resources are this provider's no act can tell: whoever answers an application by a line asks for the provider
    that the application names, and the exchange for that of the contract in force.
    """
    document, provider = deed.standing, person.department
    if BUREAU in person.roles:
        return "bureau"
    if not signers.signs(person, "provider", provider):
        return "role"
    if shanghai_date(at) > document.valid.until:
        return "over"
    if not deed.items or len(deed.items) != len(deed.signatures):
        return "not_all_signed"
    if len({(i.resource, i.subscriber) for i in deed.items}) < len(deed.items):
        return "line_twice"
    if not all(_as_written(document, item) for item in deed.items):
        return "not_as_written"
    former = cases.standing.get((document.id, provider))
    if former is not None and document.version <= former.document.version:
        same = former.ended_at is None and not difference(former.items, deed.items)
        return "signed_already" if same else "version"
    lines = zip(deed.items, deed.signatures, strict=True)
    if any(signers.verify(signature, standing_text(item)) != person for item, signature in lines):
        return "signature"
    new = Standing(document, provider, deed.items, deed.signatures, person.id, at)
    return replace(cases, standing=cases.standing.set((document.id, provider), new))


def standing_ended(
    cases: Cases, person: Person, _offset: int, at: int, deed: StandingEnded, signers: Signers
) -> Cases | str:
    """Somebody who signs for the provider ends its lines. They come back only by a new version, signed."""
    standing = cases.standing.get((deed.standing, person.department))
    if standing is None:
        return "no_standing"
    if not signers.signs(person, "provider", person.department):
        return "role"
    if standing.ended_at is not None:
        return "ended"
    ended = replace(standing, ended_at=at)
    return replace(cases, standing=cases.standing.set((deed.standing, person.department), ended))


def auto_replied(
    cases: Cases, person: Person, offset: int, at: int, deed: AutoReplied, _signers: Signers
) -> Cases | str:
    """The provider's word on grants of one application that a line in force covers, or that the law gives.

    Anybody may say that a line covers a grant: it is looked up. Whether a resource is shared unconditionally only its contract
    tells, which the exchange asks; so only somebody with a part in the application says it, or the bureau.
    """
    case = cases.cases.get(deed.application)
    if case is None:
        return "unknown"
    if case.status != "submitted":
        return case.status
    names = [*deed.standing, *deed.unconditional]
    if not names or len(set(names)) < len(names):
        return "not_as_written"
    if any(name not in case.items for name in names):
        return "unknown_grant"
    if any(_answered(case.items[name]) for name in names):
        return "decided"
    if not all(_has_part(case, case.items[name], person) for name in deed.unconditional):
        return "role"
    words: dict[str, Decision] = {name: Decision(True, None, at) for name in deed.unconditional}
    for name, (standing, number) in deed.standing.items():
        word = by_line(cases.standing, case.items[name], standing, number, at)
        if word is None:
            return "not_covered"
        words[name] = word
    done = stepped(
        decided(case, "provider", words), person, offset, at, deed.kind, side="provider", grants=tuple(names)
    )  # fmt: skip
    return with_case(cases, done)


def by_line(
    signed: Mapping[tuple[str, str], Standing], item: Item, standing: str, number: int, at: int
) -> Decision | None:
    """The provider's word a line gives on a grant at a time; None if the line is not in force then or covers something else."""
    found = signed.get((standing, item.asked.provider))
    if found is None or found.ended_at is not None or not 0 <= number < len(found.items):
        return None
    line = found.items[number]
    if not (line.valid.covers(at) and line.covers(item.asked.grant, item.asked.view)):
        return None
    return Decision(True, found.by, at, signature=found.signatures[number], standing=line)


def _as_written(document: StandingApproval, item: StandingItem) -> bool:
    """Whether a line is one of this standing approval, as far as that says."""
    written = (
        document.id,
        document.version,
        document.purpose,
        document.basis,
        (document.where or "").strip(),
        document.before,
        document.release_time,
        document.valid,
    )
    line = (
        item.standing,
        item.version,
        item.purpose,
        item.basis,
        (item.where or "").strip(),
        item.before,
        item.release_time,
        item.valid,
    )
    departments = document.subscribers.departments
    return (
        written == line
        and (document.fields == "default" or all(document.fields.get(f) == use for f, use in item.fields.items()))
        and (not departments or item.subscriber in departments)
    )


def _answered(item: Item) -> bool:
    return "provider" in item.decisions or item.outcome != "open"


def _has_part(case: Case, item: Item, person: Person) -> bool:
    parts = (case.department, item.asked.grant.subscriber, item.asked.provider)
    return person.department in parts or BUREAU in person.roles
