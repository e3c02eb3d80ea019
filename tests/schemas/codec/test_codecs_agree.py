"""Both codecs are one codec: the same bytes, the same batches, the same verdicts."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pyarrow as pa
import pyruhvro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import arrow_schema, codec_for
from schemas.codec.columns import ColumnCodec
from schemas.codec.frame import header
from schemas.codec.rows import RowCodec
from tests.fuzz.wire import value
from tests.kit.avro_strategies import batches, record_schemas

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def plain(batch: pa.RecordBatch) -> list[Any]:
    """Comparable content: unions compare by value, batches with unions do not compare by `equals` across codecs."""
    return [[value_of(v) for v in column] for column in batch.columns]


def value_of(scalar: Any) -> Any:
    if isinstance(scalar, pa.UnionScalar):
        return scalar.type_code, value_of(scalar.value)
    if isinstance(scalar, pa.StructScalar):
        return None if not scalar.is_valid else {k: value_of(v) for k, v in scalar.items()}
    if isinstance(scalar, pa.ListScalar | pa.MapScalar):
        return None if not scalar.is_valid else [value_of(v) for v in scalar.values]
    return scalar


@given(record_schemas(native=True))
@QUIET
def test_the_mapping_is_pyruhvros_where_pyruhvro_knows_the_type(schema: dict[str, Any]) -> None:
    theirs = pyruhvro.avro_to_arrow_schema(json.dumps(schema))
    assert arrow_schema(schema).equals(theirs, check_metadata=False)


@given(st.data(), record_schemas(native=True))
@QUIET
def test_both_codecs_write_the_same_bytes_and_read_the_same_batches(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    columns, rows = codec_for(schema, 258), RowCodec(schema, 258)
    assert isinstance(columns, ColumnCodec)
    batch = data.draw(batches(schema))
    written = columns.encode(batch)
    assert rows.encode(batch) == written
    by_columns, by_rows = columns.decode(written), rows.decode(written)
    assert by_columns.bad == by_rows.bad == []
    assert plain(by_columns.batch) == plain(by_rows.batch) == plain(batch)


@given(st.data(), record_schemas(native=True))
@QUIET
def test_a_slice_is_written_as_the_slice_not_as_the_whole(data: st.DataObject, schema: dict[str, Any]) -> None:
    batch = data.draw(batches(schema))
    whole = RowCodec(schema, 1).encode(batch)
    for codec in (codec_for(schema, 1), RowCodec(schema, 1)):
        assert codec.encode(batch.slice(1)) == whole[1:]
        assert codec.encode(batch.slice(0, 2)) == whole[:2]


@given(st.data(), record_schemas())
@QUIET
def test_the_row_codec_reads_back_what_it_wrote_for_every_type(data: st.DataObject, schema: dict[str, Any]) -> None:
    codec = RowCodec(schema, 3)
    batch = data.draw(batches(schema))
    written = codec.encode(batch)
    decoded = codec.decode(written)
    assert decoded.bad == []
    assert decoded.batch.schema.equals(arrow_schema(schema))
    assert plain(decoded.batch) == plain(batch)
    assert codec.encode(decoded.batch) == written


@given(st.data(), record_schemas(native=True))
@QUIET
def test_both_codecs_judge_damaged_values_alike_and_keep_the_neighbours(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    columns, rows = codec_for(schema, 1), RowCodec(schema, 1)
    written = columns.encode(data.draw(batches(schema)))
    damaged = [data.draw(damage(value)) for value in written]
    mixed = [v for pair in zip(written, damaged, strict=True) for v in pair]
    by_columns, by_rows = columns.decode(mixed), rows.decode(mixed)
    assert by_columns.bad == by_rows.bad
    assert by_columns.rows.tolist() == by_rows.rows.tolist()
    assert set(range(0, len(mixed), 2)) <= set(by_columns.rows.tolist())
    assert len(by_columns.batch) == len(by_columns.rows)


@st.composite
def damage(draw: st.DrawFn, value: bytes) -> bytes:
    kind = draw(st.sampled_from(["cut", "flip", "longer", "noise"]))
    if kind == "cut":
        return value[: draw(st.integers(0, len(value) - 1))]
    if kind == "longer":
        return value + draw(st.binary(min_size=1, max_size=3))
    if kind == "noise":
        return value[:5] + draw(st.binary(max_size=30))
    at = draw(st.integers(0, len(value) - 1))
    return value[:at] + bytes([value[at] ^ (1 << draw(st.integers(0, 7)))]) + value[at + 1 :]


@pytest.mark.parametrize("kind", ["columns", "rows"])
def test_no_values_make_an_empty_batch(kind: str) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int" if kind == "columns" else "bytes"}]}
    codec = codec_for(schema, 1)
    assert codec.kind == kind
    decoded = codec.decode([])
    assert (len(decoded.batch), decoded.rows.tolist(), decoded.bad) == (0, [], [])
    assert codec.encode(decoded.batch) == []


INNER = {"type": "record", "name": "Q", "fields": [{"name": "n", "type": "null"}]}


@pytest.mark.parametrize(
    "avro",
    [
        "null", ["null"], ["int"], INNER, ["null", INNER], {"type": "map", "values": "null"}, {"type": "map", "values": ["null"]},
        ["null", {"type": "map", "values": "null"}], ["string", "null", {"type": "map", "values": "int"}],
        ["null", {"type": "map", "values": ["null", "int", "string"]}], {"type": "array", "items": ["null"]},
    ],
    ids=str,
)  # fmt: skip
def test_nulls_alone_and_maps_in_unions_are_read_and_written_alike(avro: Any) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": avro}, {"name": "g", "type": "int"}]}
    dice = Random(7)
    given = [header(9) + value(schema, dice) for _ in range(100)]
    fast, slow = codec_for(schema, 9), RowCodec(schema, 9)
    one, other = fast.decode(given), slow.decode(given)
    assert not one.bad and not other.bad
    assert plain(one.batch) == plain(other.batch)
    assert fast.encode(one.batch) == slow.encode(other.batch)
