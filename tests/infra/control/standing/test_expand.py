"""Which lines a standing approval closes to, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import ConfigError
from schemas.grant import MaskUse
from schemas.standing_approval import StandingApproval
from stream_apps.policy import compile_view
from tests.infra.control.standing.policies import CONTRACTS, closed, standing, standing_document
from tests.infra.control.world import contract


def refusal(document: StandingApproval, *others: StandingApproval) -> str:
    with pytest.raises(ConfigError) as caught:
        closed(document, *others)
    error = caught.value
    assert error.what.zh != error.what.en
    return f"{error.where}: {error.what.en}"


def places(document: StandingApproval, *others: StandingApproval) -> dict[str, list[tuple[str, str]]]:
    found = closed(document, *others).items
    return {provider: [(i.resource, i.subscriber) for i in items] for provider, items in found.items()}


def test_certified_departments_get_every_shared_resource_of_a_class_by_provider_and_never_their_own() -> None:
    policy = standing(subscribers={"certified": "综合治税"}, resources={"domain": "base:法人"})
    assert places(policy) == {
        "gaj": [("gaj.r1", "rsj"), ("gaj.r1", "scjg"), ("gaj.r1", "shuiwu")],
        "scjg": [("scjg.r1", "rsj"), ("scjg.r1", "shuiwu")],
    }


def test_a_refused_resource_is_left_out_and_reported_where_a_pattern_meets_it_and_an_error_where_it_is_named() -> None:
    found = closed(standing(resources={"resources": ["scjg.*"]}))
    assert {i.resource for i in found.items["scjg"]} == {"scjg.r1", "scjg.r2", "scjg.free"}
    assert "not shared" in found.left_out["scjg.secret"].en
    assert "not shared" in refusal(standing(resources={"resources": ["scjg.secret"]}))


def test_a_line_is_what_an_equal_grant_would_ask_for_with_the_fingerprint_of_its_view() -> None:
    from schemas.grant import parse_grant

    document = standing()
    [line] = closed(document).items["scjg"]
    asked = {k: v for k, v in standing_document().items() if k in ("purpose", "basis", "fields", "valid")}
    grant = parse_grant({**asked, "id": "a.1", "subscriber": "shuiwu", "resource": "scjg.r1"})
    view = compile_view(CONTRACTS["scjg.r1"], grant).fingerprint
    assert line.covers(grant, view)
    assert not line.covers(grant, "another")


def test_of_each_resource_only_the_fields_it_has_are_approved_and_one_without_any_is_left_out() -> None:
    more = contract("scjg.r3")
    source = {**more.source, "fields": [*more.source["fields"], {"name": "tax", "type": "string"}]}
    from schemas.contract import parse_contract

    contracts = CONTRACTS | {"scjg.r3": parse_contract(source)}
    policy = standing(resources={"resources": ["scjg.r1", "scjg.r3"]}, fields={"uscc": "pass", "tax": "pass"})
    found = closed(policy, contracts=contracts)
    assert [sorted(i.fields) for i in found.items["scjg"]] == [["uscc"], ["tax", "uscc"]]
    only = closed(standing(resources={"resources": ["scjg.*"]}, fields={"tax": "pass"}), contracts=contracts)
    assert [i.resource for i in only.items["scjg"]] == ["scjg.r3"]
    assert "none of the fields" in only.left_out["scjg.r1"].en


def test_default_fields_pass_what_is_of_no_person_and_mask_the_rest_as_far_as_the_contract_permits() -> None:
    [line] = closed(standing(fields="default")).items["scjg"]
    assert line.fields == {
        "uscc": MaskUse(mask="pass"),
        "name": MaskUse(mask="pass"),
        "person": MaskUse(mask="pseudonym"),
    }


def test_a_mask_the_contract_does_not_permit_is_refused() -> None:
    assert "does not permit 'pass'" in refusal(standing(fields={"person": "pass"}))


def test_a_standing_approval_may_take_the_resources_of_another_through_several() -> None:
    base = standing(id="base", resources={"resources": ["scjg.r1", "gaj.r1"]})
    middle = standing(id="middle", resources={"standing": "base"})
    policy = standing(resources={"standing": "middle"})
    assert places(policy, base, middle) == {"gaj": [("gaj.r1", "shuiwu")], "scjg": [("scjg.r1", "shuiwu")]}


def test_standing_approvals_in_a_circle_are_refused_with_the_way_round() -> None:
    first = standing(id="tax", resources={"standing": "b"})
    second = standing(id="b", resources={"standing": "c"})
    third = standing(id="c", resources={"standing": "tax"})
    assert "circle: tax → b → c → tax" in refusal(first, second, third)
    aside = standing(id="c", resources={"standing": "b"})
    assert "circle: b → c → b" in refusal(first, second, aside)
    assert "circle: tax → tax" in refusal(standing(resources={"standing": "tax"}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subscribers": {"certified": "无"}}, "tax: subscribers.certified: no department is certified"),
        ({"subscribers": {"departments": ["nobody"]}}, "no department 'nobody'"),
        ({"subscribers": {"departments": ["scjg"]}}, "approves nothing"),
        ({"resources": {"resources": ["scjg.none"]}}, "no contract of 'scjg.none'"),
        ({"resources": {"resources": ["none.*"]}}, "matches no connected resource"),
        ({"resources": {"domain": "base:无"}}, "tax: resources.domain: no entry of the catalogue is in 'base:无'"),
        ({"resources": {"standing": "none"}}, "no standing approval 'none'"),
        ({"fields": {"uscc": "pass", "slip": "pass"}}, "tax: fields.slip: no resource has the field"),
        ({"where": "nonsense ="}, "where"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(changes: dict[str, Any], said: str) -> None:
    assert said in refusal(standing(**changes))


def test_it_holds_for_at_most_a_year() -> None:
    standing(valid={"from": "2026-11-01", "until": "2027-10-31"})
    for until in ("2027-11-01", "2028-01-01"):
        with pytest.raises(ConfigError, match="at most a year"):
            standing(valid={"from": "2026-11-01", "until": until})
    standing(valid={"from": "2028-02-29", "until": "2029-02-28"})
