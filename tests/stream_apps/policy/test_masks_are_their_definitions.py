"""Every mask computes on columns what it defines on one value, and keeps null null."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_types import AvroType
from schemas.codec import arrow_type
from stream_apps.policy import ViewKeys
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.masks.pseudonym import Token

KEYS = ViewKeys(b"p" * 32, "g")
DATE = {"type": "int", "logicalType": "date"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
LONGS = st.integers(-(2**63), 2**63 - 1)
NAIVE = {"min_value": dt.datetime.fromisoformat("1900-01-01"), "max_value": dt.datetime.fromisoformat("2200-01-01")}
INSTANTS = st.datetimes(**NAIVE)
VALUES: list[tuple[AvroType, st.SearchStrategy[Any]]] = [
    ("string", TEXTS),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", LONGS),
    ("double", st.floats(allow_nan=False)),
    ("float", st.floats(allow_nan=False, width=32)),
    ("boolean", st.booleans()),
    (DATE, st.dates()),
    (MILLIS, INSTANTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (MICROS, INSTANTS),
]
EDGES = st.lists(st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True).map(sorted)
USES: list[st.SearchStrategy[Mask]] = [
    st.builds(MASKS["pass"]),
    st.builds(MASKS["partial"], keep_first=st.integers(0, 4), keep_last=st.integers(0, 4)),
    st.builds(Token, within=st.sampled_from(["purpose:a", "domain:b"]), meaning=st.sampled_from(["x:y", "cn-mobile"])),
    st.builds(MASKS["truncate"], length=st.integers(1, 6)),
    EDGES.map(lambda edges: MASKS["bucket"](edges=tuple(edges))),
    st.builds(MASKS["date_to_year"]),
]


@st.composite
def masked_columns(draw: st.DrawFn) -> tuple[Mask, AvroType, list[Any]]:
    mask = draw(st.one_of(USES))
    avro, values = draw(st.sampled_from([v for v in VALUES if mask.suits(v[0])]))
    return mask, avro, draw(st.lists(st.none() | values, max_size=10))


@given(case=masked_columns(), cut=st.integers(0, 3))
def test_columns_give_what_rows_define_and_null_stays_null(case: tuple[Mask, AvroType, list[Any]], cut: int) -> None:
    mask, avro, values = case
    column = pa.array(values, arrow_type(avro)).slice(cut)
    masked = mask.columns(column, KEYS)
    masked.validate(full=True)
    assert masked.type == arrow_type(mask.result(avro))
    kept = [None if v is None and not mask.hides_null else mask.row(v, KEYS) for v in column.to_pylist()]
    assert masked.to_pylist() == kept


@given(text=TEXTS, first=st.integers(0, 4), last=st.integers(0, 4))
def test_partial_shows_no_more_than_it_was_told_to_keep(text: str, first: int, last: int) -> None:
    (masked,) = MASKS["partial"](keep_first=first, keep_last=last).columns(pa.array([text]), KEYS).to_pylist()
    assert len(masked) == len(text)
    if len(text) <= first + last:
        assert masked == "*" * len(text)
    else:
        assert masked[first : len(text) - last] == "*" * (len(text) - first - last)


@given(value=TEXTS | LONGS)
def test_a_pseudonym_is_half_the_hmac_of_the_values_text_behind_the_keys_version(value: Any) -> None:
    (masked,) = Token(within="purpose:a", meaning="x:y").columns(pa.array([value]), KEYS).to_pylist()
    key = KEYS.token("purpose:a", "x:y").key
    assert masked == "1-" + hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize(
    ("number", "label"),
    [
        (-1, "<0"),
        (0, "[0,10000000)"),
        (9_999_999, "[0,10000000)"),
        (10_000_000, "[10000000,100000000)"),
        (100_000_000, ">=100000000"),
        (2**63 - 1, ">=100000000"),
    ],
)
def test_a_bucket_holds_its_lower_edge_and_not_its_upper(number: int, label: str) -> None:
    mask = MASKS["bucket"](edges=(0, 10_000_000, 100_000_000))
    assert mask.columns(pa.array([number]), KEYS).to_pylist() == [label]


def test_an_instant_has_the_year_it_has_in_shanghai() -> None:
    midnight = dt.datetime.fromisoformat("2025-12-31T16:00:00")  # UTC
    column = pa.array([midnight - dt.timedelta(seconds=1), midnight], pa.timestamp("ms"))
    assert MASKS["date_to_year"]().columns(column, KEYS).to_pylist() == [2025, 2026]


def test_a_mask_that_may_merge_two_rows_never_makes_a_key() -> None:
    assert {name for name, mask in (MASKS | {"token": Token}).items() if mask.keeps_keys_apart} == {"pass", "token"}
