"""What the applicant does: draft, submit, answer a request for supplements, withdraw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from infra.control.applications.case import Case, Cases, Item
from infra.control.applications.steps import stepped, with_case
from infra.runtime.signers import BUREAU, SEAL, Person, Signers
from schemas.act import Asked, Drafted, Submitted, Withdrawn
from schemas.application import Application

FILERS = frozenset({"clerk", "head", "data_office", SEAL})
"""Roles that act for their department as an applicant."""


def drafted(cases: Cases, person: Person, offset: int, at: int, deed: Drafted, _signers: Signers) -> Cases | str:
    """A draft is written by one of its subscribers, or by the bureau for several; until it is submitted it may be changed."""
    application = deed.application
    case = cases.cases.get(application.id)
    if case is None:
        files = person.department in application.subscribers and person.roles & FILERS
        if not (files or BUREAU in person.roles):
            return "role"
        case = Case(application, person.id, person.department, "draft")
    elif not _applicant(case, person):
        return "taken"
    elif case.status not in ("draft", "supplement_requested"):
        return case.status
    return with_case(cases, stepped(replace(case, application=application), person, offset, at, "drafted"))


def submitted(cases: Cases, person: Person, offset: int, at: int, deed: Submitted, _signers: Signers) -> Cases | str:
    """The closed list is asked for. As the answer to a request for supplements it leaves alone what has been decided."""
    case = cases.cases.get(deed.application)
    if case is None:
        return "unknown"
    if not _applicant(case, person):
        return "role"
    if case.status not in ("draft", "supplement_requested"):
        return case.status
    asked = {a.grant.id: a for a in deed.asked}
    if len(asked) != len(deed.asked) or not all(_belongs(case.application, a) for a in deed.asked):
        return "not_as_drafted"
    before = {name: item for name, item in case.items.items() if item.decisions}
    if any(asked.get(name) != item.asked for name, item in before.items()):
        return "decided"
    items: Mapping[str, Item] = {name: before.get(name, Item(a)) for name, a in asked.items()}
    return with_case(
        cases, stepped(replace(case, status="submitted", items=items), person, offset, at, "submitted")
    )  # fmt: skip


def withdrawn(cases: Cases, person: Person, offset: int, at: int, deed: Withdrawn, _signers: Signers) -> Cases | str:
    """The applicant wants it no more: nothing of it is approved or granted from here on."""
    case = cases.cases.get(deed.application)
    if case is None:
        return "unknown"
    if not _applicant(case, person):
        return "role"
    if case.status not in ("draft", "submitted", "supplement_requested"):
        return case.status
    return with_case(cases, stepped(replace(case, status="withdrawn"), person, offset, at, "withdrawn"))


def _applicant(case: Case, person: Person) -> bool:
    """Whether a person acts for the department whose application it is."""
    return person.department == case.department and bool(person.roles & (FILERS | {BUREAU}))


def _belongs(application: Application, asked: Asked) -> bool:
    """Whether a grant is one the application asks for, as far as the application says."""
    grant = asked.grant
    head, _, number = grant.id.rpartition(".")
    return (
        head == application.id
        and number.isdecimal()
        and grant.subscriber in application.subscribers
        and (grant.audience, grant.purpose, grant.basis, grant.valid)
        == (application.audience, application.purpose, application.basis, application.valid)
    )
