"""How a case goes on: a step of its history, a decision on its grants, its place among the cases. Used by every rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.control.applications.case import Case, Cases, Decision, Item, Status, Step
from infra.runtime.signers import Person
from schemas.approval import Side


def with_case(cases: Cases, case: Case) -> Cases:
    """The cases with this one in place of the one it was."""
    return replace(cases, cases=cases.cases.set(case.application.id, case))


def stepped(case: Case, person: Person, offset: int, at: int, deed: str, **more: Any) -> Case:
    """The case with one step more; `more` as `Step` has it."""
    return replace(case, history=(*case.history, Step(offset, at, deed, person.id, person.department, **more)))


def decided(case: Case, side: Side, decisions: Mapping[str, Decision]) -> Case:
    """The case once one side has said its word on some of its grants. The case is over when the last grant is."""
    items = {
        name: replace(item, decisions={**item.decisions, side: decisions[name]}) if name in decisions else item
        for name, item in case.items.items()
    }
    return replace(case, items=items, status=_status(items))


def _status(items: Mapping[str, Item]) -> Status:
    outcomes = {item.outcome for item in items.values()}
    if "open" in outcomes:
        return "submitted"
    if outcomes == {"approved"}:
        return "approved"
    return "refused" if outcomes == {"refused"} else "partly_approved"


def said(case: Case, deed: str) -> bool:
    """Whether somebody did this before."""
    return any(step.deed == deed for step in case.history)


def filed(case: Case, person: Person) -> bool:
    """Whether this person drafted or submitted it: nobody approves their own."""
    return any(
        step.deed in ("drafted", "submitted") and (step.by, step.department) == (person.id, person.department)
        for step in case.history
    )
