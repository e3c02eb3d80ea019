"""What a schema does not allow is refused with the field's name and without its value."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import schemas.codec
from schemas.codec import codec_for, rows
from schemas.codec.rows import RowCodec
from schemas.errors import ConfigError, PermanentError

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
INNER = {"type": "record", "name": "I", "fields": [{"name": "must", "type": "int"}]}
SCHEMA = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "a", "type": "int"},
        {"name": "e", "type": ENUM},
        {"name": "r", "type": ["null", INNER]},
        {"name": "l", "type": {"type": "array", "items": "string"}},
        {"name": "m", "type": {"type": "map", "values": ["null", "int"]}},
    ],
}
GOOD = {"a": 1, "e": "A", "r": {"must": 1}, "l": ["x"], "m": [("k", None)]}
CODECS = [codec_for(SCHEMA, 1), RowCodec(SCHEMA, 1)]


def batch(**changes: Any) -> pa.RecordBatch:
    loose = pa.schema([pa.field(f.name, f.type) for f in CODECS[0].arrow])
    return pa.RecordBatch.from_pylist([GOOD, {**GOOD, **changes}], schema=loose)


@pytest.mark.parametrize("codec", CODECS, ids=["columns", "rows"])
@pytest.mark.parametrize(
    ("changes", "place"),
    [({"a": None}, "a"), ({"e": None}, "e"), ({"r": {"must": None}}, "r.must"), ({"l": [None]}, "l[]")],
)
def test_a_null_where_none_is_allowed_is_refused_by_name(codec: Any, changes: dict[str, Any], place: str) -> None:
    with pytest.raises(PermanentError, match="null") as caught:
        codec.encode(batch(**changes))
    assert caught.value.where == place


@pytest.mark.parametrize("codec", CODECS, ids=["columns", "rows"])
def test_a_null_under_a_null_record_is_no_fault(codec: Any) -> None:
    written = codec.encode(batch(r=None))
    assert codec.decode(written).batch.to_pylist() == [GOOD, {**GOOD, "r": None}]


@pytest.mark.parametrize("codec", CODECS, ids=["columns", "rows"])
def test_an_unknown_symbol_is_refused_without_being_told(codec: Any) -> None:
    with pytest.raises(PermanentError) as caught:
        codec.encode(batch(e="SECRET"))
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("codec", CODECS, ids=["columns", "rows"])
def test_a_batch_laid_out_otherwise_is_refused(codec: Any) -> None:
    good = batch()
    with pytest.raises(PermanentError, match="in order"):
        codec.encode(good.select(["e", "a", "r", "l", "m"]))
    with pytest.raises(PermanentError, match="another type") as caught:
        codec.encode(good.set_column(0, "a", pa.array([1, 2], pa.int64())))
    assert caught.value.where == "a"


def test_references_that_multiply_are_refused() -> None:
    inner: Any = {"type": "record", "name": "R0", "fields": [{"name": "x", "type": "int"}]}
    for i in range(1, 25):
        inner = {
            "type": "record",
            "name": f"R{i}",
            "fields": [{"name": "a", "type": inner}, {"name": "b", "type": f"R{i - 1}"}],
        }
    with pytest.raises(ConfigError, match="types once written out"):
        codec_for(inner, 1)


def test_python_rows_have_dicts_for_maps() -> None:
    assert rows(batch().slice(0, 1)) == [{**GOOD, "m": {"k": None}}]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "R"]}]},
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "Unknown"}]},
    ],
)
def test_a_schema_that_has_no_columns_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        codec_for(schema, 1)


@pytest.mark.parametrize(
    ("avro", "kind"),
    [("string", "columns"), (["null", INNER], "columns"), ("bytes", "rows"), (["null", "int", ENUM], "rows")],
)
def test_the_columnar_codec_is_taken_where_it_knows_every_type(avro: Any, kind: str) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": avro}]}
    assert codec_for(schema, 1).kind == kind


def test_the_door_of_the_codec_has_these_names() -> None:
    assert schemas.codec.__all__ == [
        "MAX_VALUE_BYTES",        "BadValue", "ChangeDecoder", "Codec", "Decoded", "Reason", "arrow_schema", "arrow_type", "codec_for", "key_texts",
        "rows", "schema_ids",
    ]  # fmt: skip
