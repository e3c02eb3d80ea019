"""Hostile values: no crash, no giant memory, the right reason, and never a word of their content."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.codec import Reason, codec_for
from schemas.codec.frame import header
from schemas.codec.model import MAX_VALUE_BYTES
from schemas.codec.rows import RowCodec
from tests.kit.memory import little_memory

__all__ = ["little_memory"]

HEAD = header(9)
DATE = {"type": "int", "logicalType": "date"}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
WIDE = {"type": "record", "name": "W", "fields": [{"name": f"w{i}", "type": ["null", "long"]} for i in range(200)]}
EMPTY = {"type": "record", "name": "Z", "fields": []}


def varint(number: int) -> bytes:
    rest = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    out = b""
    while rest > 127:
        out += bytes([rest & 127 | 128])
        rest >>= 7
    return out + bytes([rest])


def record(avro: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "f", "type": avro}, {"name": "g", "type": "string"}]}


def array(avro: Any) -> dict[str, Any]:
    return {"type": "array", "items": avro}


CASES = {
    "no bytes": ("string", b"", Reason.TRUNCATED),
    "string of 2^62": ("string", varint(2**62) + b"abc", Reason.TRUNCATED),
    "string of 2^63-1": ("string", varint(2**63 - 1) + b"abc", Reason.TRUNCATED),
    "string of negative length": ("string", varint(-5) + b"abc", Reason.MALFORMED),
    "string of least length": ("string", varint(-(2**63)) + b"abc", Reason.MALFORMED),
    "not UTF-8": ("string", b"\x04\xff\xfe" + b"\x02x", Reason.BAD_UTF8),
    "surrogate": ("string", b"\x06\xed\xa0\x80" + b"\x02x", Reason.BAD_UTF8),
    "overlong NUL": ("string", b"\x04\xc0\x80" + b"\x02x", Reason.BAD_UTF8),
    "trailing byte": ("string", b"\x02a\x02x\x00", Reason.TRAILING_BYTES),
    "int of 2^31": ("int", varint(2**31) + b"\x02x", Reason.MALFORMED),
    "int of 2^40": ("int", varint(2**40) + b"\x02x", Reason.MALFORMED),
    "number of 11 bytes": ("long", b"\xff" * 10 + b"\x01" + b"\x02x", Reason.MALFORMED),
    "number of 70 bits": ("long", b"\xff" * 9 + b"\x7f" + b"\x02x", Reason.MALFORMED),
    "unfinished number": ("long", b"\x80", Reason.TRUNCATED),
    "boolean of 2": ("boolean", b"\x02\x02x", Reason.MALFORMED),
    "unknown symbol": (ENUM, varint(5) + b"\x02x", Reason.MALFORMED),
    "negative symbol": (ENUM, varint(-1) + b"\x02x", Reason.MALFORMED),
    "unknown branch": (["null", "int"], varint(2) + b"\x02x", Reason.MALFORMED),
    "negative branch": (["null", "int", "string"], varint(-1) + b"\x02x", Reason.MALFORMED),
    "huge block": (array("int"), varint(2**62) + b"\x02\x02x", Reason.TRUNCATED),
    "huge negative block": (array("int"), varint(-(2**62)) + varint(1) + b"\x02x", Reason.TRUNCATED),
    "least block": (array("int"), varint(-(2**63)) + varint(1) + b"\x02x", Reason.TRUNCATED),
    "block beyond the end": (array("int"), varint(-1) + varint(10**6) + b"\x02\x00\x02x", Reason.TRUNCATED),
    "block of another size": (array("int"), varint(-1) + varint(2) + b"\x02\x00\x02x", Reason.MALFORMED),
    "a billion nulls": (array("null"), varint(10**9) + b"\x00\x02x", Reason.TOO_LARGE),
    "a billion empty records": (array(EMPTY), varint(10**9) + b"\x00\x02x", Reason.TOO_LARGE),
    "many small blocks of nulls": (array("null"), varint(10**3) * 10**3 + b"\x00\x02x", Reason.TOO_LARGE),
    "a million wide nulls": (array(["null", WIDE]), varint(10**6) + b"\x00" * 10**6 + b"\x00\x02x", Reason.TOO_LARGE),
    "huge map": ({"type": "map", "values": "int"}, varint(2**61) + b"\x02k\x02", Reason.TRUNCATED),
    "map key twice": (
        {"type": "map", "values": "int"},
        varint(2) + b"\x02k\x02\x02k\x04\x00" + b"\x02x",
        Reason.MALFORMED,
    ),
    "map key not UTF-8": ({"type": "map", "values": "int"}, varint(1) + b"\x02\xff\x02\x00\x02x", Reason.BAD_UTF8),
    "too many digits": (
        {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 0},
        b"\x04\x7f\xff\x02x",
        Reason.MALFORMED,
    ),
    "day of year 10000": (DATE, varint(2932897) + b"\x02x", Reason.MALFORMED),
    "day before year 1": (["null", DATE], b"\x02" + varint(-719163) + b"\x02x", Reason.MALFORMED),
    "days of year 10000": (array(DATE), varint(1) + varint(2932897) + b"\x00\x02x", Reason.MALFORMED),
    "instant beyond all years": (
        {"type": "long", "logicalType": "timestamp-millis"},
        varint(2**62) + b"\x02x",
        Reason.MALFORMED,
    ),
    "25 o'clock": ({"type": "int", "logicalType": "time-millis"}, varint(90_000_000) + b"\x02x", Reason.MALFORMED),
    "no digits": (
        {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 0},
        b"\x00\x02x",
        Reason.MALFORMED,
    ),
    "bytes of 2^62": ("bytes", varint(2**62) + b"abc", Reason.TRUNCATED),
    "short fixed": ({"type": "fixed", "name": "F", "size": 9}, b"abc", Reason.TRUNCATED),
    "larger than a value may be": (
        "string",
        varint(MAX_VALUE_BYTES) + b"a" * MAX_VALUE_BYTES + b"\x02x",
        Reason.TOO_LARGE,
    ),
}


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [False, True])
def test_a_hostile_value_is_named_and_alone(case: str, rows: bool) -> None:
    avro, body, reason = CASES[case]
    codec = RowCodec(record(avro), 9) if rows else codec_for(record(avro), 9)
    decoded = codec.decode([HEAD + body, HEAD + body])
    assert [(b.position, b.reason) for b in decoded.bad] == [(0, reason), (1, reason)]
    assert len(decoded.batch) == 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.NOT_FRAMED),
        (b"\x00\x00\x00\x00", Reason.NOT_FRAMED),
        (b"\x01\x00\x00\x00\x09\x02a", Reason.NOT_FRAMED),
        (b'{"json": 1}', Reason.NOT_FRAMED),
        (header(10) + b"\x02a", Reason.UNKNOWN_SCHEMA),
        (HEAD, Reason.TRUNCATED),
    ],
)
def test_a_value_of_someone_else_is_named(value: bytes, reason: Reason) -> None:
    for avro in ("string", "bytes"):
        schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": avro}]}
        decoded = codec_for(schema, 9).decode([HEAD + b"\x02a", value, HEAD + b"\x02b"])
        assert [(b.position, b.reason) for b in decoded.bad] == [(1, reason)]
        assert decoded.rows.tolist() == [0, 2]
        assert decoded.batch.column(0).to_pylist() == (["a", "b"] if avro == "string" else [b"a", b"b"])


def test_arrays_written_in_several_blocks_are_read_as_any_other() -> None:
    schema = record(array("int"))
    value = HEAD + varint(1) + b"\x02" + varint(-2) + varint(2) + b"\x04\x06" + b"\x00" + b"\x02x"
    for codec in (codec_for(schema, 9), RowCodec(schema, 9)):
        decoded = codec.decode([value])
        assert decoded.bad == []
        assert decoded.batch.to_pylist() == [{"f": [1, 2, 3], "g": "x"}]


def test_numbers_with_padding_bytes_are_read_as_any_other() -> None:
    schema = record("long")
    for codec in (codec_for(schema, 9), RowCodec(schema, 9)):
        assert codec.decode([HEAD + b"\x82\x80\x00" + b"\x02x"]).batch.to_pylist() == [{"f": 1, "g": "x"}]


def test_a_thousand_bad_values_among_good_ones_leave_the_good_ones() -> None:
    codec = codec_for(record("long"), 9)
    good, bad = HEAD + b"\x02\x02x", HEAD + b"\x02\x04x"
    decoded = codec.decode([bad if i % 3 else good for i in range(1500)])
    assert decoded.rows.tolist() == list(range(0, 1500, 3))
    assert {b.reason for b in decoded.bad} == {Reason.TRUNCATED}
