"""A view's id changes with all that decides what is released of an event, and with nothing else (the table in the README)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract import parse_contract
from schemas.grant import parse_grant
from stream_apps.policy import View, compile_view
from tests.schemas.contracts import avro_contract, grant_document

HOME = {
    "type": "record",
    "name": "Home",
    "fields": [{"name": "street", "type": "string"}, {"name": "number", "type": ["null", "int"]}],
}
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string"},
    {"name": "kind", "type": "string", "filterable": True},
    {"name": "name", "type": ["null", "string"]},
    {"name": "id_no", "type": ["null", "string"], "format": "cn-id"},
    {"name": "born", "type": {"type": "int", "logicalType": "date"}},
    {"name": "size", "type": ["null", "long"], "filterable": True},
    {"name": "home", "type": ["null", HOME]},
]
USES: dict[str, Any] = {
    "id": "pass",
    "name": {"mask": "partial", "keep_first": 1},
    "size": {"mask": "bucket", "edges": [0, 10]},
    "home.street": "pass",
    "home.number": "pass",
}


def view(contract: dict[str, Any] | None = None, uses: dict[str, Any] | None = None, **grant: Any) -> View:
    """The view of the grant above with changes, on the contract above with changes."""
    contract = {"fields": FIELDS, **(contract or {})}
    document = grant_document(**{"fields": USES | (uses or {}), "where": "kind = 'a'", **grant})
    return compile_view(parse_contract(avro_contract(**contract)), parse_grant(document))


def with_field(name: str, **attributes: Any) -> dict[str, Any]:
    """The contract with a field changed."""
    return {"fields": [f | attributes if f["name"] == name else f for f in FIELDS]}


BASE = view().id

DECIDES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "resource": ({"contract": {"resource": {"id": "scjg.others"}}, "resource": "scjg.others"}, {}),
    "key": ({"contract": {"resource": {"key": ["id", "kind"]}}}, {}),
    "order of the key": (
        {"contract": {"resource": {"key": ["kind", "id"]}}},
        {"contract": {"resource": {"key": ["id", "kind"]}}},
    ),
    "type of a key": ({"contract": with_field("id", type="long")}, {}),
    "type of a key that is not released": (
        {"contract": with_field("id", type="long"), "uses": {"id": "drop"}},
        {"uses": {"id": "drop"}},
    ),
    "one field more": ({"uses": {"kind": "pass"}}, {}),
    "one field less": ({"uses": {"size": "drop"}}, {}),
    "one member less": ({"uses": {"home.number": "drop"}}, {}),
    "another mask": ({"uses": {"name": "pass"}}, {}),
    "another mask of the same type": ({"uses": {"name": {"mask": "truncate", "length": 1}}}, {}),
    "another mask within": ({"uses": {"home.street": {"mask": "partial"}}}, {}),
    "a parameter": ({"uses": {"name": {"mask": "partial", "keep_first": 2}}}, {}),
    "edges": ({"uses": {"size": {"mask": "bucket", "edges": [0, 11]}}}, {}),
    "a preset": (
        {"uses": {"name": {"mask": "partial", "preset": "id"}}},
        {"uses": {"name": {"mask": "partial", "preset": "bank_card"}}},  # which keeps as many
    ),
    "a constant's type": (
        {"contract": with_field("size", type="double"), "uses": {"size": {"mask": "constant", "value": 1}}},
        {"contract": with_field("size", type="double"), "uses": {"size": {"mask": "constant", "value": 1.5}}},
    ),
    "type of what is released": (
        {"contract": with_field("size", type=["null", "int"]), "uses": {"size": "pass"}},
        {"uses": {"size": "pass"}},
    ),
    "type a field may have": ({"contract": with_field("name", type="string")}, {}),
    "order of fields in the contract": ({"contract": {"fields": [FIELDS[0], *FIELDS[:0:-1]]}}, {}),
    "a filter": ({"where": "kind = 'b'"}, {}),
    "no filter": ({"where": None}, {}),
    "a filter's comparison": ({"where": "kind <> 'a'"}, {}),
    "AND or OR": ({"where": "kind = 'a' AND size > 1"}, {"where": "kind = 'a' OR size > 1"}),
    "before": ({"before": True}, {}),
    "how far before is known": ({"contract": {"resource": {"before": "required"}}}, {}),
    "release time": ({"release_time": "day"}, {}),
    "purpose of a pseudonym": ({"uses": {"id_no": "pseudonym"}, "purpose": "another"}, {"uses": {"id_no": "pseudonym"}}),
    "format of a pseudonym": (
        {"uses": {"id_no": "pseudonym"}, "contract": with_field("id_no", format="cn-uscc")},
        {"uses": {"id_no": "pseudonym"}},
    ),
    "a pseudonym of before": (
        {"uses": {"id_no": {"mask": "pseudonym", "previous": True}}},
        {"uses": {"id_no": "pseudonym"}},
    ),
    "first day, where ages are of that day": (
        {"uses": {"born": {"mask": "generalise", "to": "age_band", "width": 10}}, "valid": {"from": "2026-11-02", "until": "2027-10-31"}},
        {"uses": {"born": {"mask": "generalise", "to": "age_band", "width": 10}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DECIDES)
def test_what_decides_what_is_released_is_part_of_the_id(what: str) -> None:
    one, other = DECIDES[what]
    assert view(**one).id != view(**other).id


AS_OF = {"born": {"mask": "generalise", "to": "age_band", "width": 10, "as_of": "2026-01-01"}}
DECIDES_NOT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "subscriber": ({"subscriber": "jiaotong"}, {}),
    "subscriber of a pseudonym, whose keys are others": (
        {"uses": {"id_no": "pseudonym"}, "subscriber": "jiaotong"},
        {"uses": {"id_no": "pseudonym"}},
    ),
    "purpose": ({"purpose": "another"}, {}),
    "basis": ({"basis": "another"}, {}),
    "validity": ({"valid": {"from": "2026-12-01", "until": "2026-12-02"}}, {}),
    "validity where ages are of a day that is told": (
        {"uses": AS_OF, "valid": {"from": "2026-12-01", "until": "2026-12-02"}},
        {"uses": AS_OF},
    ),
    "the grant's id": ({"id": "another.things.2026-002"}, {}),
    "the grant's version": ({"version": 7}, {}),
    "audience": ({"audience": "public", "contract": {"resource": {"open": True}}}, {}),
    "order of fields in the grant": ({"fields": dict(reversed(USES.items()))}, {}),
    "a dropped field": ({"uses": {"kind": "drop"}}, {}),
    "a default written out": ({"uses": {"name": {"mask": "partial", "keep_first": 1, "keep_last": 0}}}, {}),
    "a short name written out": (
        {"uses": {"size": {"mask": "generalise", "to": "bucket", "edges": [0, 10]}}},
        {"uses": {"size": {"mask": "bucket", "edges": [0, 10]}}},
    ),
    "a field that is not granted": ({"contract": with_field("id_no", type="long", format=None)}, {}),
    "type of a field of which the same is released": ({"contract": with_field("size", type=["null", "int"])}, {}),
    "what a contract says of a field": ({"contract": with_field("name", doc="x", level="important", masks=["partial"])}, {}),
    "order of terms": ({"where": "size > 1 AND kind = 'a'"}, {"where": "kind = 'a' AND size > 1"}),
    "order of a list": ({"where": "kind IN ('b', 'a')"}, {"where": "kind = 'a' OR kind = 'b'"}),
    "parentheses and blanks": ({"where": "  ((kind='a'))"}, {}),
    "a NOT carried down": (
        {"where": "NOT (kind <> 'a' OR size <= 1)"},
        {"where": "kind = 'a' AND size > 1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DECIDES_NOT)
def test_nothing_else_is_part_of_the_id(what: str) -> None:
    one, other = DECIDES_NOT[what]
    assert view(**one).id == view(**other).id


@given(uses=st.permutations(list(USES.items())), terms=st.permutations(["kind = 'a'", "size > 1", "size <= 9"]))
def test_a_view_has_one_id_in_whatever_order_its_grant_is_written(uses: Any, terms: list[str]) -> None:
    told = view(where="kind = 'a' AND size > 1 AND size <= 9").id
    assert view(fields=dict(uses), where=" AND ".join(terms)).id == told


def test_the_id_is_the_same_in_every_process() -> None:
    assert BASE == "d4d4d4d4ece817b280c52a4ea50941d8dce361a367aad00bc0c9942b1699337d"
