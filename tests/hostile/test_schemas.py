"""A contract may not make gigabytes of bytes, nor minutes of reading: what has no bound is refused when it is read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.avro_types import MAX_FIELDS, MAX_ROW_TYPES
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.contract import load_contract, parse_contract
from schemas.errors import ConfigError
from schemas.validation import MAX_BYTES, MAX_ITEMS, MAX_TEXT
from tests.schemas.contracts import avro_contract

ID = {"name": "id", "type": "string"}
EMPTY = {"type": "record", "name": "E", "fields": []}


@contextmanager
def quickly(seconds: float = 2.0) -> Iterator[None]:
    """What happens inside takes less than `seconds` of work, however busy the machine is with something else."""
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds


def contract(avro: Any) -> dict[str, Any]:
    return avro_contract(fields=[ID, {"name": "f", "type": avro}])


def nested(depth: int, leaf: Any = "string") -> Any:
    for level in range(depth):
        leaf = {"type": "record", "name": f"N{level}", "fields": [{"name": "f", "type": leaf}]}
    return leaf


def array(items: Any) -> Any:
    return {"type": "array", "items": items}


def arrays(depth: int) -> Any:
    out: Any = "int"
    for _ in range(depth):
        out = array(out)
    return out


RECURSIVE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
UNBOUNDED = {
    "array of nulls": array("null"),
    "array of empty records": array(EMPTY),
    "array of records of nulls": array({"type": "record", "name": "R", "fields": [{"name": "n", "type": "null"}]}),
    "array of empty records in records": array(
        {"type": "record", "name": "R", "fields": [{"name": "e", "type": EMPTY}]}
    ),
    "a record within itself": RECURSIVE,
    "an array of itself": {"type": "record", "name": "Tree", "fields": [{"name": "kids", "type": array("Tree")}]},
    "a reference by name": ["null", "Thing"],
    "a fixed of no bytes": {"type": "fixed", "name": "F", "size": 0},
    "a fixed of gigabytes": {"type": "fixed", "name": "F", "size": 1 << 31},
    "a fixed of a negative size": {"type": "fixed", "name": "F", "size": -1},
    "a fixed of half a byte": {"type": "fixed", "name": "F", "size": 0.5},
    "records 9 deep": nested(9),
    "records 60 deep": nested(60),
    "records 1000 deep": nested(1000),
    "arrays 1000 deep": arrays(1000),
    "types within types within types": json.loads('{"type":' * 400 + '"int"' + "}" * 400),
    "a union with a type twice": ["null", "null", "int"],
    "a union with a kind twice": ["int", {"type": "int", "logicalType": "date"}],
    "a union of a thousand types": [{"type": "fixed", "name": f"F{n}", "size": 1} for n in range(1000)],
    "unions in unions": [["null", "int"], "string"],
    "an enum of a hundred thousand": {"type": "enum", "name": "E", "symbols": [f"S{n}" for n in range(100_000)]},
    "an enum with a symbol twice": {"type": "enum", "name": "E", "symbols": ["A", "A"]},
    "an enum of nothing": {"type": "enum", "name": "E"},
    "an enum of numbers": {"type": "enum", "name": "E", "symbols": [1]},
    "a name of megabytes": {"type": "enum", "name": "E" * 2_000_000, "symbols": ["A"]},
    "a symbol of megabytes": {"type": "enum", "name": "E", "symbols": ["A" * 2_000_000]},
    "more fields in a record than may be": {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"f{n}", "type": "int"} for n in range(MAX_FIELDS + 1)],
    },
    "a decimal of no digits": {"type": "bytes", "logicalType": "decimal", "precision": 0, "scale": 0},
    "a decimal of a text": {"type": "bytes", "logicalType": "decimal", "precision": "9", "scale": 0},
    "a decimal of a list": {"type": "bytes", "logicalType": "decimal", "precision": [], "scale": 0},
    "a decimal whose scale is a text": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": "x"},
    "a decimal of a number without end": {"type": "bytes", "logicalType": "decimal", "precision": 10**50, "scale": 0},
    "no type": None,
    "a number for a type": 7,
    "an empty union": [],
    "a type without a name": {"type": "record", "fields": []},
    "a map of nothing": {"type": "map"},
    "an array of nothing": {"type": "array"},
    "fields that are text": {"type": "record", "name": "R", "fields": "abc"},
    "symbols that are text": {"type": "enum", "name": "E", "symbols": "ABC"},
}


@pytest.mark.parametrize("avro", UNBOUNDED.values(), ids=UNBOUNDED)
def test_a_type_without_bounds_is_refused_at_its_field_at_once(avro: Any) -> None:
    with quickly(), pytest.raises(ConfigError) as refused:
        parse_contract(contract(avro), "c.avsc")
    assert (refused.value.where or "").startswith("c.avsc")
    assert len(refused.value.message()) < 2000


def test_a_contract_of_forty_thousand_fields_is_refused_at_once(tmp_path: Path) -> None:
    fields = [ID, *({"name": f"f{n}", "type": "int"} for n in range(30_000))]
    path = tmp_path / "c.avsc"
    path.write_text(json.dumps(avro_contract(fields=fields), separators=(",", ":")))
    assert path.stat().st_size < MAX_BYTES
    with quickly(), pytest.raises(ConfigError, match="more than"):
        load_contract(path)
    with quickly(), pytest.raises(ConfigError, match=f"more than {MAX_ITEMS} entries"):
        parse_contract(avro_contract(fields=fields))
    with quickly(), pytest.raises(ConfigError, match=f"more than {MAX_FIELDS} fields"):
        parse_contract(avro_contract(fields=fields[: MAX_FIELDS + 1]))


@pytest.mark.parametrize("place", ["doc", "namespace", "name"])
def test_a_text_of_megabytes_anywhere_in_a_contract_is_refused(place: str) -> None:
    with quickly(), pytest.raises(ConfigError, match=f"longer than {MAX_TEXT} characters") as refused:
        parse_contract(avro_contract(**{place: "a" * 3_000_000}), "c.avsc")
    assert refused.value.where == f"c.avsc: {place}"
    assert len(refused.value.message()) < 200


def test_the_largest_contract_there_may_be_is_read_and_its_values_decode_in_reasonable_time() -> None:
    def fields(of_each: int) -> list[Any]:
        inner = [{"name": f"g{n}", "type": ["null", "string"]} for n in range(of_each)]
        records = [{"type": "record", "name": f"R{n}", "fields": inner} for n in range(MAX_FIELDS - 1)]
        return [ID, *({"name": f"f{n}", "type": record} for n, record in enumerate(records))]

    with quickly(), pytest.raises(ConfigError, match=f"more than {MAX_ROW_TYPES} types"):
        parse_contract(avro_contract(fields=fields(10)))
    with quickly(20):
        largest = parse_contract(avro_contract(fields=fields(5)))
        codec = codec_for(change_event_schema(largest), 1)
        assert codec.decode([b"\x00\x00\x00\x00\x01" + b"\x00" * 100]).bad


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"a":' * 200_000,
        '{"type":"record","fields":' + "[" * 200_000,
        "9" * 1_000_000,
        '"' + "\\u0000" * 170_000,
    ],
)
def test_json_of_a_megabyte_is_judged_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.avsc"
    path.write_text(text)
    with quickly(), pytest.raises(ConfigError) as refused:
        load_contract(path)
    assert len(refused.value.message()) < 200
