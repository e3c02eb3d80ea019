"""Bytes on the wire, pinned: a change to these files is a decision about every consumer there is.

`python -m tests.schemas.codec.test_golden` writes the files anew.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.codec.rows import RowCodec
from schemas.contract import parse_contract
from schemas.view_event import view_event_schema
from tests.schemas.contracts import avro_contract

FOLDER = Path(__file__).parent.parent / "golden"
WHEN = dt.datetime(2026, 11, 1, 8, 30)  # noqa: DTZ001
DATE = {"type": "int", "logicalType": "date"}
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "string"},
    {"name": "name", "type": ["null", "string"]},
    {"name": "capital", "type": "long"},
    {"name": "born", "type": ["null", DATE]},
    {"name": "open", "type": "boolean"},
    {"name": "share", "type": "double"},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["ON", "OFF"]}},
    {"name": "parts", "type": {"type": "array", "items": ["null", "int"]}},
]
OTHERS: list[dict[str, Any]] = [
    {"name": "id", "type": "int"},
    {"name": "photo", "type": ["null", "bytes"]},
    {"name": "money", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "at", "type": {"type": "int", "logicalType": "time-millis"}},
    {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 2}},
]
ROW = {
    "id": "9152|1", "name": "贵阳", "capital": -300, "born": dt.date(1999, 12, 31), "open": True, "share": 0.5,
    "state": "OFF", "parts": [1, None],
}  # fmt: skip
OTHER = {"id": 7, "photo": b"\x00\xff", "money": Decimal("-12.50"), "at": dt.time(23, 59, 59), "hash": b"ab"}
ENVELOPE = {"event_id": "e-1", "source": "csv", "position": "row 2", "occurred_at": None, "published_at": WHEN}


def change(op: str, key: Any, before: Any, after: Any) -> dict[str, Any]:
    return {"op": op, "key": {"id": key}, "before": before, "after": after, **ENVELOPE}


def cases() -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    columns = change_event_schema(parse_contract(avro_contract(fields=FIELDS)))
    rows = change_event_schema(parse_contract(avro_contract(fields=OTHERS)))
    view = view_event_schema([{"name": "id", "type": "string"}], FIELDS[:3], before=True)
    released = {k: ROW[k] for k in ("id", "name", "capital")}
    head = {"released_at": WHEN, "key": {"id": "9152|1"}}
    return {
        "change_columns": (
            columns,
            [
                change("c", ROW["id"], None, ROW),
                change("u", ROW["id"], {**ROW, "name": None}, ROW),
                change("d", "x", ROW, None),
            ],
        ),
        "change_rows": (rows, [change("r", 7, None, OTHER), change("u", 7, OTHER, {**OTHER, "photo": None})]),
        "view": (
            view,
            [
                {"op": "u", **head, "before": {**released, "name": None}, "after": released},
                {"op": "d", **head, "before": None, "after": None},
            ],
        ),
    }


def written(schema: dict[str, Any], rows: list[dict[str, Any]], codec: Any) -> list[str]:
    return [v.hex() for v in codec.encode(pa.RecordBatch.from_pylist(rows, schema=codec.arrow))]


@pytest.mark.parametrize("case", cases())
def test_the_bytes_on_the_wire_are_the_golden_ones(case: str) -> None:
    schema, rows = cases()[case]
    golden = json.loads((FOLDER / f"{case}.json").read_text())
    assert schema == golden["schema"]
    for codec in (codec_for(schema, 258), RowCodec(schema, 258)):
        assert written(schema, rows, codec) == golden["values"]
        decoded = codec.decode([bytes.fromhex(v) for v in golden["values"]])
        assert decoded.bad == []
        assert decoded.batch.to_pylist() == rows


if __name__ == "__main__":
    for name, (schema, rows) in cases().items():
        text = json.dumps(
            {"schema": schema, "values": written(schema, rows, codec_for(schema, 258))}, ensure_ascii=False, indent=1
        )
        (FOLDER / f"{name}.json").write_text(text + "\n")
