"""A preview shows every Avro type a contract may use, as JSON has it, and its output is always JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import arrow_schema
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from stream_apps.policy import PREVIEW_KEY, ViewKeys, preview
from stream_apps.policy.row_columns import column
from stream_apps.policy.rows import typed_row
from tests.schemas.contracts import avro_contract, grant_document

HOME = {
    "type": "record",
    "name": "Home",
    "fields": [
        {"name": "since", "type": {"type": "int", "logicalType": "date"}},
        {"name": "met", "type": ["null", {"type": "long", "logicalType": "local-timestamp-millis"}], "default": None},
    ],
}
TYPES: dict[str, Any] = {
    "date": {"type": "int", "logicalType": "date"},
    "instant": {"type": "long", "logicalType": "timestamp-micros"},
    "local": {"type": "long", "logicalType": "local-timestamp-micros"},
    "time": {"type": "int", "logicalType": "time-millis"},
    "decimal": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 20},
    "bytes": "bytes",
    "fixed": {"type": "fixed", "name": "F", "size": 2},
    "float": "double",
    "enum": {"type": "enum", "name": "E", "symbols": ["A", "B"]},
    "list": {"type": "array", "items": ["null", "int", "string"]},
    "map": {"type": "map", "values": {"type": "long", "logicalType": "timestamp-millis"}},
    "home": HOME,
    "homes": {"type": "array", "items": HOME | {"name": "Homes"}},
    "wide": ["null", "boolean", "long", "string", HOME | {"name": "Wide"}],
}


def answers(name: str, lines: list[str]) -> list[dict[str, Any]]:
    field = {"name": "v", "type": TYPES[name]}
    contract = parse_contract(avro_contract(fields=[{"name": "id", "type": "string"}, field]))
    grant = parse_grant(grant_document(fields={"id": "pass", "v": "pass"}, before=True))
    return list(preview(contract, grant, lines, keys=ViewKeys(PREVIEW_KEY, grant.id)))


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("date", "2026-01-31", "2026-01-31"),
        ("instant", "2026-01-31T08:00:00", "2026-01-31T08:00:00+08:00"),
        ("instant", "2026-01-31T00:00:00Z", "2026-01-31T08:00:00+08:00"),
        ("instant", "9999-12-31T23:00:00Z", "9999-12-31T23:00:00+00:00"),
        ("local", "2026-01-31T08:00:00", "2026-01-31T08:00:00"),
        ("time", "01:02:03.500", "01:02:03.500000"),
        ("decimal", "1.5", "1.50000000000000000000"),
        ("decimal", "0", "0.00000000000000000000"),
        ("bytes", "aGk=", "aGk="),
        ("fixed", "aGk=", "aGk="),
        ("float", 1.5, 1.5),
        ("float", float("nan"), "NaN"),
        ("float", float("-inf"), "-Infinity"),
        ("enum", "B", "B"),
        ("list", [1, None, "x"], [1, None, "x"]),
        ("list", [], []),
        ("map", {"a": 0}, {"a": "1970-01-01T08:00:00+08:00"}),
        ("home", {"since": 0}, {"since": "1970-01-01", "met": None}),
        (
            "homes",
            [{"since": 1, "met": "2026-01-31T08:00:00"}],
            [{"since": "1970-01-02", "met": "2026-01-31T08:00:00"}],
        ),
        ("wide", True, True),
        ("wide", 1, 1),
        ("wide", "1", "1"),
        ("wide", None, None),
        ("wide", {"since": 0}, {"since": "1970-01-01", "met": None}),
    ],
)
def test_a_value_is_shown_as_json_has_it(name: str, given: Any, shown: Any) -> None:
    event = {"op": "c", "before": None, "after": {"id": "a", "v": given}}
    removal = {"op": "d", "before": {"id": "a", "v": given}, "after": None}
    created, deleted = answers(name, [json.dumps(event), json.dumps(removal)])
    json.dumps(created, allow_nan=False)
    assert created["reason"] is None
    assert created["emitted"][0]["after"] == {"id": "a", "v": shown}
    assert deleted["emitted"][0]["before"] == {"id": "a", "v": shown}
    assert deleted["emitted"][0]["after"] is None


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(list(TYPES)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["A", "1.5"]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=4,
    ),
)
def test_whatever_a_line_holds_it_is_answered_and_the_answer_is_json(name: str, value: Any) -> None:
    event = json.dumps({"op": "c", "before": None, "after": {"id": "a", "v": value}})
    answer, fine = answers(name, [event, json.dumps({"op": "d", "before": None, "after": None})])
    json.dumps(answer, allow_nan=False)
    assert (answer["reason"] is None) == bool(answer["emitted"])
    assert fine["reason"] == "invalid: neither before nor after"


@pytest.mark.parametrize("name", list(TYPES))
def test_a_row_is_laid_out_as_the_codec_lays_it_out(name: str) -> None:
    field = {"name": "v", "type": TYPES[name]}
    contract = parse_contract(avro_contract(fields=[{"name": "id", "type": "string"}, field]))
    samples: dict[str, Any] = {"list": [1, "x"], "map": {"a": 0}, "home": {"since": 0}, "homes": [], "wide": "x"}
    samples |= {
        "date": 0,
        "instant": 0,
        "local": "2026-01-01",
        "time": "01:00",
        "decimal": "1",
        "bytes": "",
        "enum": "A",
    }
    value = samples.get(name, "aGk=" if name == "fixed" else 1.5)
    layout = arrow_schema(contract.row_type("Row")).field("v").type
    built = column([typed_row(contract, {"id": "a", "v": value})["v"]], layout)
    assert built.type == layout
    built.validate(full=True)
