"""A row filter gives what SQLite and DuckDB give for the same text, by columns and by rows."""

from __future__ import annotations

import math
import operator
import sqlite3
from collections.abc import Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import arrow_type
from stream_apps.policy.where import parse_where, truth
from stream_apps.policy.where.rows import truth as row_truth
from tests.kit.filters import (
    FILTERS,
    KINDS,
    MICROS,
    NO_ROW,
    OPERATORS,
    PATTERNS,
    PLACES,
    ROWS,
    TEXTS,
    TYPES,
    Kind,
    Texts,
    alike,
    micros,
    quoted,
)

_FLAT = ("residence.since", "residence.street", "residence.home.street", "residence.home.no")
_COLUMNS = [name for name in TYPES if name != "residence"]


@pytest.fixture(scope="module")
def lite() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = ON")
    kinds = {"t": "TEXT", "d": "TEXT", "f": "REAL", "g": "REAL", "residence.home.no": "INTEGER"}
    columns = [f'"{n}" {kinds.get(n, "TEXT" if "." in n else "INTEGER")}' for n in (*_COLUMNS, *_FLAT)]
    connection.execute(f"CREATE TABLE r ({', '.join(columns)})")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET threads = 1; SET TimeZone = 'Asia/Shanghai'")
    yield connection
    connection.close()


def struct_of(rows: list[dict[str, Any]]) -> Any:
    columns = [pa.array([r[name] for r in rows], arrow_type(t)) for name, t in TYPES.items()]
    return pa.StructArray.from_arrays(columns, list(TYPES))


def by_sqlite(lite: sqlite3.Connection, text: str, rows: list[dict[str, Any]]) -> list[bool | None]:
    lite.execute("DELETE FROM r")
    marks = ", ".join("?" * (len(_COLUMNS) + len(_FLAT)))
    lite.executemany(f"INSERT INTO r VALUES ({marks})", [_stored(r) for r in rows])
    answers = lite.execute(f"SELECT {text} FROM r ORDER BY rowid").fetchall()
    return [None if a is None else bool(a) for (a,) in answers]


def _stored(row: dict[str, Any]) -> list[Any]:
    flat = dict(row)
    outer = row["residence"] or {}
    for name in _FLAT:
        first, _, last = name.removeprefix("residence.").partition(".")
        value = outer.get(first)
        flat[name] = (value or {}).get(last) if last else value
    for name in ("d", "residence.since"):
        flat[name] = flat[name] and flat[name].isoformat()
    for name in ("at", "moment"):
        flat[name] = None if flat[name] is None else micros(flat[name])
    flat["money"] = None if row["money"] is None else int(row["money"] * 10**PLACES)
    return [flat[name] for name in (*_COLUMNS, *_FLAT)]


def by_duckdb(duck: duckdb.DuckDBPyConnection, text: str, rows: list[dict[str, Any]]) -> list[bool | None]:
    """NaN is unknown to the bus and to SQLite, and a number to DuckDB, which is therefore given null."""
    plain = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in r.items()} for r in rows]
    columns: dict[str, Any] = {name: struct_of(plain).field(i) for i, name in enumerate(TYPES)}
    columns["g"] = columns["g"].cast(pa.float64())
    for name in ("at", "moment"):
        columns[name] = columns[name].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    duck.register("r", pa.table(columns))
    return [answer for (answer,) in duck.execute(f"SELECT {text} FROM r").fetchall()]


def check(lite: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, texts: Texts, rows: list[dict[str, Any]]) -> None:
    """All four give one answer."""
    predicate = parse_where(texts.bus, TYPES, "where")
    answer = truth(predicate, struct_of(rows)).to_pylist()
    assert [row_truth(predicate, r) for r in rows] == answer
    assert by_sqlite(lite, texts.sqlite, rows) == answer
    assert by_duckdb(duck, texts.duckdb, rows) == answer


@given(texts=FILTERS, rows=st.lists(ROWS, min_size=1, max_size=8))
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_columns_and_rows_give_what_sqlite_and_duckdb_give(
    lite: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, texts: Texts, rows: list[dict[str, Any]]
) -> None:
    check(lite, duck, texts, rows)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.edges], ids=lambda k: k.name.bus)
def test_every_comparison_at_the_edges_of_a_type_is_what_the_databases_say(
    lite: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, kind: Kind
) -> None:
    rows = [{**NO_ROW, kind.name.bus: value} for value in (None, *kind.edges)]
    for literal in kind.written:
        for op in OPERATORS:
            check(lite, duck, Texts(*(f"{kind.name[i]} {op} {literal[i]}" for i in range(3))), rows)
        for other in kind.written:
            for form in ("{0} IN ({1}, {2})", "{0} NOT BETWEEN {1} AND {2}"):
                texts = Texts(*(form.format(kind.name[i], literal[i], other[i]) for i in range(3)))
                check(lite, duck, texts, rows)


def test_every_pattern_matches_what_the_databases_say(
    lite: sqlite3.Connection, duck: duckdb.DuckDBPyConnection
) -> None:
    rows = [{**NO_ROW, "t": text} for text in (None, *TEXTS)]
    for pattern in (*PATTERNS, *TEXTS, *(f"%{t}%" for t in TEXTS), *(f"{t}_" for t in TEXTS)):
        check(lite, duck, alike(f"t LIKE {quoted(pattern)}"), rows)
        check(lite, duck, alike(f"t NOT LIKE {quoted(pattern)}"), rows)


@pytest.mark.parametrize("missing", [None, {"since": None, "street": "s", "home": None}])
def test_a_field_of_a_record_that_is_null_is_unknown(missing: dict[str, Any] | None) -> None:
    rows = struct_of([{**NO_ROW, "residence": missing}])
    for text, answer in (
        ("residence.home.street = 's'", None),
        ("residence.home.street <> 's'", None),
        ("NOT residence.home.no IN (0)", None),
        ("residence.home.no = 0", None),
        ("residence.home.no IS NULL", True),
    ):
        predicate = parse_where(text, TYPES, "where")
        assert truth(predicate, rows).to_pylist() == [answer], text
        assert row_truth(predicate, rows.to_pylist()[0]) is answer, text


def test_what_lies_under_a_null_record_is_never_looked_at() -> None:
    """Arrow keeps bytes below a null; a slice moves where they begin."""
    home = pa.StructArray.from_arrays(
        [pa.array(["s"] * 4), pa.array([1] * 4, pa.int32())],
        ["street", "no"],
        mask=pa.array([False, True, False, True]),
    )
    outer = pa.StructArray.from_arrays([home], ["home"], mask=pa.array([False, False, True, True]))
    rows = pa.StructArray.from_arrays([outer], ["residence"])
    predicate = parse_where("residence.home.street = 's' AND residence.home.no = 1", TYPES, "where")
    assert truth(predicate, rows).to_pylist() == [True, None, None, None]
    assert truth(predicate, rows.slice(1)).to_pylist() == [None, None, None]


COMPARED = {
    "=": operator.eq, "<>": operator.ne, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
WIDE = {"sum": {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 5}}


@given(
    value=st.decimals(-(10**20), 10**20, places=5)
    | st.sampled_from([Decimal("0.1"), Decimal(10**54) + Decimal("0.00001")]),
    near=st.sampled_from(["0", "0.00001", "-0.00001", "0.000001", "-0.000001", "1e60"]),
    op=st.sampled_from(OPERATORS),
)
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_decimals_wider_than_any_database_has_are_compared_exactly(value: Decimal, near: str, op: str) -> None:
    with localcontext(prec=90):
        literal = value + Decimal(near)
    predicate = parse_where(f"sum {op} {literal:f}", WIDE, "where")
    rows = pa.StructArray.from_arrays([pa.array([value], pa.decimal256(60, 5))], ["sum"])
    expected = COMPARED[op](Fraction(value), Fraction(literal))
    assert truth(predicate, rows).to_pylist() == [expected]
    assert row_truth(predicate, {"sum": value}) is expected


INSTANT = {"at": MICROS}


@pytest.mark.parametrize("micros", [0, 1, 499, 500, 501, 999, 1000])
@pytest.mark.parametrize("op", OPERATORS)
def test_an_instant_finer_than_a_millisecond_is_judged_alike_by_columns_and_rows(micros: int, op: str) -> None:
    predicate = parse_where(f"at {op} TIMESTAMP '1970-01-01 08:00:00.001'", INSTANT, "where")
    column = pa.array([micros], pa.timestamp("us"))
    rows = pa.StructArray.from_arrays([column], ["at"])
    expected = {"=": micros == 1000, "<>": micros != 1000, "!=": micros != 1000, "<": micros < 1000}
    expected |= {"<=": micros <= 1000, ">": micros > 1000, ">=": micros >= 1000}
    assert truth(predicate, rows).to_pylist() == [expected[op]]
    assert row_truth(predicate, rows.to_pylist()[0]) is expected[op]
