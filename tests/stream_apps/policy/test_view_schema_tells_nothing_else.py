"""A view's schema names what is released and holds nothing a grant did not grant: no text, default, symbol, attribute."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastavro.schema import parse_schema

from schemas.codec import arrow_type
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import compile_view
from tests.schemas.contracts import avro_contract, grant_document

ENUM = {"type": "enum", "name": "State", "symbols": ["SECRET_A", "SECRET_B"], "doc": "secret"}
RECORD = {
    "type": "record",
    "name": "Key",
    "doc": "secret",
    "aliases": ["SecretAlias"],
    "fields": [
        {"name": "street", "type": "string", "doc": "secret", "default": "secret"},
        {"name": "state", "type": ENUM, "aliases": ["secret"]},
        {"name": "on", "type": ["null", {"type": "int", "logicalType": "date", "note": "secret"}]},
    ],
}
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": {"type": "string", "note": "secret"}, "doc": "secret"},
    {"name": "home", "type": ["null", RECORD], "default": None, "doc": "secret"},
    {"name": "marks", "type": {"type": "array", "items": {"type": "string", "note": "secret"}, "default": []}},
    {"name": "fee", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2, "note": "secret"}},
    {"name": "withheld_secret", "type": ["null", "string"], "default": None},
]


def contract(fields: list[dict[str, Any]]) -> Contract:
    return parse_contract(avro_contract(fields=fields))


def test_a_view_schema_holds_no_text_default_symbol_alias_or_attribute_at_any_depth() -> None:
    fields = dict.fromkeys(("id", "home", "marks", "fee"), "pass")
    view = compile_view(contract(FIELDS), parse_grant(grant_document(fields=fields, before=True)))
    assert "secret" not in json.dumps(view.schema, ensure_ascii=False).lower()
    parse_schema(view.schema, _force=True)


@pytest.mark.parametrize("name", ["home", "marks", "fee"])
def test_a_passed_field_keeps_its_columns_layout(name: str) -> None:
    whole = contract(FIELDS)
    view = compile_view(whole, parse_grant(grant_document(fields={"id": "pass", name: "pass"})))
    kept = view.arrow.field("after").type.field(name).type
    assert kept == arrow_type(["null", {"type": "record", "name": "R", "fields": [FIELDS_BY_NAME[name]]}]).field(0).type


FIELDS_BY_NAME = {f["name"]: {"name": f["name"], "type": f["type"]} for f in FIELDS}


def test_an_enumeration_within_a_union_of_several_types_is_not_passed() -> None:
    fields = [*FIELDS, {"name": "either", "type": ["null", ENUM | {"name": "Other"}, "string"], "default": None}]
    with pytest.raises(ConfigError, match="does not suit"):
        compile_view(contract(fields), parse_grant(grant_document(fields={"id": "pass", "either": "pass"})))
