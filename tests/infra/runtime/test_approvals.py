"""A grant is executed only if both sides signed exactly it: every way to come by a false one is tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.runtime.approvals import doubt
from infra.runtime.signers import NOBODY
from schemas.approval import Approval, StandingItem
from schemas.policy_state import GrantInForce
from tests.infra.control.world import contract, grant
from tests.kit.approving import Office

CONTRACT = contract("w.r")
VIEW = "f" * 64


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(tmp_path / "signers")
    made.admit("wang", "scjg", "data_office")
    made.admit("clerk", "scjg", "clerk")
    made.admit("li", "shuiwu")
    made.admit("bureau", "dsj", "bureau")
    return made


def live(approval: Approval | None, **changes: Any) -> GrantInForce:
    made = GrantInForce(grant("w", **changes), 1, "t", 1, VIEW, 0, 0)
    return replace(made, approval=approval)


def word(office: Office, found: GrantInForce, **attributes: Any) -> str | None:
    doubted = doubt(found, contract("w.r", **attributes), office.signers())
    return None if doubted is None else doubted.word


def both(office: Office) -> Approval:
    return office.approval(grant("w"), VIEW, "wang", "li")


def standing(**changes: Any) -> StandingItem:
    g = grant("w")
    return StandingItem(
        standing="policy.1",
        version=1,
        resource=g.resource,
        subscriber=g.subscriber,
        purpose=g.purpose,
        basis=g.basis,
        fields=g.fields,
        valid=g.valid,
        view=VIEW,
    ).model_copy(update=changes)


def test_what_both_sides_signed_is_proven(office: Office) -> None:
    assert word(office, live(both(office))) is None


def test_without_a_folder_of_signers_nothing_is_asked_for() -> None:
    assert doubt(live(None), CONTRACT, NOBODY) is None


def test_a_grant_somebody_wrote_into_the_log_is_not_proven(office: Office) -> None:
    assert word(office, live(None)) == "unsigned"


@pytest.mark.parametrize(
    "changes",
    [{"fields": {"uscc": "pass", "name": "pass", "person": "pseudonym"}}, {"version": 2}, {"subscriber": "other"},
     {"where": "uscc = '1'"}, {"valid": {"from": "2026-11-01", "until": "2028-10-31"}}, {"purpose": "another"}],
)  # fmt: skip
def test_the_approval_of_one_grant_opens_no_other(office: Office, changes: dict[str, Any]) -> None:
    assert word(office, live(both(office), **changes)) == "wrong_signature"


def test_the_approval_of_one_view_opens_no_other(office: Office) -> None:
    assert word(office, replace(live(both(office)), fingerprint="0" * 64)) == "wrong_signature"


def test_another_application_and_another_side_were_not_signed(office: Office) -> None:
    approval = both(office)
    assert word(office, live(approval.model_copy(update={"application": "app.2"}))) == "wrong_signature"
    assert approval.provider is not None
    swapped = Approval(application="app.1", provider=approval.subscriber, subscriber=approval.provider)
    assert word(office, live(swapped)) == "wrong_signature"


def test_whose_key_it_is_must_be_who_it_says(office: Office) -> None:
    approval = both(office)
    other = approval.subscriber.model_copy(update={"by": "wang"})
    assert word(office, live(approval.model_copy(update={"subscriber": other}))) == "wrong_signature"


@pytest.mark.parametrize(("provider", "subscriber"), [("clerk", "li"), ("bureau", "li"), ("wang", "bureau"), ("li", "li")])  # fmt: skip
def test_who_does_not_sign_for_a_side_opens_nothing(office: Office, provider: str, subscriber: str) -> None:
    assert word(office, live(office.approval(grant("w"), VIEW, provider, subscriber))) == "not_a_signer"


def test_one_person_does_not_sign_for_both_sides(office: Office) -> None:
    own = office.approval(grant("w", subscriber="scjg"), VIEW, "wang", "wang")
    assert word(office, live(own, subscriber="scjg")) == "one_hand"


def test_who_is_struck_off_takes_the_signature_along(office: Office) -> None:
    approval = both(office)
    office.strike("wang", "scjg")
    assert word(office, live(approval)) == "wrong_signature"


def test_the_provider_is_the_one_of_the_contract_in_force(office: Office) -> None:
    assert word(office, live(both(office)), provider="gongan") == "not_a_signer"


def test_the_law_approves_for_the_provider_only_as_long_as_sharing_is_unconditional(office: Office) -> None:
    lawful = office.approval(grant("w"), VIEW, None, "li")
    assert word(office, live(lawful), sharing="unconditional") is None
    assert word(office, live(lawful)) == "unsigned"


def test_a_line_of_a_standing_approval_signs_for_what_it_covers_and_nothing_else(office: Office) -> None:
    g = grant("w")
    assert word(office, live(office.under(standing(), g, VIEW, "wang", "li"))) is None
    narrower = standing(fields={"uscc": g.fields["uscc"]})
    assert word(office, live(office.under(narrower, g, VIEW, "wang", "li"))) == "wrong_signature"
    assert word(office, live(office.under(standing(), g, VIEW, "li", "li"))) == "not_a_signer"


def test_a_line_that_was_changed_after_it_was_signed_signs_nothing(office: Office) -> None:
    approval = office.under(standing(purpose="another"), grant("w"), VIEW, "wang", "li")
    assert approval.provider is not None
    forged = approval.provider.model_copy(update={"standing": standing()})
    assert word(office, live(approval.model_copy(update={"provider": forged}))) == "wrong_signature"


def test_a_subscriber_does_not_sign_by_standing_approval(office: Office) -> None:
    approval = office.under(standing(), grant("w"), VIEW, "wang", "li")
    assert approval.provider is not None
    of_both = approval.model_copy(update={"subscriber": approval.provider.model_copy(update={"by": "li"})})
    assert word(office, live(of_both)) == "wrong_signature"
