"""Every reference leads somewhere, and no entry contradicts its contract."""

from __future__ import annotations

import pytest

from infra.control.register.judge import Connected, contradictions, judge
from infra.control.register.state import RegisterState
from schemas.errors import ConfigError
from schemas.register_log import Document, EntryPut, Key
from tests.infra.control.register.world import department, entry, system, unit


def state(*documents: Document) -> RegisterState:
    return RegisterState().after([EntryPut(document=d, at=0, by="x") for d in documents])


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (unit("u", "nobody"), "u.department"),
        (system("s", "nobody"), "s.department"),
        (system("s", "a", "nowhere"), "s.unit"),
        (entry("e", "nobody"), "e.provider"),
        (entry("e", "a", lead="nobody"), "e.lead"),
    ],
)
def test_what_refers_to_nothing_is_refused_with_its_place(document: Document, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        judge(state(department("a")), [("f.yaml", document)], {})
    assert caught.value.where == f"f.yaml: {place}"


def test_a_unit_of_another_department_is_no_unit_of_the_system() -> None:
    with pytest.raises(ConfigError, match="no unit 'u'"):
        judge(state(department("a"), department("b"), unit("u", "b")), [("f", system("s", "a", "u"))], {})


def test_documents_put_together_may_refer_to_each_other_in_any_order() -> None:
    together = [system("s", "a", "u"), entry("e", "a"), unit("u", "a"), department("a")]
    judge(RegisterState(), [("f", d) for d in together], {})


@pytest.mark.parametrize("said", [Connected("b", "unconditional"), Connected("a", "refused")])
def test_an_entry_that_contradicts_its_contract_is_refused(said: Connected) -> None:
    with pytest.raises(ConfigError, match="the contract of 'e' says"):
        judge(state(department("a")), [("f", entry("e", "a"))], {"e": said})


def test_an_entry_without_a_contract_and_one_that_agrees_with_its_contract_are_taken() -> None:
    both = [("f", entry("e", "a")), ("f", entry("f", "a"))]
    judge(state(department("a")), both, {"e": Connected("a", "unconditional")})


def test_a_contract_published_later_that_says_something_else_is_reported() -> None:
    now = state(department("a"), entry("e", "a"), entry("f", "a"))
    said = {"e": Connected("b", "unconditional"), "f": Connected("a", "unconditional"), "g": Connected("a", "refused")}
    assert list(contradictions(now, said)) == ["e"]


@pytest.mark.parametrize("gone", [("Department", "a"), ("Unit", "u")])
def test_what_others_refer_to_cannot_be_withdrawn(gone: Key) -> None:
    with pytest.raises(ConfigError):
        judge(state(department("a"), unit("u", "a"), system("s", "a", "u")), [], {}, [gone])


def test_what_nobody_refers_to_can_be_withdrawn() -> None:
    judge(state(department("a"), unit("u", "a"), department("b")), [], {}, [("Department", "b"), ("Unit", "u")])


def test_a_unit_cannot_leave_its_systems_behind_in_another_department() -> None:
    before = state(department("a"), department("b"), unit("u", "a"), system("s", "a", "u"))
    with pytest.raises(ConfigError, match="no unit 'u'"):
        judge(before, [("f", unit("u", "b"))], {})
    judge(before, [("f", unit("u", "b")), ("f", system("s", "b", "u"))], {})


def test_how_many_more_places_are_wrong_is_said() -> None:
    with pytest.raises(ConfigError) as caught:
        judge(RegisterState(), [("f", unit("u", "a")), ("f", system("s", "a"))], {})
    assert caught.value.hint is not None
    assert "1 more" in caught.value.hint.en


def test_departments_certified_for_a_purpose_and_resources_of_a_domain_are_listed_in_order() -> None:
    now = state(
        department("b", certified=("综合治税",)),
        department("a", certified=("综合治税", "公积金")),
        department("c"),
        entry("z", "a"),
        entry("y", "a"),
        entry("x", "a", **{"class": "topic"}),
    )
    assert now.certified("综合治税") == ("a", "b")
    assert now.entries("base:法人") == ("y", "z")
    assert now.entries("base:人口") == ()
    assert now.purposes["c"] == ()
    found = now.entry("x")
    assert found is not None
    assert found.class_ == "topic"
    assert now.entry("nothing") is None
