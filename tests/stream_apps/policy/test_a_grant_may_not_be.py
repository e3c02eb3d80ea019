"""What a contract does not allow is refused when the grant is compiled, with the place."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import View, compile_view
from tests.schemas.contracts import avro_contract, grant_document

FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "name", "type": ["null", "string"], "masks": ["pseudonym", {"mask": "partial", "keep_first": {"max": 1}}]},
    {"name": "cents", "type": ["null", "long"]},
    {"name": "district", "type": "string", "filterable": True},
    {"name": "hidden", "type": "string"},
]


def contract(**resource: Any) -> Contract:
    return parse_contract(avro_contract(fields=FIELDS, resource=resource))


def view(fields: dict[str, Any], **changes: Any) -> View:
    return compile_view(contract(), parse_grant(grant_document(fields=fields, **changes)), "g.yaml")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"nmae": "pass"}, "fields.nmae"),
        ({"name": "pass"}, "fields.name"),
        ({"name": {"mask": "truncate", "length": 1}}, "fields.name"),
        ({"name": {"mask": "partial", "keep_first": 2}}, "fields.name.keep_first"),
        ({"id": {"mask": "partial", "keep_frist": 1}}, "fields.id.keep_frist"),
        ({"id": {"mask": "partial", "keep_first": -1}}, "fields.id.keep_first"),
        ({"id": {"mask": "partial", "keep_first": True}}, "fields.id.keep_first"),
        ({"id": "truncate"}, "fields.id.length"),
        ({"id": "blur"}, "fields.id"),
        ({"id": {"mask": "bucket", "edges": [0]}}, "fields.id"),
        ({"cents": {"mask": "bucket", "edges": [1, 0]}}, "fields.cents.edges"),
        ({"cents": {"mask": "bucket", "edges": []}}, "fields.cents.edges"),
        ({"cents": "partial"}, "fields.cents"),
        ({"cents": "date-to-year"}, "fields.cents"),
        ({"id": "drop", "name": "drop"}, "fields"),
    ],
)
def test_a_field_or_mask_the_contract_does_not_allow_is_refused_at_its_place(
    fields: dict[str, Any], place: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        view(fields)
    assert refused.value.where == f"g.yaml: {place}"


def test_a_filter_on_a_field_neither_passed_nor_filterable_is_refused() -> None:
    for masked in ({"id": "pass"}, {"id": "pass", "hidden": "pseudonym"}):
        with pytest.raises(ConfigError, match="reveal"):
            view(masked, where="hidden = 'x'")
    assert view({"id": "pass", "hidden": "pass"}, where="hidden = 'x'").where is not None
    assert view({"id": "pass"}, where="district = 'x'").where is not None


@pytest.mark.parametrize(
    ("resource", "changes"),
    [
        ({"id": "scjg.others"}, {}),
        ({"sharing": "refused", "basis": "a law"}, {}),
        ({}, {"audience": "public"}),
        ({}, {"audience": "enterprise"}),
    ],
)
def test_what_is_not_shared_cannot_be_granted(resource: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        compile_view(contract(**resource), parse_grant(grant_document(fields={"id": "pass"}, **changes)))
    compile_view(contract(open=True), parse_grant(grant_document(fields={"id": "pass"}, **changes)))


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({"id": "pass"}, "fields"),
        ({"id": "pseudonym"}, "fields"),
        ({"id": {"mask": "truncate", "length": 9}}, "token"),
        ({"id": {"mask": "partial", "keep_first": 9}}, "token"),
        ({"district": "pass"}, "token"),
        ({"id": "drop", "district": "pass"}, "token"),
    ],
)
def test_no_lossy_mask_makes_a_key(fields: dict[str, Any], mode: str) -> None:
    compiled = view(fields)
    assert compiled.key_mode == mode
    assert compiled.arrow.field("key").type.field(0).name == ("id" if mode == "fields" else "_key")


def test_a_field_no_grant_names_is_in_no_view() -> None:
    assert "hidden" not in str(view({"id": "pass"}, before=True).schema)


def test_equal_grants_make_equal_views_and_a_view_survives_pickling() -> None:
    fields = {"id": "pass", "name": "pseudonym"}
    one, two = view(fields, where="district = 'x'"), view(dict(reversed(fields.items())), where="(district = 'x')")
    other = view(fields, where="district <> 'x'")
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.id != other.id
    assert one.schema == two.schema
