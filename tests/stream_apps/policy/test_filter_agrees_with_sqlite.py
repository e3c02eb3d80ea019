"""A row filter gives what SQLite gives for the same text, by columns and by rows; what SQL has and we lack is refused."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_types import AvroType
from schemas.codec import arrow_type
from schemas.errors import ConfigError
from stream_apps.policy.where import parse_where, truth
from stream_apps.policy.where.rows import truth as row_truth

DATE = {"type": "int", "logicalType": "date"}
TYPES: dict[str, AvroType] = {
    "t": ["null", "string"],
    "n": ["null", "long"],
    "f": ["null", "double"],
    "b": ["null", "boolean"],
    "d": ["null", DATE],
}
TEXTS = ("", "a", "A", "ab", "a%", "_", "\\", "云岩区", "云_区", "it's", "𠮷a", "a\nb")
WHOLE = (0, 1, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63))
FLOATS = (0.0, 0.5, -1.5, 1e300, float("nan"))
DATES = (dt.date(1969, 12, 31), dt.date(2000, 1, 1), dt.date(2026, 11, 24))
OPERATORS = ("=", "<>", "!=", "<", "<=", ">", ">=")

Texts = tuple[str, str]
"""The filter as the bus reads it, and as SQLite does: they differ in how a date is written."""


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def day(value: dt.date) -> Texts:
    return f"DATE '{value}'", f"'{value}'"


def both(text: str) -> Texts:
    return text, text


LITERALS: dict[str, st.SearchStrategy[Texts]] = {
    "t": st.sampled_from(TEXTS).map(quoted).map(both),
    "n": st.sampled_from([str(n) for n in WHOLE if n > -(2**63)] + ["0.5", "-1.5", "1e3"]).map(both),
    "f": st.sampled_from(["0", "0.5", "-1.5", "7", "1e300"]).map(both),
    "d": st.sampled_from(DATES).map(day),
}


@st.composite
def leaf(draw: st.DrawFn) -> Texts:
    field = draw(st.sampled_from("ttnfbd"))
    negated = draw(st.sampled_from(("", "NOT ")))
    if field == "b":
        return both(draw(st.sampled_from(("b", "b = TRUE", "b <> FALSE", "b IS NULL", "b IS NOT NULL"))))
    literal = LITERALS[field]
    forms = ("compare", "mirror", "in", "between", "null")
    form = draw(st.sampled_from((*forms, "like", "like", "like") if field == "t" else forms))
    one = draw(literal)
    op = draw(st.sampled_from(OPERATORS))
    if form == "compare":
        return f"{field} {op} {one[0]}", f"{field} {op} {one[1]}"
    if form == "mirror":
        return f"{one[0]} {op} {field}", f"{one[1]} {op} {field}"
    if form == "null":
        return both(f"{field} IS {negated}NULL")
    if form == "like":
        return both(f"t {negated}LIKE {quoted(draw(st.sampled_from((*TEXTS, '%', 'a_', '%a%', '云%', '__区'))))}")
    other = draw(literal)
    if form == "between":
        return tuple(f"{field} {negated}BETWEEN {one[i]} AND {other[i]}" for i in (0, 1))  # type: ignore[return-value]
    return tuple(f"{field} {negated}IN ({one[i]}, {other[i]})" for i in (0, 1))  # type: ignore[return-value]


def joined(inner: st.SearchStrategy[Texts]) -> st.SearchStrategy[Texts]:
    def join(pair: tuple[Texts, Texts], word: str) -> Texts:
        return tuple(f"({pair[0][i]}) {word} ({pair[1][i]})" for i in (0, 1))  # type: ignore[return-value]

    negations = inner.map(lambda p: (f"NOT ({p[0]})", f"NOT ({p[1]})"))
    return st.one_of(st.builds(join, st.tuples(inner, inner), st.sampled_from(("AND", "OR"))), negations)


ROWS = st.fixed_dictionaries(
    {
        "t": st.none() | st.sampled_from(TEXTS),
        "n": st.none() | st.sampled_from(WHOLE),
        "f": st.none() | st.sampled_from(FLOATS),
        "b": st.none() | st.booleans(),
        "d": st.none() | st.sampled_from(DATES),
    }
)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = ON")
    connection.execute("CREATE TABLE r (t TEXT, n INTEGER, f REAL, b INTEGER, d TEXT)")
    yield connection
    connection.close()


def by_sqlite(database: sqlite3.Connection, text: str, row: dict[str, Any]) -> bool | None:
    database.execute("DELETE FROM r")
    stored = {**row, "d": row["d"] and row["d"].isoformat()}
    database.execute("INSERT INTO r VALUES (:t, :n, :f, :b, :d)", stored)
    answer = database.execute(f"SELECT {text} FROM r").fetchone()[0]
    return None if answer is None else bool(answer)


def struct_of(rows: list[dict[str, Any]]) -> Any:
    columns = [pa.array([r[name] for r in rows], arrow_type(t)) for name, t in TYPES.items()]
    return pa.StructArray.from_arrays(columns, list(TYPES))


@given(texts=st.recursive(leaf(), joined, max_leaves=4), rows=st.lists(ROWS, min_size=1, max_size=5))
def test_columns_and_rows_give_what_sqlite_gives(
    database: sqlite3.Connection, texts: Texts, rows: list[dict[str, Any]]
) -> None:
    predicate = parse_where(texts[0], TYPES, "where")
    expected = [by_sqlite(database, texts[1], r) for r in rows]
    assert truth(predicate, struct_of(rows)).to_pylist() == expected
    assert [row_truth(predicate, r) for r in rows] == expected


@pytest.mark.parametrize(
    ("text", "released"),
    [("t NOT LIKE 'a%'", "b"), ("NOT t LIKE 'a%'", "b"), ("t LIKE 'a%'", "ab"), ("NOT t NOT LIKE 'a%'", "ab")],
)
def test_not_like_is_the_opposite_of_like(text: str, released: str) -> None:
    rows = [{**dict.fromkeys(TYPES), "t": t} for t in ("ab", "b", None)]
    kept = truth(parse_where(text, TYPES, "where"), struct_of(rows)).to_pylist()
    assert [r["t"] for r, k in zip(rows, kept, strict=True) if k] == [released]


@pytest.mark.parametrize(
    "text",
    [
        "n BETWEEN SYMMETRIC 7 AND 1",
        "t LIKE 'a!%' ESCAPE '!'",
        "t NOT LIKE 'a!%' ESCAPE '!'",
        "t LIKE ANY ('a')",
        "t NOT LIKE ALL ('a')",
        "t ILIKE 'a'",
        "t = 'a' COLLATE NOCASE",
        "n = NULL",
        "n IN (1, NULL)",
        "n IN (SELECT 1)",
        "n > ALL (SELECT 1)",
        "t = 'a' -- OR TRUE",
        "t = 'a' /* only a */",
        "t = 'a'; n = 1",
        "EXISTS (SELECT 1)",
        "TRUE",
        "1 = 1",
        "n = f",
        "length(t) = 1",
        "b < TRUE",
        't = "a"',
        "d = '2000-01-01'",
        "d = DATE '2000-13-01'",
        "t = 5",
        "n = '5'",
        "f = 9007199254740993",
        "SELECT 1",
        "DROP TABLE r",
        "(" * 3000 + "b" + ")" * 3000,
        "NOT " * 2400 + "b",
        "b AND " * 1600 + "b AND",
        "",
    ],
)
def test_whatever_is_not_on_the_list_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_where(text, TYPES, "g.yaml: where")
    assert str(refused.value).startswith("g.yaml: where")


INSTANT = {"at": {"type": "long", "logicalType": "timestamp-micros"}}


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
