"""Every mask computes on columns what it defines on one value, and keeps null null."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.avro_types import AvroType, primitive, without_null
from schemas.codec import arrow_type
from stream_apps.policy import ViewKeys
from stream_apps.policy.masks import MASKS
from stream_apps.policy.masks.nested import Entries, Items, Members
from stream_apps.policy.masks.pseudonym import Token
from stream_apps.policy.row_columns import column
from tests.stream_apps.policy.masked_values import KINDS, TEXTS, computing, defined, definition, drawn

KEYS = ViewKeys(b"p" * 32, "g", version=2, previous=ViewKeys(b"q" * 32, "g"))
LONGS = st.integers(-(2**63), 2**63 - 1)
ALL_KINDS = [*KINDS, Members, Items, Entries]


def plain(value: Any, avro: AvroType) -> Any:
    """A value with maps as mappings: Arrow gives pairs."""
    avro = without_null(avro)
    if value is None or not isinstance(avro, dict):
        return value
    if primitive(avro) == "record":
        return {f["name"]: plain(value[f["name"]], f["type"]) for f in avro["fields"]}
    if primitive(avro) == "array":
        return [plain(item, avro["items"]) for item in value]
    if primitive(avro) == "map":
        return {k: plain(x, avro["values"]) for k, x in dict(value).items()}
    return value


def same(one: Any, other: Any) -> bool:
    return bool(one == other or repr(one) == repr(other))  # no number is no number


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda k: k.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), cut=st.integers(0, 3))
def test_rows_and_columns_are_what_the_docstring_says_and_null_stays_null(
    kind: Any, data: st.DataObject, cut: int
) -> None:
    case = data.draw(drawn(kind))
    mask = case.mask
    values = data.draw(st.lists(st.none() | case.values, max_size=8))
    layout = arrow_type(case.avro)
    given = column(values, layout).slice(cut)
    refused = mask.refuses(given)
    if refused is not None:
        flags = [bool(x) for x in refused.to_pylist()]
        if any(flags):
            with pytest.raises(ValueError):
                mask.columns(given, KEYS, pa.array(["k"] * len(given)))
        kept = [v for v, flag in zip(values[cut:], flags, strict=True) if not flag]
        given = column([None] * cut + kept, layout).slice(cut)
    row_keys = [f"k{n}" for n in range(len(given))]
    masked = mask.columns(given, KEYS, pa.array(row_keys, pa.string()))
    masked.validate(full=True)
    result = mask.result(case.avro)
    if kind in KINDS:
        assert masked.type == arrow_type(result)
    masked.cast(arrow_type(["null", result])).validate(full=True)  # of what lies within, only what may be null differs
    for was, got, row_key in zip(given.to_pylist(), masked.to_pylist(), row_keys, strict=True):
        if was is None and not mask.hides_null:
            assert got is None
            continue
        expected = plain(defined(mask, was, KEYS, row_key), result)
        assert same(plain(mask.row(was, KEYS, row_key), result), expected)
        assert same(plain(got, result), expected)
        assert expected is not None or mask.gives_null


def test_every_mask_that_computes_has_a_definition_that_is_tested() -> None:
    assert set(computing()) == set(ALL_KINDS)
    assert all(definition(kind) for kind in ALL_KINDS)


def test_every_name_in_the_catalogue_is_a_class_that_computes_or_is_bound_to_one_but_drop() -> None:
    own = {name for name, kind in MASKS.items() if kind in ALL_KINDS}
    assert set(MASKS) - own == {"drop", "null", "pseudonym", "encrypt", "generalise"}


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
    assert masked == "2-" + hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:32]


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
