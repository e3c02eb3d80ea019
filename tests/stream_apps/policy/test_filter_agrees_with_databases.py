"""A row filter gives what SQLite and DuckDB give for the same text, by columns and by rows."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.codec import arrow_type
from stream_apps.policy.where import parse_where, truth
from stream_apps.policy.where.rows import truth as row_truth
from tests.kit.filters import FILTERS, MICROS, OPERATORS, PLACES, ROWS, TYPES, Texts, alike, micros

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


@given(texts=FILTERS, rows=st.lists(ROWS, min_size=1, max_size=5))
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_columns_and_rows_give_what_sqlite_and_duckdb_give(
    lite: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, texts: Texts, rows: list[dict[str, Any]]
) -> None:
    predicate = parse_where(texts.bus, TYPES, "where")
    answer = truth(predicate, struct_of(rows)).to_pylist()
    assert [row_truth(predicate, r) for r in rows] == answer
    assert by_sqlite(lite, texts.sqlite, rows) == answer
    assert by_duckdb(duck, texts.duckdb, rows) == answer
