"""Key texts of a batch are the key texts of its rows."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import key_texts
from schemas.keys import key_text

TYPE = pa.struct([("a", pa.string()), ("n", pa.int32()), ("b", pa.string()), ("d", pa.date32()), ("l", pa.int64())])
ROWS = st.fixed_dictionaries(
    {
        "a": st.text(st.sampled_from("ab|\\贵")),
        "n": st.integers(-(2**31), 2**31 - 1),
        "b": st.text(st.characters(exclude_categories=["Cs"])),
        "d": st.dates(dt.date(1, 1, 1)),
        "l": st.integers(-(2**63), 2**63 - 1),
    }
)


@given(st.lists(ROWS, max_size=5), st.lists(st.sampled_from(TYPE.names), min_size=1, max_size=5, unique=True))
def test_the_texts_of_a_batch_are_those_of_its_rows(rows: list[dict[str, object]], fields: list[str]) -> None:
    column = pa.array(rows, TYPE)
    assert key_texts(column, fields).to_pylist() == [key_text(row[f] for f in fields) for row in rows]  # type: ignore[misc]


def test_a_slice_has_the_texts_of_its_own_rows() -> None:
    column = pa.array([{"a": "x|"}, {"a": "y"}, {"a": "z"}], pa.struct([("a", pa.string())]))
    assert key_texts(column.slice(1), ["a"]).to_pylist() == ["y", "z"]


def test_a_key_with_a_null_part_has_no_text() -> None:
    kind = pa.struct([("a", pa.string()), ("n", pa.int32())])
    column = pa.array([{"a": "x", "n": None}, None, {"a": "x", "n": 1}], kind)
    assert key_texts(column, ["a", "n"]).to_pylist() == [None, None, "x|1"]
    assert key_texts(column, ["a"]).to_pylist() == ["x", None, "x"]
