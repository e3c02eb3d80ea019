"""What the data bureau does: it checks form, asks for supplements (as a provider may), extends and mediates. It releases nothing."""

from __future__ import annotations

from dataclasses import replace

from infra.control.applications.case import Case, Cases
from infra.control.applications.filing_rules import FILERS
from infra.control.applications.steps import said, stepped, with_case
from infra.runtime.signers import BUREAU, Person, Signers
from schemas.act import Extended, FormChecked, Mediated, SupplementRequested


def supplement_requested(
    cases: Cases, person: Person, offset: int, at: int, deed: SupplementRequested, _signers: Signers
) -> Cases | str:
    """Everything that is missing, once (Art. 21), by the bureau or by people of a provider; the clock stops."""
    case = _open(cases, deed.application)
    if isinstance(case, str):
        return case
    if not (BUREAU in person.roles or _provides(case, person)):
        return "role"
    if said(case, "supplement_requested"):
        return "once"
    note = "; ".join(deed.missing)
    asked = replace(case, status="supplement_requested")
    return with_case(cases, stepped(asked, person, offset, at, "supplement_requested", note=note))


def form_checked(
    cases: Cases, person: Person, offset: int, at: int, deed: FormChecked, _signers: Signers
) -> Cases | str:
    """The bureau found it complete; once for each time it was submitted."""
    case = _open(cases, deed.application)
    if isinstance(case, str):
        return case
    if BUREAU not in person.roles:
        return "role"
    last = next(s.deed for s in reversed(case.history) if s.deed in ("submitted", "form_checked"))
    if last == "form_checked":
        return "once"
    return with_case(cases, stepped(case, person, offset, at, "form_checked"))


def extended(cases: Cases, person: Person, offset: int, at: int, deed: Extended, _signers: Signers) -> Cases | str:
    """The bureau consents to at most 10 working days more (the act allows no larger number), once."""
    case = _open(cases, deed.application)
    if isinstance(case, str):
        return case
    if BUREAU not in person.roles:
        return "role"
    if said(case, "extended"):
        return "once"
    return with_case(
        cases, stepped(case, person, offset, at, "extended", note=deed.reason, days=deed.working_days)
    )  # fmt: skip


def mediated(cases: Cases, person: Person, offset: int, at: int, deed: Mediated, _signers: Signers) -> Cases | str:
    """The bureau's opinion in a dispute (Art. 28), which may well follow a refusal."""
    case = cases.cases.get(deed.application)
    if case is None:
        return "unknown"
    if BUREAU not in person.roles:
        return "role"
    if case.status in ("draft", "withdrawn"):
        return case.status
    return with_case(cases, stepped(case, person, offset, at, "mediated", note=deed.opinion))


def _open(cases: Cases, application: str) -> Case | str:
    case = cases.cases.get(application)
    if case is None:
        return "unknown"
    return case if case.status == "submitted" else case.status


def _provides(case: Case, person: Person) -> bool:
    """Whether a person works for the provider of something that is asked for."""
    return bool(person.roles & FILERS) and any(i.asked.provider == person.department for i in case.items.values())
