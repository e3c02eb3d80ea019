"""An application's closed list: what patterns and domains mean, what is left out, and how errors name their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from infra.control.applications.default_fields import default_fields
from infra.control.applications.expand import Expanded, expand
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from stream_apps.policy import compile_view
from tests.infra.control.applications.office import application
from tests.infra.control.world import contract, contract_source

CITY = {
    c.id: c
    for c in (
        contract("scjg.a"),
        contract("scjg.b"),
        contract("gaj.secret", sharing="refused", provider="gaj"),
        contract("gaj.c", provider="gaj"),
        contract("shuiwu.own", provider="shuiwu"),
        contract("scjg.ab"),
    )
}
DOMAINS = {"base:法人": ["scjg.b", "scjg.a", "gaj.secret", "catalogued.only"]}


def domain(name: str) -> Sequence[str]:
    return DOMAINS.get(name, [])


def expanded(*items: dict[str, Any], **changes: Any) -> Expanded:
    return expand(application(items=list(items), **changes), CITY, domain)


def asked(*items: dict[str, Any], **changes: Any) -> list[tuple[str, str, str]]:
    return [(a.grant.id, a.grant.resource, a.grant.subscriber) for a in expanded(*items, **changes).asked]


def error(*items: dict[str, Any], **changes: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        expanded(*items, **changes)
    return caught.value


def test_one_grant_for_each_resource_and_subscriber_numbered_in_a_stable_order() -> None:
    found = asked({"resources": ["gaj.c"]}, {"resources": ["scjg.*"]}, subscribers=["shuiwu", "minzheng"])
    assert found == [
        ("a.1", "gaj.c", "shuiwu"),
        ("a.2", "gaj.c", "minzheng"),
        ("a.3", "scjg.a", "shuiwu"),
        ("a.4", "scjg.a", "minzheng"),
        ("a.5", "scjg.ab", "shuiwu"),
        ("a.6", "scjg.ab", "minzheng"),
        ("a.7", "scjg.b", "shuiwu"),
        ("a.8", "scjg.b", "minzheng"),
    ]


def test_what_two_patterns_of_an_item_meet_is_asked_for_once() -> None:
    assert [r for _, r, _ in asked({"resources": ["scjg.a*", "scjg.a", "*.a"]})] == ["scjg.a", "scjg.ab"]


def test_a_domain_means_its_connected_resources_and_what_is_not_shared_is_left_out_aloud() -> None:
    found = expanded({"domain": "base:法人"})
    assert [a.grant.resource for a in found.asked] == ["scjg.a", "scjg.b"]
    assert list(found.left_out) == ["gaj.secret"]


def test_a_department_does_not_ask_for_its_own() -> None:
    assert list(expanded({"resources": ["*"]}).left_out) == ["gaj.secret", "shuiwu.own"]
    both = asked({"resources": ["shuiwu.own"]}, subscribers=["shuiwu", "minzheng"])
    assert both == [("a.1", "shuiwu.own", "minzheng")]


@pytest.mark.parametrize(
    ("item", "place", "words"),
    [
        ({"resources": ["gaj.secret"]}, "a: items.0.resources: gaj.secret", "not shared"),
        ({"resources": ["shuiwu.own"]}, "a: items.0.resources: shuiwu.own", "own"),
        ({"resources": ["scjg.none"]}, "a: items.0.resources", "no contract of 'scjg.none'"),
        ({"resources": ["none.*"]}, "a: items.0.resources", "matches no connected resource"),
        ({"domain": "base:人口"}, "a: items.0.domain", "no entry of the catalogue"),
        ({"resources": ["*.secret"]}, "a: items.0.resources", "gives nothing"),
        ({"resources": ["scjg.a"], "fields": {"nam": "pass"}}, "a: items.0: scjg.a: fields.nam", "no field 'nam'"),
        ({"resources": ["scjg.a"], "fields": {"person": "pass"}}, "a: items.0: scjg.a: fields.person", "not permit"),
        ({"resources": ["scjg.a"], "where": "x ="}, "a: items.0: scjg.a: where", ""),
    ],
)
def test_what_is_wrong_is_named_by_item_and_field(item: dict[str, Any], place: str, words: str) -> None:
    found = error(item)
    assert words in found.what.en
    assert (found.where or "").startswith(place)


def test_two_items_do_not_ask_for_the_same_resource() -> None:
    found = error({"resources": ["scjg.*"]}, {"resources": ["scjg.a"], "fields": {"uscc": "pass"}})
    assert (found.where, "items.0" in found.what.en) == ("a: items.1.resources", True)


def test_what_is_not_open_is_not_for_enterprises() -> None:
    assert "not open" in error({"resources": ["scjg.a"]}, audience="enterprise").what.en


def test_an_id_without_room_for_numbers_is_refused() -> None:
    assert error({"resources": ["scjg.a"]}, id="a" * 95).where == f"{'a' * 95}: id"


def test_the_view_pinned_is_the_one_the_contract_compiles_to() -> None:
    (one,) = expanded({"resources": ["scjg.a"]}).asked
    assert one.view == compile_view(CITY["scjg.a"], one.grant).fingerprint
    assert one.provider == "scjg"


def with_field(**attributes: Any) -> Contract:
    source = contract_source("x.r")
    return parse_contract({**source, "fields": [source["fields"][0], {"name": "f", "type": "string", **attributes}]})


@pytest.mark.parametrize(
    ("attributes", "use"),
    [
        ({}, "pass"),
        ({"personal": "personal"}, "pseudonym"),
        ({"level": "important"}, "pseudonym"),
        ({"personal": "personal", "masks": ["pass", "partial", "drop"]}, "partial"),
        ({"personal": "personal", "masks": ["pass", "drop"]}, "pass"),
        ({"personal": "personal", "format": "cn-id", "masks": ["partial"]}, "partial"),
        ({"personal": "personal", "masks": ["pass", "pseudonym"]}, "pseudonym"),
        ({"personal": "personal", "masks": ["drop", "null"]}, None),
        ({"masks": ["pseudonym"]}, "pseudonym"),
        ({"personal": "personal", "masks": [{"mask": "partial", "keep_first": {"max": 1}}]}, "partial"),
        ({"personal": "personal", "masks": [{"mask": "partial", "preset": {"one_of": ["name"]}}]}, "partial"),
        (
            {"type": {"type": "int", "logicalType": "date"}, "personal": "personal", "masks": ["date-to-year"]},
            "date_to_year",
        ),
    ],
)
def test_by_default_a_field_is_asked_for_as_little_as_is_of_use(attributes: dict[str, Any], use: str | None) -> None:
    found = default_fields(with_field(**attributes))
    assert found["uscc"].mask == "pass"
    assert (found["f"].mask if "f" in found else None) == use


def test_by_default_a_record_is_asked_for_part_by_part_where_a_part_is_personal() -> None:
    inner = {
        "type": "record",
        "name": "Home",
        "fields": [
            {"name": "city", "type": "string"},
            {"name": "street", "type": "string", "personal": "personal", "masks": ["drop"]},
            {"name": "owner", "type": "string", "personal": "personal"},
        ],
    }
    found = default_fields(with_field(type={"type": "array", "items": inner}))
    assert {path: use.mask for path, use in found.items()} == {
        "uscc": "pass",
        "f[].city": "pass",
        "f[].owner": "pseudonym",
    }
