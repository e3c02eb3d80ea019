"""Which changes of a contract need its provider's signature."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.contract import Contract, parse_contract
from stream_apps.policy.weakening import weakened
from tests.schemas.contracts import avro_contract

KEY = {"name": "id", "type": "string"}
FLOOR = ["drop", {"mask": "partial", "keep_first": {"max": 1}}, {"mask": "bucket", "edges": {"one_of": [[0, 10], [5]]}}]
FIELD = {
    "name": "name",
    "type": "string",
    "masks": FLOOR,
    "level": "important",
    "personal": "personal",
    "format": "cn-id",
    "secrecy": "internal",
}
RESOURCE = {"subject": "person", "secrecy": "内部"}


def contract(field: dict[str, Any] | None = None, resource: dict[str, Any] | None = None) -> Contract:
    fields = [KEY, {k: v for k, v in {**FIELD, **(field or {})}.items() if v is not None}]
    merged = {k: v for k, v in {**RESOURCE, **(resource or {})}.items() if v is not None}
    return parse_contract(avro_contract(fields=fields, resource=merged))


def places(new: Contract, old: Contract | None = None) -> list[str]:
    lines = weakened(old or contract(), new)
    assert all(line.en and line.zh for line in lines)
    return [line.en.split(":")[0] for line in lines]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"level": "general"}, "name.level"),
        ({"level": None}, "name.level"),
        ({"personal": "none"}, "name.personal"),
        ({"masks": None}, "name.masks"),
        ({"masks": [*FLOOR, "pass"]}, "name.masks"),
        ({"masks": [*FLOOR, {"mask": "truncate", "length": {"max": 1}}]}, "name.masks"),
        ({"masks": [{"mask": "partial", "keep_first": {"max": 2}}]}, "name.masks"),
        ({"masks": ["partial"]}, "name.masks"),
        ({"masks": [{"mask": "partial", "keep_last": {"max": 1}}]}, "name.masks"),
        ({"masks": [{"mask": "bucket", "edges": {"one_of": [[0, 10], [3]]}}]}, "name.masks"),
        ({"masks": ["bucket"]}, "name.masks"),
        ({"filterable": True}, "name.filterable"),
        ({"format": None}, "name.format"),
        ({"format": "cn-mobile"}, "name.format"),
        ({"concept": "alias"}, "name.concept"),
        ({"secrecy": None}, "name.secrecy"),
        ({"secrecy": "public"}, "name.secrecy"),
        ({"name": "nom"}, "name"),
    ],
)
def test_a_field_that_is_protected_less_is_named(change: dict[str, Any], place: str) -> None:
    assert places(contract(change)) == [place]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sharing": "unconditional"}, "sharing"),
        ({"open": True}, "open"),
        ({"secrecy": None}, "secrecy"),
        ({"secrecy": "公开"}, "secrecy"),
        ({"subject": None}, "subject"),
        ({"subject": "enterprise"}, "subject"),
        ({"before": "never"}, "before"),
        ({"provider": "others"}, "provider"),
    ],
)
def test_a_resource_that_is_protected_less_is_named(change: dict[str, Any], place: str) -> None:
    assert places(contract(resource=change)) == [place]


def test_a_refused_resource_that_is_shared_again_is_named() -> None:
    refused = contract(resource={"sharing": "refused", "basis": "a law"})
    assert places(contract(), refused) == ["sharing"]
    assert places(refused) == []


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"level": "core", "personal": "sensitive"},
        {"masks": []},
        {"masks": ["drop", {"mask": "partial", "keep_first": {"max": 0}}]},
        {"masks": [{"mask": "partial", "keep_first": {"one_of": [0, 1]}}]},
        {"masks": [{"mask": "partial", "keep_first": {"max": 1}, "keep_last": {"max": 0}}]},
        {"masks": [{"mask": "bucket", "edges": {"one_of": [[5]]}}]},
        {"doc": "其他说明", "rules": {"length": 3}},
        {"type": ["null", "string"], "default": None},
    ],
)
def test_what_protects_as_much_or_more_needs_no_signature(change: dict[str, Any]) -> None:
    assert places(contract(change)) == []


def test_a_new_field_weakens_nothing_and_an_unprotected_one_may_go() -> None:
    more = parse_contract(avro_contract(fields=[KEY, FIELD, {"name": "new", "type": "string"}], resource=RESOURCE))
    assert places(more) == []
    assert places(contract(), more) == []


def test_attributes_deep_within_a_field_count() -> None:
    def nested(**attributes: Any) -> Contract:
        member = {"name": "id_no", "type": "string", "masks": ["pseudonym"], **attributes}
        items = {"type": "record", "name": "M", "fields": [member]}
        home = {"name": "home", "type": {"type": "map", "values": {"type": "array", "items": items}}}
        return parse_contract(avro_contract(fields=[KEY, home]))

    assert places(nested(filterable=True), nested()) == ["home[][].id_no.filterable"]
    assert places(nested(masks=["pass"]), nested()) == ["home[][].id_no.masks"]
