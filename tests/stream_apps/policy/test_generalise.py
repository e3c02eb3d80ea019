"""Every level of `generalise` computes on columns what it defines on one value, and is exact at its edges."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_types import AvroType
from schemas.codec import arrow_type
from stream_apps.policy import ViewKeys
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.masks.bucket import Bucket
from stream_apps.policy.masks.levels.dates import AgeBand, Period
from stream_apps.policy.masks.levels.numbers import Cell, Multiple, lower_edge, reach_of
from stream_apps.policy.masks.levels.places import Within

KEYS = ViewKeys(b"p" * 32, "g")
DATE = {"type": "int", "logicalType": "date"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def decimal_type(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda n: Decimal((n < 0, tuple(map(int, str(abs(n)))), -scale)))


DEFINITION = re.compile(r"`row\(v\) == ([^`]+)`")
LAST = dt.datetime.fromisoformat("9999-12-31T23:59:59.999999")
INSTANTS = st.datetimes(dt.datetime.fromisoformat("1700-01-01"), LAST)
CODES = st.from_regex(r"\A[0-9]{6}([0-9]{3}([0-9]{3})?)?\Z") | st.text(st.characters(codec="utf-8"), max_size=13)
VALUES: list[tuple[AvroType, st.SearchStrategy[Any]]] = [
    ("string", CODES),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("double", st.floats() | st.floats(-200, 200)),
    ("float", st.floats(width=32) | st.floats(-200, 200, width=32)),
    (DATE, st.dates()),
    (MILLIS, INSTANTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (MICROS, INSTANTS),
    (decimal_type(9, 2), decimals(9, 2)),
    (decimal_type(38, 10), decimals(38, 10)),
    (decimal_type(45, 5), decimals(45, 5)),
    (decimal_type(76, 0), decimals(76, 0)),
]
AGES = st.lists(st.integers(0, 130), min_size=1, max_size=4, unique=True).map(lambda e: tuple(sorted(e)))
EDGES = st.lists(st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True).map(sorted)
STEPS = st.sampled_from([0.01, 0.05, 0.1, 0.3, 1, 2.5, 7, 1e-9, 0.000123457, 1000])


def cell(step: float, single: bool, reach: float | None = None) -> Cell:
    return Cell(step=step, single=single, reach=reach or reach_of(step, single=single))


@st.composite
def masked_columns(draw: st.DrawFn) -> tuple[Mask, AvroType, list[Any]]:
    avro, values = draw(st.sampled_from(VALUES))
    masks: list[st.SearchStrategy[Any]] = [
        st.builds(Period, unit=st.sampled_from(["month", "quarter"])),
        st.builds(AgeBand, edges=AGES, as_of=st.dates()),
        st.builds(Within, level=st.sampled_from(["province", "city", "county"])),
        st.builds(cell, STEPS, st.just(avro == "float")),
        st.builds(Multiple, step=st.integers(1, 9_999) if avro in ("int", "long") else st.sampled_from([1, 5, 10])),
        EDGES.map(lambda edges: Bucket(edges=tuple(edges))),
        st.just(MASKS["date_to_year"]()),
    ]
    kinds = [Period, AgeBand, Within, Cell, Multiple, Bucket, MASKS["date_to_year"]]
    chosen = draw(st.sampled_from([m for m, kind in zip(masks, kinds, strict=True) if kind.suits(avro)]))
    return draw(chosen), avro, draw(st.lists(st.none() | values, max_size=10))


@settings(max_examples=500, deadline=None)
@given(case=masked_columns(), cut=st.integers(0, 3))
def test_columns_give_what_rows_define_null_stays_null_and_the_refused_are_those_that_raise(
    case: tuple[Mask, AvroType, list[Any]], cut: int
) -> None:
    mask, avro, values = case
    column = pa.array(values, arrow_type(avro)).slice(cut)
    refused = mask.refuses(column)
    flags = [False] * len(column) if refused is None else [bool(x) for x in refused.to_pylist()]
    if any(flags):
        with pytest.raises(ValueError):
            mask.columns(column, KEYS)
    column = column.filter(pa.array([not f for f in flags], pa.bool_()))
    masked = mask.columns(column, KEYS)
    masked.validate(full=True)
    assert masked.type == arrow_type(mask.result(avro))
    assert masked.to_pylist() == [None if v is None else mask.row(v, KEYS) for v in column.to_pylist()]
    written = DEFINITION.search(type(mask).__doc__ or "")
    assert written
    names = vars(sys.modules[type(mask).__module__])
    for v in column.drop_null().to_pylist():
        assert mask.row(v, KEYS) == eval(written[1], names, {"self": mask, "keys": KEYS, "v": v})


@pytest.mark.parametrize(
    ("avro", "value", "unit", "label"),
    [
        (DATE, dt.date(2026, 11, 24), "month", "2026-11"),
        (DATE, dt.date(2026, 11, 24), "quarter", "2026-Q4"),
        (DATE, dt.date(2026, 3, 31), "quarter", "2026-Q1"),
        (DATE, dt.date(987, 4, 1), "quarter", "0987-Q2"),
        (MILLIS, dt.datetime.fromisoformat("2026-09-30T15:59:59.999"), "quarter", "2026-Q3"),
        (MILLIS, dt.datetime.fromisoformat("2026-09-30T16:00:00"), "quarter", "2026-Q4"),
        (MICROS, dt.datetime.fromisoformat("2026-11-30T16:00:00"), "month", "2026-12"),
        (MICROS, LAST, "month", "10000-01"),
    ],
)
def test_an_instant_is_in_the_month_and_quarter_it_is_in_in_shanghai(
    avro: AvroType, value: Any, unit: Any, label: str
) -> None:
    assert Period(unit=unit).columns(pa.array([value], arrow_type(avro)), KEYS).to_pylist() == [label]


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("1996-11-24", "[30,40)"),  # thirty on this very day
        ("1996-11-25", "[20,30)"),
        ("2026-11-24", "<10"),
        ("2027-05-01", "<10"),  # born later: with the newborn
        ("1901-01-01", ">=40"),
    ],
)
def test_an_age_is_in_completed_years_on_the_fixed_day(born: str, band: str) -> None:
    mask = AgeBand(edges=(10, 20, 30, 40), as_of=dt.date(2026, 11, 24))
    assert mask.columns(pa.array([dt.date.fromisoformat(born)]), KEYS).to_pylist() == [band]


def test_who_is_born_on_a_leap_day_is_older_on_the_first_of_march() -> None:
    born = pa.array([dt.date(2008, 2, 29)])
    for day, band in ((dt.date(2026, 2, 28), "[0,18)"), (dt.date(2026, 3, 1), ">=18")):
        assert AgeBand(edges=(0, 18), as_of=day).columns(born, KEYS).to_pylist() == [band]


def test_a_negative_number_is_no_age() -> None:
    ages = pa.array([-1, 0, 17, None], pa.int32())
    assert AgeBand(edges=(0, 18)).refuses(ages).to_pylist() == [True, False, False, None]


@pytest.mark.parametrize(
    ("code", "level", "gives"),
    [
        ("520103", "province", "520000"),
        ("520103", "city", "520100"),
        ("520103", "county", "520103"),
        ("520103001", "county", "520103"),
        ("520103001002", "city", "520100"),
        ("52010300100", "city", "***********"),
        ("云岩区", "city", "***"),
        ("520103\n", "county", "*******"),
        ("５２０１０３", "county", "******"),
        ("", "province", ""),
    ],
)
def test_a_division_is_cut_at_its_level_and_what_is_no_code_is_stars(code: str, level: Any, gives: str) -> None:
    assert Within(level=level).columns(pa.array([code]), KEYS).to_pylist() == [gives]


@pytest.mark.parametrize("single", [False, True])
@given(steps=st.integers(-18_000, 18_000))
def test_a_coordinate_on_an_edge_is_in_the_cell_it_begins_and_released_as_it_is_written(
    single: bool, steps: int
) -> None:
    written = float(f"{Decimal(steps) / 100}")
    column = pa.array([written], pa.float32() if single else pa.float64())
    grid = cell(0.01, single, 180.0)
    assert repr(grid.columns(column, KEYS).to_pylist()[0]) == repr(written + 0.0)


@settings(max_examples=300)
@given(value=st.floats(-1e6, 1e6), step=STEPS)
def test_a_cell_begins_at_the_float_nearest_to_a_multiple_and_holds_the_value(value: float, step: float) -> None:
    low = lower_edge(value, step, single=False)
    exact = Fraction(str(step))
    count = round(Fraction(low) / exact)
    assert low == float(count * exact)
    assert low <= value < float((count + 1) * exact)


def test_what_is_no_coordinate_is_refused() -> None:
    column = pa.array([math.nan, math.inf, -180.5, 180.0, None])
    assert cell(0.01, False, 180.0).refuses(column).to_pylist() == [True, True, True, False, None]


@pytest.mark.parametrize(("value", "gives"), [(25_499, 25_000), (-1, -1000), (0, 0), (2**63 - 1, 9223372036854775000)])
def test_a_whole_number_goes_down_to_its_multiple_exactly(value: int, gives: int) -> None:
    assert Multiple(step=1000).columns(pa.array([value]), KEYS).to_pylist() == [gives]


def test_money_as_a_decimal_is_compared_with_edges_as_they_are_written() -> None:
    column = pa.array([Decimal("0.09"), Decimal("0.10"), Decimal("0.11")], pa.decimal128(9, 2))
    assert Bucket(edges=(0.1,)).columns(column, KEYS).to_pylist() == ["<0.1", ">=0.1", ">=0.1"]
    assert Bucket(edges=(0.105, 1e12)).columns(column, KEYS).to_pylist() == [
        "<0.105",
        "<0.105",
        "[0.105,1000000000000.0)",
    ]
    assert Multiple(step=0.05).columns(column, KEYS).to_pylist() == [Decimal("0.05"), Decimal("0.10"), Decimal("0.10")]
