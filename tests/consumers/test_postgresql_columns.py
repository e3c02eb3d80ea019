"""A batch read from Kafka goes to PostgreSQL by columns, and stores what the same events stored one by one would."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.column_records import below, by_op, events_by_partition, latest_columns, released_at
from consumers.events import Batch, Step, Tombstone, ViewEvent
from consumers.view import View, view_of
from consumers.view_codec import ViewDecoder
from schemas.desk import shown
from schemas.keys import key_text
from schemas.view_event import view_event_schema
from tests.consumers.test_postgresql_sink import PostgresqlTarget
from tests.consumers.test_view import ORIGIN, Record, in_force

CODE = {"name": "code", "type": "string"}
DAY = {"name": "day", "type": {"type": "int", "logicalType": "date"}}


def maybe(avro: Any) -> Any:
    return ["null", avro]


FLAT: list[dict[str, Any]] = [
    {"name": "text", "type": maybe("string")},
    {"name": "kind", "type": maybe({"type": "enum", "name": "Kind", "symbols": ["A", "B"]})},
    {"name": "small", "type": maybe("int")},
    {"name": "large", "type": maybe("long")},
    {"name": "half", "type": maybe("float")},
    {"name": "whole", "type": maybe("double")},
    {"name": "yes", "type": maybe("boolean")},
    {"name": "since", "type": maybe({"type": "int", "logicalType": "date"})},
    {"name": "at", "type": maybe({"type": "long", "logicalType": "timestamp-millis"})},
    {"name": "exactly", "type": maybe({"type": "long", "logicalType": "timestamp-micros"})},
    {"name": "nothing", "type": "null"},
    {"name": "many", "type": maybe({"type": "array", "items": "string"})},
    {"name": "one", "type": maybe({"type": "record", "name": "One", "fields": [{"name": "n", "type": "long"}]})},
]
RARE: list[dict[str, Any]] = [
    {"name": "money", "type": maybe({"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2})},
    {"name": "raw", "type": maybe("bytes")},
    {"name": "clock", "type": maybe({"type": "int", "logicalType": "time-millis"})},
    {"name": "wall", "type": maybe({"type": "long", "logicalType": "local-timestamp-micros"})},
]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["", "\\.", "\\N", '"', "a\n\\.\nb", "\r\n", ",", "NULL", "\\x41"]
)
INSTANTS = st.datetimes(timezones=st.just(dt.UTC))


def values(fields: Sequence[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    known: dict[str, st.SearchStrategy[Any]] = {
        "text": TEXTS,
        "kind": st.sampled_from(["A", "B"]),
        "small": st.integers(-(2**31), 2**31 - 1),
        "large": st.integers(-(2**63), 2**63 - 1),
        "half": st.floats(width=32),
        "whole": st.floats(),
        "yes": st.booleans(),
        "since": st.dates(),
        "at": INSTANTS.map(lambda d: d.replace(microsecond=d.microsecond // 1000 * 1000)),
        "exactly": INSTANTS,
        "nothing": st.none(),
        "many": st.lists(TEXTS, max_size=2),
        "one": st.fixed_dictionaries({"n": st.integers(-9, 9)}),
        "money": st.decimals(-(10**9), 10**9, places=2, allow_nan=False, allow_infinity=False),
        "raw": st.binary(max_size=4),
        "clock": st.times().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
        "wall": st.datetimes(),
    }
    return st.fixed_dictionaries({f["name"]: st.none() | known[f["name"]] for f in fields})


class Read:
    """One schema: its messages as a reader gives them."""

    def __init__(self, fields: list[dict[str, Any]]) -> None:
        schema = view_event_schema([CODE, DAY], [CODE, *fields], before=False)
        self.schema = fastavro.parse_schema(schema)
        self.decoder = ViewDecoder("t", schema, 1)
        self.view: View = view_of(in_force(), shown(schema, None), ORIGIN)

    def batch(self, changes: Sequence[tuple[str, str, dt.date, dict[str, Any] | None]]) -> Batch:
        messages = [self._message(n, *change) for n, change in enumerate(changes)]
        records = self.decoder.records(messages)  # type: ignore[arg-type]
        return Batch(records, {0: Step(0, len(messages), sum(isinstance(r, ViewEvent) for r in records))})

    def _message(self, offset: int, op: str, code: str, day: dt.date, row: dict[str, Any] | None) -> At:
        key = key_text([code, day]).encode()
        if op == "tombstone":
            return At(key, None, offset)
        out = io.BytesIO()
        after = None if op == "d" or row is None else {"code": code, **row}
        event = {"op": op, "released_at": offset, "key": {"code": code, "day": day}, "after": after}
        fastavro.schemaless_writer(out, self.schema, event)
        return At(key, b"\0\0\0\0\x01" + out.getvalue(), offset)


class At(Record):
    """A message at a place."""

    def __init__(self, key: bytes, value: bytes | None, offset: int) -> None:
        super().__init__(key, value)
        self._offset = offset

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset


READS = {"native": Read(FLAT), "rows": Read([*FLAT, *RARE])}


def changes(fields: Sequence[dict[str, Any]]) -> st.SearchStrategy[Any]:
    one = st.tuples(
        st.sampled_from(["c", "u", "r", "d", "tombstone"]),
        st.sampled_from(["A", "a", "", "\\.", "|", '"']),
        st.sampled_from([dt.date(1, 1, 1), dt.date(2026, 2, 28)]),
        values(fields),
    )
    return st.lists(one, max_size=12)


def found(target: PostgresqlTarget, view: View, batch: Batch) -> tuple[list[str], Any]:
    with closing(target.sink()) as sink:
        sink.open(view, rebuild=True)
        written = sink.write(batch)
    rows = target.query(f'SELECT t::text AS row FROM "{view.table}" t ORDER BY code COLLATE "C", day')
    return [r["row"] for r in rows], written


@pytest.fixture
def target(database: str) -> PostgresqlTarget:
    return PostgresqlTarget(database)


@pytest.mark.parametrize("codec", READS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_columns_store_what_rows_store(target: PostgresqlTarget, codec: str, data: st.DataObject) -> None:
    read = READS[codec]
    batch = read.batch(data.draw(changes(FLAT if codec == "native" else [*FLAT, *RARE])))
    one_by_one = Batch(list(batch.records), batch.steps)
    assert latest_columns(read.view, batch) is not None
    assert latest_columns(read.view, one_by_one) is None
    assert found(target, read.view, batch) == found(target, read.view, one_by_one)


@given(changes(FLAT))
def test_columns_are_counted_as_rows_are(drawn: Any) -> None:
    batch = READS["native"].batch(drawn)
    one_by_one = Batch(list(batch.records), batch.steps)
    assert by_op(batch) == by_op(one_by_one)
    assert released_at(batch).tolist() == released_at(one_by_one).tolist()
    assert events_by_partition(batch.records) == events_by_partition(one_by_one.records)
    assert [below(batch, {0: n}) for n in (0, 5)] == [below(one_by_one, {0: n}) for n in (0, 5)]
    assert len(batch.records) == len(one_by_one.records)
    assert [isinstance(r, Tombstone) for r in batch.records] == [op == "tombstone" for op, *_ in drawn]


def test_one_row_with_nul_is_withheld_and_its_neighbours_arrive(target: PostgresqlTarget) -> None:
    read = READS["rows"]
    empty = dict.fromkeys((f["name"] for f in [*FLAT, *RARE]), None)
    day = dt.date(2026, 1, 1)
    batch = read.batch(
        [
            ("c", "1", day, {**empty, "text": "a\0"}),
            ("c", "2", day, {**empty, "money": Decimal("1.50")}),
            ("c", "3", day, {**empty, "many": ["\0"]}),
        ]
    )
    rows, written = found(target, read.view, batch)
    assert (len(rows), written.upserted, written.rejected) == (1, 1, 2)
