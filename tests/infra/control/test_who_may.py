"""Who may stop a grant, let it go on, or end it: every person against every verb, as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.control.who_may import Concerned, Verb, capacity, refusal
from infra.runtime.signers import Person, Signers, read_signers
from schemas.order import Capacity
from tests.infra.control.applications.office import Office

PEOPLE = (
    *("head.sc", "office.sc", "clerk.sc"),  # the provider's
    *("head.sw", "office.sw", "clerk.sw"),  # the subscriber's
    *("head.ga", "bureau", "bureau.head", "head.ds"),  # others, and the data bureau's
)
PROVIDER = dict.fromkeys(("head.sc", "office.sc"), "provider")
SUBSCRIBER = dict.fromkeys(("head.sw", "office.sw"), "subscriber")
BUREAU = dict.fromkeys(("bureau", "bureau.head"), "bureau")
CLERKS = {"clerk.sc": "provider", "clerk.sw": "subscriber"}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signers, dict[str, Person]]:
    signers = Office(tmp_path_factory.mktemp("office")).signers
    return signers, {p.id: p for p, _ in signers.people.values()}


@pytest.mark.parametrize(
    ("verb", "suspended_by", "may"),
    [
        ("suspend", (), PROVIDER | SUBSCRIBER | BUREAU | CLERKS),
        ("revoke", (), PROVIDER | SUBSCRIBER),
        ("terminate", (), PROVIDER | SUBSCRIBER),
        ("terminate_widely", (), PROVIDER | SUBSCRIBER | BUREAU),
        ("resume", ("provider",), PROVIDER),
        ("resume", ("bureau",), PROVIDER | BUREAU),
        ("resume", ("subscriber",), SUBSCRIBER),
        ("resume", (None,), PROVIDER),
        ("resume", ("bureau", "provider"), PROVIDER | BUREAU),  # the bureau takes back its own; the provider's stays
        ("resume", ("provider", "subscriber"), PROVIDER | SUBSCRIBER),
    ],
)
def test_exactly_these_people_may_and_on_whose_behalf(
    known: tuple[Signers, dict[str, Person]],
    verb: Verb,
    suspended_by: tuple[Capacity | None, ...],
    may: dict[str, Capacity],
) -> None:
    signers, people = known
    of = Concerned("a.1", "shuiwu", "scjg", suspended_by)
    found = {name: capacity(verb, people[name], of, signers) for name in PEOPLE}
    assert {name: side for name, side in found.items() if side is not None} == may
    for name in PEOPLE:
        assert (refusal(verb, people[name], [of], signers) is None) == (name in may)


def test_the_bureau_does_not_lift_its_own_suspension_of_what_its_own_body_receives(
    known: tuple[Signers, dict[str, Person]],
) -> None:
    signers, people = known
    of = Concerned("a.1", "dsjj", "scjg", ("bureau",))
    assert capacity("resume", people["bureau"], of, signers) is None
    assert capacity("resume", people["head.sc"], of, signers) == "provider"


def test_who_has_the_bureaus_office_never_releases_as_the_head_of_a_provider(
    known: tuple[Signers, dict[str, Person]],
) -> None:
    signers, people = known
    of = Concerned("a.1", "shuiwu", "dsjj", ("provider",))
    assert capacity("resume", people["bureau.head"], of, signers) is None
    assert capacity("resume", people["head.ds"], of, signers) == "provider"
    assert capacity("revoke", people["bureau.head"], of, signers) == "provider", "ending is not releasing"


def test_who_is_on_both_sides_resumes_for_the_side_that_lifts_all(known: tuple[Signers, dict[str, Person]]) -> None:
    signers, people = known
    of = Concerned("a.1", "scjg", "scjg", ("subscriber",))
    assert capacity("resume", people["head.sc"], of, signers) == "subscriber"


def test_a_resource_that_has_no_contract_any_more_has_nobody_on_the_providers_side(
    known: tuple[Signers, dict[str, Person]],
) -> None:
    signers, people = known
    of = Concerned("a.1", "shuiwu", None)
    assert capacity("revoke", people["head.sc"], of, signers) is None
    assert capacity("suspend", people["bureau"], of, signers) == "bureau"


def test_one_grant_that_is_not_theirs_refuses_all_and_the_refusal_says_whose_it_is_and_how_to_go_on(
    known: tuple[Signers, dict[str, Person]],
) -> None:
    signers, people = known
    mine, others = Concerned("a.1", "shuiwu", "scjg"), [Concerned(f"b.{n}", "gaj", "minzheng") for n in range(5)]
    found = refusal("revoke", people["head.sc"], [mine, *others], signers)
    assert found is not None
    assert found.what.en == "head.sc of scjg may not revoke b.0, b.1, b.2 and 2 more; nothing was done."
    assert found.what.zh == "scjg 的 head.sc 无权撤销b.0, b.1, b.2 等 5 项授权; 未执行任何操作。"
    for said in found.hint:
        assert "minzheng" in said
        assert "gaj" in said
        assert "bus suspend b.0" in said


@pytest.mark.parametrize(
    ("suspended_by", "says"),
    [
        (("subscriber",), "shuiwu suspended it itself"),
        (("bureau",), "The data bureau suspended it"),
        (("provider",), "neither"),
    ],
)
def test_whoever_may_not_resume_is_told_who_may(
    known: tuple[Signers, dict[str, Person]], suspended_by: tuple[Capacity, ...], says: str
) -> None:
    signers, people = known
    found = refusal("resume", people["head.ga"], [Concerned("a.1", "shuiwu", "scjg", suspended_by)], signers)
    assert found is not None
    assert says in found.hint.en


def test_only_the_configured_roles_end_what_their_side_signed(tmp_path: Path) -> None:
    office = Office(tmp_path)
    signers = read_signers(office.folder, ("data_office",), ("head",))
    people = {p.id: p for p, _ in signers.people.values()}
    of = Concerned("a.1", "shuiwu", "scjg")
    assert capacity("revoke", people["head.sc"], of, signers) is None
    assert capacity("revoke", people["office.sc"], of, signers) == "provider"
    assert capacity("revoke", people["office.sw"], of, signers) is None
