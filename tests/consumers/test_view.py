"""A view as a table: its columns, kinds and titles; its records as typed events."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.events import Place, Tombstone, ViewEvent
from consumers.view import Kind, Origin, kind_of, view_of
from consumers.view_codec import ViewDecoder
from schemas.codec import codec_for, rows
from schemas.contract import parse_contract
from schemas.desk import shown
from schemas.errors import PermanentError
from schemas.grant import Grant
from schemas.keys import key_text
from schemas.policy_state import GrantInForce
from schemas.view_event import HASHED_KEY, view_event_schema

CODE = {"name": "code", "type": "string"}
DAY = {"name": "day", "type": {"type": "int", "logicalType": "date"}}
NUMBER = {"name": "n", "type": "long"}
MONEY = {"name": "money", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}]}


def in_force() -> GrantInForce:
    grant = Grant.model_validate(
        {
            "id": "s.r.2026-001",
            "subscriber": "s",
            "resource": "p.r",
            "purpose": "综合治税",
            "basis": "条例",
            "fields": {"code": "pass"},
            "valid": {"from": "2026-01-01", "until": "2026-12-31"},
        }
    )
    return GrantInForce(grant, 1, "grant.s.r.2026-001.g1", 1, "", 0, 0)


ORIGIN = Origin("grant.s.r.2026-001.g1", "id", 1, 1)


def test_columns_are_the_key_then_the_other_released_fields() -> None:
    view = view_of(in_force(), shown(view_event_schema([CODE], [MONEY, CODE], before=True), None), ORIGIN)
    assert [(c.name, c.kind, c.key) for c in view.columns] == [("code", "text", True), ("money", "decimal", False)]
    assert (view.columns[1].precision, view.columns[1].scale) == (12, 2)


def test_a_hashed_key_is_a_column_of_its_own() -> None:
    key = {"name": HASHED_KEY, "type": "string"}
    view = view_of(in_force(), shown(view_event_schema([key], [CODE], before=False), None), ORIGIN)
    assert [(c.name, c.key) for c in view.columns] == [(HASHED_KEY, True), ("code", False)]


def test_titles_come_from_the_contract() -> None:
    contract = parse_contract(
        {
            "type": "record",
            "name": "R",
            "resource": {
                "id": "p.r",
                "title": {"zh": "企业登记信息", "en": "Registrations"},
                "provider": "p",
                "key": ["code"],
                "sharing": "unconditional",
            },
            "fields": [{**CODE, "doc": "统一社会信用代码"}],
        }
    )
    view = view_of(in_force(), shown(view_event_schema([CODE], [CODE], before=False), contract), ORIGIN)
    assert (view.title, view.columns[0].title) == ("企业登记信息 (s.r.2026-001: 综合治税)", "统一社会信用代码")


@pytest.mark.parametrize(
    ("avro", "kind"),
    [
        ("string", "text"),
        (["null", "int"], "int"),
        ("float", "double"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "text"),
        ({"type": "fixed", "name": "F", "size": 4}, "bytes"),
        ({"type": "string", "logicalType": "uuid"}, "text"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "timestamp"),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, "local"),
        ({"type": "array", "items": "string"}, "json"),
        ({"type": "map", "values": "long"}, "json"),
        (["null", "string", "long"], "json"),
    ],
)
def test_every_avro_type_has_a_kind_of_column(avro: Any, kind: Kind) -> None:
    assert kind_of(avro) == kind


class Record:
    """A Kafka message as the decoder sees it."""

    def __init__(self, key: bytes, value: bytes | None = None) -> None:
        self._key, self._value = key, value

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 14


@given(st.text(), st.dates(), st.integers(-(2**63), 2**63 - 1))
def test_a_tombstone_knows_its_key_from_the_kafka_key(code: str, day: dt.date, n: int) -> None:
    try:
        raw = key_text([code, day, n]).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is no text; no key is made of it
    decoder = ViewDecoder("t", view_event_schema([CODE, DAY, NUMBER], [CODE], before=False), 1)
    (found,) = decoder.records([Record(raw)])  # type: ignore[list-item]
    assert found == Tombstone({"code": code, "day": day, "n": n}, Place(3, 14))


@pytest.mark.parametrize(
    "raw", [b"only one part", b"a|2026-01-01|x", b"a|b|3", b"\xff|2026-01-01|3", b"a\\x|2026-01-01|3"]
)
def test_a_tombstone_of_no_key_stops_with_its_place(raw: bytes) -> None:
    decoder = ViewDecoder("t", view_event_schema([CODE, DAY, NUMBER], [CODE], before=False), 1)
    with pytest.raises(PermanentError) as caught:
        decoder.records([Record(raw)])  # type: ignore[list-item]
    assert caught.value.where == "t[3]@14"


TYPED: list[dict[str, Any]] = [
    CODE,
    MONEY,
    {"name": "day", "type": ["null", DAY["type"]]},
    {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
    {"name": "n", "type": ["null", "long"]},
    {"name": "x", "type": ["null", "double"]},
    {"name": "yes", "type": ["null", "boolean"]},
    {"name": "raw", "type": ["null", "bytes"]},
    {"name": "many", "type": ["null", {"type": "array", "items": ["null", "string"]}]},
    {"name": "by", "type": ["null", {"type": "map", "values": "long"}]},
    {"name": "in", "type": ["null", {"type": "record", "name": "In", "fields": [{"name": "a", "type": "long"}]}]},
]
ROW: dict[str, Any] = {
    **{"code": "甲\0", "money": Decimal("-1.50"), "day": dt.date(1, 1, 1), "n": 2**62 + 1, "x": 0.1, "yes": False},
    **{
        "at": dt.datetime.fromisoformat("2026-01-01T00:00:00.123+00:00"),
        "raw": b"\0",
        "many": ["a", None],
        "by": {"k": 1},
    },
    "in": {"a": 2**53 + 1},
}


def test_events_hold_the_values_the_codec_gives_row_by_row() -> None:
    schema = view_event_schema([CODE], TYPED, before=True)
    empty = {f["name"]: None for f in TYPED} | {"code": ""}
    events = [
        {"op": op, "released_at": 1_700_000_000_123, "key": {"code": "甲\0"}, "before": before, "after": after}
        for op, before, after in (("c", None, ROW), ("u", ROW, empty), ("d", empty, None))
    ]
    records, framed = [], []
    for event in events:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema), event)
        framed.append(b"\0\0\0\0\x01" + out.getvalue())
        records += [Record(b"k", framed[-1]), Record("甲\0".encode())]
    found = ViewDecoder("t", schema, 1).records(records)  # type: ignore[arg-type]
    plain = rows(codec_for(schema, 1).decode(framed).batch)
    assert [(e.op.value, e.key, e.before, e.after) for e in found if isinstance(e, ViewEvent)] == [
        (r["op"], r["key"], r["before"], r["after"]) for r in plain
    ]
    assert [isinstance(r, Tombstone) for r in found] == [False, True] * 3
    assert {e.released_at for e in found if isinstance(e, ViewEvent)} == {1_700_000_000_123}
