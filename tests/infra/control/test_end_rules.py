"""Who confirms what of a grant that was suspended or has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.control.applications.case import Case, Cases, Item
from infra.control.applications.end_rules import destroyed, rectified
from infra.runtime.signers import Person, Signers
from schemas.act import Asked, Destroyed, Rectified
from schemas.application import parse_application
from tests.infra.control.world import grant
from tests.kit.approving import Office

DEED = Destroyed(grant="w.grant", generation=1, statement="shredded")


@pytest.fixture
def cases() -> Cases:
    application = parse_application(
        {
            "id": "shuiwu.2026-1",
            "title": "t",
            "subscribers": ["shuiwu"],
            "items": [{"resources": ["w.r"]}],
            "purpose": "test",
            "basis": "test",
            "scenario": "t",
            "scope": "t",
            "valid": {"from": "2026-11-01", "until": "2027-10-31"},
        }
    )
    item = Item(Asked(grant=grant("w"), view="f", provider="scjg"))
    return Cases({"shuiwu.2026-1": Case(application, "li", "shuiwu", "approved", {"w.grant": item})})


@pytest.fixture
def people(tmp_path: Path) -> tuple[Signers, dict[str, Person]]:
    office = Office(tmp_path / "signers")
    office.admit("li", "shuiwu")
    office.admit("clerk", "shuiwu", "clerk")
    office.admit("wang", "scjg")
    signers = office.signers()
    return signers, {p.id: p for p, _ in signers.people.values()}


def test_who_signs_for_the_subscriber_confirms_each_generation_once(
    cases: Cases, people: tuple[Signers, dict[str, Person]]
) -> None:
    signers, named = people
    once = destroyed(cases, named["li"], 5, 100, DEED, signers)
    assert isinstance(once, Cases)
    assert dict(once.destroyed) == {("w.grant", 1): 100}
    assert destroyed(once, named["li"], 6, 200, DEED, signers) == "destroyed"
    later = destroyed(once, named["li"], 6, 200, DEED.model_copy(update={"generation": 2}), signers)
    assert isinstance(later, Cases)
    assert dict(later.destroyed) == {("w.grant", 1): 100, ("w.grant", 2): 200}


@pytest.mark.parametrize("person", ["clerk", "wang"])
def test_nobody_else_confirms_for_the_subscriber(
    cases: Cases, people: tuple[Signers, dict[str, Person]], person: str
) -> None:
    signers, named = people
    assert destroyed(cases, named[person], 5, 100, DEED, signers) == "role"
    assert rectified(cases, named[person], 5, 100, Rectified(grant="w.grant", statement="s"), signers) == "role"


def test_what_was_never_asked_for_is_not_confirmed(cases: Cases, people: tuple[Signers, dict[str, Person]]) -> None:
    signers, named = people
    other = DEED.model_copy(update={"grant": "w.other"})
    assert destroyed(cases, named["li"], 5, 100, other, signers) == "unknown_grant"


def test_mended_may_be_said_again_after_another_suspension(
    cases: Cases, people: tuple[Signers, dict[str, Person]]
) -> None:
    signers, named = people
    deed = Rectified(grant="w.grant", statement="mended")
    once = rectified(cases, named["li"], 5, 100, deed, signers)
    assert isinstance(once, Cases)
    again = rectified(once, named["li"], 9, 300, deed, signers)
    assert isinstance(again, Cases)
    assert dict(again.rectified) == {"w.grant": 300}
