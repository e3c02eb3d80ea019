"""What was suspended is released again only if who may let it go on signed that: every way to come by a false one is tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.runtime.approvals import doubt
from infra.runtime.orders import retry_proven
from infra.runtime.signers import NOBODY
from schemas.order import Capacity, Done, Ordered, Resumption, order_text
from schemas.policy_log import RetryOrdered
from schemas.policy_state import GrantInForce
from schemas.retry_order import Pointer, retry_text
from tests.infra.control.world import NOW, contract, grant
from tests.kit.approving import Office

CONTRACT = contract("w.r")
VIEW = "f" * 64
DEPARTMENTS = {
    "wang": "scjg",
    "clerk": "scjg",
    "li": "shuiwu",
    "bureau": "dsj",
    "boss": "scjg",
    "stranger": "gaj",
    "gone": "shuiwu",
}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(tmp_path / "signers")
    for name, department in DEPARTMENTS.items():
        made.admit(
            name, department, *{"clerk": ["clerk"], "bureau": ["bureau"], "boss": ["head", "bureau"]}.get(name, [])
        )
    return made


def order(office: Office, who: str, side: Capacity, what: str, *, generation: int = 1, of: str = "w.grant") -> Done:
    said = order_text(of, generation, what, side, who, NOW)
    return Done(
        what, NOW, who, Ordered(by=who, department=DEPARTMENTS[who], capacity=side, signature=office.sign(who, said))
    )


def live(office: Office, *before: Done, resumed: Done) -> GrantInForce:
    made = GrantInForce(grant("w"), 2, "t", 1, VIEW, 0, 0, approval=office.approval(grant("w"), VIEW, "wang", "li"))
    return replace(made, resumption=Resumption(1, before, resumed))


def word(office: Office, found: GrantInForce) -> str | None:
    doubted = doubt(found, CONTRACT, office.signers())
    return None if doubted is None else doubted.word


SUSPENDED: tuple[tuple[str, Capacity], ...] = (("wang", "provider"), ("li", "subscriber"), ("bureau", "bureau"))


@pytest.mark.parametrize("who", [who for who, _ in SUSPENDED])
@pytest.mark.parametrize("by", ["wang", "li", "bureau"])
def test_a_suspension_is_over_for_the_exchange_when_who_may_signed_it(office: Office, who: str, by: str) -> None:
    sides = dict(SUSPENDED)
    found = live(office, order(office, who, sides[who], "suspended"), resumed=order(office, by, sides[by], "resumed"))
    may = {"wang": ("wang",), "li": ("li",), "bureau": ("wang", "bureau")}
    assert (word(office, found) is None) == (by in may[who])


@pytest.mark.parametrize("by", ["clerk", "stranger", "boss"])
def test_who_does_not_sign_for_the_provider_or_has_the_bureaus_office_lets_nothing_go_on_for_it(
    office: Office, by: str
) -> None:
    found = live(
        office, order(office, "wang", "provider", "suspended"), resumed=order(office, by, "provider", "resumed")
    )
    assert word(office, found) == "not_resumed"


def test_what_was_resumed_in_nobodys_name_is_not_released(office: Office) -> None:
    found = live(office, order(office, "bureau", "bureau", "suspended"), resumed=Done("resumed", NOW, "root@host"))
    assert word(office, found) == "not_resumed"


def test_the_order_of_another_generation_grant_deed_time_or_person_resumes_nothing(office: Office) -> None:
    before = order(office, "wang", "provider", "suspended")
    right = order(office, "wang", "provider", "resumed")
    assert word(office, live(office, before, resumed=right)) is None
    assert right.ordered is not None
    for wrong in (
        order(office, "wang", "provider", "resumed", generation=2),
        order(office, "wang", "provider", "resumed", of="w.other"),
        replace(order(office, "wang", "provider", "lifted"), what="resumed"),
        replace(right, at=NOW + 1),
        replace(right, ordered=right.ordered.model_copy(update={"by": "clerk"})),
        replace(right, ordered=right.ordered.model_copy(update={"department": "gaj"})),
    ):
        assert word(office, live(office, before, resumed=wrong)) == "not_resumed"


def test_a_suspension_is_taken_back_by_a_signed_word_only(office: Office) -> None:
    both = order(office, "wang", "provider", "suspended"), order(office, "li", "subscriber", "suspended")
    resumed = order(office, "li", "subscriber", "resumed")
    true = order(office, "wang", "provider", "lifted")
    assert word(office, live(office, *both, true, resumed=resumed)) is None
    assert word(office, live(office, *both, resumed=resumed)) == "not_resumed"
    assert true.ordered is not None
    forged = replace(true, ordered=true.ordered.model_copy(update={"signature": office.sign("li", b"lifted")}))
    assert word(office, live(office, *both, forged, resumed=resumed)) == "not_resumed"


def test_a_suspension_counts_even_if_its_signature_does_not_verify_any_more(office: Office) -> None:
    before = order(office, "gone", "subscriber", "suspended")
    office.strike("gone", "shuiwu")
    assert word(office, live(office, before, resumed=order(office, "wang", "provider", "resumed"))) == "not_resumed"


def test_without_known_signers_a_resumed_grant_is_as_good_as_whoever_wrote_it(office: Office) -> None:
    found = live(office, Done("suspended", NOW, "root"), resumed=Done("resumed", NOW, "root"))
    assert doubt(found, CONTRACT, NOBODY) is None


def retry(office: Office, who: str, side: Capacity, *grants: str | None, at: int = NOW) -> RetryOrdered:
    letters = tuple(Pointer(partition=0, offset=n, grant=grant) for n, grant in enumerate(grants or (None,)))
    said = retry_text("w.r", letters, side, who, NOW)
    ordered = Ordered(by=who, department=DEPARTMENTS[who], capacity=side, signature=office.sign(who, said))
    return RetryOrdered(resource="w.r", letters=letters, ordered=ordered, at=at, by=who)


@pytest.mark.parametrize(
    ("who", "side", "subscribers", "may"),
    [
        ("wang", "provider", [None], True),
        ("clerk", "provider", [None], True),
        ("bureau", "bureau", [None, "shuiwu"], True),
        ("li", "subscriber", ["shuiwu"], True),
        ("li", "subscriber", ["shuiwu", None], False),
        ("li", "subscriber", ["shuiwu", "gaj"], False),
        ("li", "provider", ["shuiwu"], False),
        ("bureau", "provider", [None], False),
        ("wang", "bureau", [None], False),
        ("stranger", "provider", [None], False),
    ],
)
def test_dead_letters_are_judged_again_for_those_concerned_and_the_bureau(
    office: Office, who: str, side: Capacity, subscribers: list[str | None], may: bool
) -> None:
    assert retry_proven(retry(office, who, side), "scjg", subscribers, office.signers()) == may


def test_an_order_to_judge_again_counts_as_it_was_signed_only(office: Office) -> None:
    true = retry(office, "wang", "provider", None, "w.grant")
    assert true.ordered is not None
    assert retry_proven(true, "scjg", [None], office.signers())
    for wrong in (
        true.model_copy(update={"ordered": None}),
        true.model_copy(update={"resource": "w.other"}),
        true.model_copy(update={"letters": true.letters[:1]}),
        true.model_copy(update={"at": NOW + 1}),
        true.model_copy(update={"ordered": true.ordered.model_copy(update={"by": "clerk"})}),
        true.model_copy(update={"ordered": true.ordered.model_copy(update={"capacity": "bureau"})}),
    ):
        assert not retry_proven(wrong, "scjg", [None], office.signers())
    assert retry_proven(true.model_copy(update={"ordered": None}), "scjg", [None], NOBODY)
