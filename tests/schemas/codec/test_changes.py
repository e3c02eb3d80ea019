"""Several versions of a contract in one topic become one batch of the newest."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from schemas.change_event import change_event_schema
from schemas.codec import ChangeDecoder, Reason, codec_for
from schemas.contract import Contract, parse_contract
from schemas.errors import PermanentError, TransientError
from schemas.text import Text
from tests.schemas.contracts import avro_contract

DATE = {"type": "int", "logicalType": "date"}
OLD = [
    {"name": "id", "type": "string"},
    {"name": "n", "type": "int"},
    {"name": "gone", "type": ["null", DATE]},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["ON", "OFF", "LOST"]}},
    {"name": "parts", "type": {"type": "array", "items": "int"}},
]
NEW = [
    {"name": "n", "type": "long"},
    {"name": "id", "type": "string"},
    {"name": "state", "type": ["null", {"type": "enum", "name": "State", "symbols": ["ON", "OFF"]}]},
    {"name": "parts", "type": {"type": "array", "items": "double"}},
    {"name": "level", "type": "int", "default": 3},
    {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {"a": "b"}},
    {"name": "note", "type": ["null", "bytes"], "default": None},
]


def contract(fields: list[dict[str, Any]]) -> Contract:
    return parse_contract(avro_contract(fields=fields))


def events(of: Contract, schema_id: int, rows: list[dict[str, Any]]) -> list[bytes]:
    codec = codec_for(change_event_schema(of), schema_id)
    envelope = {"op": "u", "event_id": "e", "source": "s", "position": "p", "occurred_at": None, "published_at": 5}
    whole = [{**envelope, "key": {"id": r["id"]}, "before": None, "after": r} for r in rows]
    return codec.encode(pa.RecordBatch.from_pylist(whole, schema=codec.arrow))


OLD_ROW = {"id": "1", "n": 7, "gone": None, "state": "OFF", "parts": [1, 2]}
NEW_ROW = {"id": "2", "n": 2**40, "state": None, "parts": [0.5], "level": 9, "tags": [("x", "y")], "note": b"z"}


def test_old_and_new_events_keep_their_order_and_take_the_newest_layout() -> None:
    old, new = contract(OLD), contract(NEW)
    decoder = ChangeDecoder(new, 2, {1: change_event_schema(old)}.__getitem__)
    values = [*events(new, 2, [NEW_ROW]), *events(old, 1, [OLD_ROW]), *events(new, 2, [NEW_ROW])]
    decoded = decoder.decode(values)
    assert decoded.bad == []
    assert decoded.rows.tolist() == [0, 1, 2]
    assert decoded.batch.schema == decoder.arrow
    after = decoded.batch.column("after").to_pylist()
    assert after[0] == after[2] == NEW_ROW
    assert after[1] == {
        "id": "1", "n": 7, "state": "OFF", "parts": [1.0, 2.0], "level": 3, "tags": [("a", "b")], "note": None
    }  # fmt: skip


def test_a_symbol_the_contract_no_longer_has_makes_that_value_bad_and_no_other() -> None:
    old, new = contract(OLD), contract(NEW)
    decoder = ChangeDecoder(new, 2, {1: change_event_schema(old)}.__getitem__)
    decoded = decoder.decode(events(old, 1, [OLD_ROW, {**OLD_ROW, "state": "LOST"}, OLD_ROW]))
    assert [(b.position, b.reason) for b in decoded.bad] == [(1, Reason.NO_DEFAULT)]
    assert decoded.rows.tolist() == [0, 2]
    assert len(decoded.batch) == 2


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ([], [{"name": "must", "type": "string"}]),
        ([{"name": "must", "type": "long"}], [{"name": "must", "type": "int"}]),
        ([{"name": "must", "type": "string"}], [{"name": "must", "type": "int"}]),
        (
            [{"name": "must", "type": "long"}],
            [{"name": "must", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
        ),
        ([{"name": "must", "type": ["int", "string"]}], [{"name": "must", "type": ["string", "int"]}]),
    ],
)
def test_a_value_that_cannot_be_brought_to_the_newest_contract_is_bad(before: Any, now: Any) -> None:
    identity = {"name": "id", "type": "string"}
    old, new = contract([identity, *before]), contract([identity, *now])
    row: dict[str, Any] = {"id": "1"}
    codec = codec_for(change_event_schema(old), 1)
    if before:
        kind = codec.arrow.field("after").type.field("must").type
        row["must"] = "x" if pa.types.is_string(kind) else 1
    wide = bool(before) and isinstance(before[0]["type"], list)
    values = [_union_event(codec)] if wide else events(old, 1, [row])
    decoded = ChangeDecoder(new, 2, {1: change_event_schema(old)}.__getitem__).decode(values)
    assert [(b.position, b.reason) for b in decoded.bad] == [(0, Reason.NO_DEFAULT)]
    assert len(decoded.batch) == 0


def _union_event(codec: Any) -> bytes:
    body = b"\x02\x021\x00\x02\x021\x00\x06\x02e\x02s\x02p\x00\x0a"
    return bytes([0, 0, 0, 0, codec.schema_id]) + body


def test_null_where_the_newest_contract_allows_none_is_bad() -> None:
    identity = {"name": "id", "type": "string"}
    old = contract([identity, {"name": "v", "type": ["null", "string"]}])
    new = contract([identity, {"name": "v", "type": "string"}])
    values = events(old, 1, [{"id": "1", "v": "x"}, {"id": "2", "v": None}])
    decoded = ChangeDecoder(new, 2, {1: change_event_schema(old)}.__getitem__).decode(values)
    assert [(b.position, b.reason) for b in decoded.bad] == [(1, Reason.NO_DEFAULT)]
    assert decoded.batch.column("after").to_pylist() == [{"id": "1", "v": "x"}]


def test_a_registry_out_of_reach_is_passed_on_and_a_later_call_decodes_everything() -> None:
    old, new = contract(OLD), contract(NEW)
    answers: list[Any] = [TransientError(Text("away", "不可达")), change_event_schema(old)]

    def resolve(_: int) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    decoder = ChangeDecoder(new, 2, resolve)
    values = [*events(new, 2, [NEW_ROW]), *events(old, 1, [OLD_ROW])]
    with pytest.raises(TransientError):
        decoder.decode(values)
    assert decoder.decode(values).rows.tolist() == [0, 1]
    assert decoder.decode(values).rows.tolist() == [0, 1], "a schema is asked for once"


@pytest.mark.parametrize("answer", ["unknown", "not a record", "not avro"])
def test_an_id_that_means_nothing_makes_its_values_bad_only(answer: str) -> None:
    new = contract(NEW)

    def resolve(_: int) -> Any:
        if answer == "unknown":
            raise PermanentError(Text("unknown", "未知"))
        return {"type": "string"} if answer == "not a record" else {"type": "record", "fields": 5}

    good = events(new, 2, [NEW_ROW])
    decoded = ChangeDecoder(new, 2, resolve).decode([*good, *events(new, 3, [NEW_ROW]), b"junk", *good])
    assert [(b.position, b.reason) for b in decoded.bad] == [(1, Reason.UNKNOWN_SCHEMA), (2, Reason.NOT_FRAMED)]
    assert decoded.rows.tolist() == [0, 3]
