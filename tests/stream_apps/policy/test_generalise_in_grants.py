"""`generalise` in grants and contracts: its short names mean the same, and what does not fit is refused at its place."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import View, compile_view
from tests.schemas.contracts import avro_contract, grant_document

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}]},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "cents", "type": ["null", "long"]},
    {"name": "yuan", "type": MONEY},
    {"name": "age", "type": "int"},
    {"name": "lon", "type": "double"},
    {"name": "lat", "type": "float"},
    {"name": "code", "type": "string", "format": "cn-division"},
    {"name": "flag", "type": "boolean"},
]


def contract(**masks: Any) -> Contract:
    return parse_contract(
        avro_contract(fields=[f | ({"masks": masks[f["name"]]} if f["name"] in masks else {}) for f in FIELDS])
    )


def view(field: str, use: Any, begins: str = "2026-11-01", **masks: Any) -> View:
    valid = {"from": begins, "until": "2027-10-31"}
    return compile_view(contract(**masks), parse_grant(grant_document(fields={field: use}, valid=valid)), "g.yaml")


def generalised(to: str, **parameters: Any) -> dict[str, Any]:
    return {"mask": "generalise", "to": to, **parameters}


@pytest.mark.parametrize(
    ("field", "short", "long"),
    [
        ("born", "date_to_year", generalised("year")),
        ("at", "date-to-year", generalised("year")),
        ("cents", {"mask": "bucket", "edges": [0, 5.5]}, generalised("bucket", edges=[0, 5.5])),
        ("born", generalised("age_band", width=50), generalised("age_band", edges=[0, 50, 100], as_of="2026-11-01")),
    ],
)
def test_two_spellings_of_one_level_make_one_view(field: str, short: Any, long: Any) -> None:
    assert view(field, short).id == view(field, long).id
    assert view(field, short) == view(field, long)


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("born", generalised("month"), generalised("quarter")),
        ("born", generalised("age_band", width=10), generalised("age_band", width=20)),
        ("code", generalised("city"), generalised("county")),
        ("cents", generalised("round", step=10), generalised("round", step=100)),
        ("lon", generalised("grid", step=0.01), generalised("round", step=0.01)),
    ],
)
def test_two_levels_make_two_views(field: str, one: Any, other: Any) -> None:
    assert view(field, one).id != view(field, other).id


def test_the_day_of_an_age_is_the_first_of_the_grants_validity_unless_it_says_another() -> None:
    use = generalised("age_band", width=10)
    assert view("born", use).id == view("born", use | {"as_of": "2026-11-01"}).id
    assert view("born", use).id != view("born", use, begins="2026-11-02").id
    assert view("age", use).id == view("age", use, begins="2026-11-02").id  # an age is one already


@pytest.mark.parametrize(
    ("permitted", "use", "place"),
    [
        ("date_to_year", generalised("year"), None),
        ("date-to-year", "date_to_year", None),
        ("date-to-year", generalised("month"), "fields.born.to"),
        ({"mask": "date_to_year", "to": {"one_of": ["month"]}}, generalised("month"), "fields.born.to"),
        ({"mask": "generalise", "to": {"one_of": ["year"]}}, "date-to-year", None),
        ({"mask": "generalise", "to": {"one_of": ["month", "year"]}}, generalised("month"), None),
        ({"mask": "generalise", "to": {"one_of": ["month", "year"]}}, "date-to-year", None),
        ({"mask": "generalise", "to": {"one_of": ["month", "quarter"]}}, "date-to-year", "fields.born.to"),
        ("generalise", "date-to-year", None),
        ("bucket", "date-to-year", "fields.born.to"),
        ("pass", "date-to-year", "fields.born"),
        ({"mask": "generalise", "width": {"min": 10}}, generalised("age_band", width=10), None),
        ({"mask": "generalise", "width": {"min": 10}}, generalised("age_band", width=9), "fields.born.width"),
        ({"mask": "generalise", "width": {"min": 10}}, generalised("age_band", edges=[1, 2]), "fields.born.width"),
        ({"mask": "generalise", "width": {"max": 10}}, generalised("month"), "fields.born.width"),
        ({"mask": "generalise", "as_of": {"one_of": ["2026-01-01"]}}, generalised("month"), "fields.born.as_of"),
        (
            {"mask": "generalise", "as_of": {"one_of": ["2026-01-01"]}},
            generalised("age_band", width=10, as_of="2026-01-01"),
            None,
        ),
        (
            {"mask": "generalise", "as_of": {"min": 5}},
            generalised("age_band", width=10, as_of="2026-01-01"),
            "fields.born.as_of",
        ),
    ],
)
def test_a_contract_that_permits_a_level_permits_it_under_either_name_and_no_other(
    permitted: Any, use: Any, place: str | None
) -> None:
    if place is None:
        assert view("born", use, born=["drop", permitted]) == view("born", use)
    else:
        with pytest.raises(ConfigError) as refused:
            view("born", use, born=[permitted])
        assert refused.value.where == f"g.yaml: {place}"


def test_a_bound_on_the_edges_of_a_bucket_holds_for_generalise_too() -> None:
    floor = [{"mask": "bucket", "edges": {"one_of": [[0, 100]]}}]
    assert view("cents", generalised("bucket", edges=[0, 100]), cents=floor).fields
    for use in (generalised("bucket", edges=[0, 50]), generalised("round", step=1)):
        with pytest.raises(ConfigError):
            view("cents", use, cents=floor)


@pytest.mark.parametrize(
    ("field", "use", "parameter"),
    [
        ("cents", generalised("month"), ".to"),
        ("born", generalised("bucket", edges=[1]), ".to"),
        ("born", generalised("city"), ".to"),
        ("code", generalised("grid", step=0.01), ".to"),
        ("cents", generalised("grid", step=1), ".to"),
        ("yuan", generalised("age_band", width=10), ".to"),
        ("flag", generalised("year"), ""),
        ("born", "generalise", ".to"),
        ("born", generalised("decade"), ".to"),
        ("born", generalised("month", step=1), ".step"),
        ("born", generalised("year", as_of="2026-01-01"), ".as_of"),
        ("born", {"mask": "date_to_year", "to": "month"}, ".to"),
        ("born", {"mask": "date_to_year", "edges": [1]}, ".edges"),
        ("cents", {"mask": "bucket", "edges": [1], "to": "round"}, ".to"),
        ("cents", "bucket", ".edges"),
        ("cents", generalised("bucket"), ".edges"),
        ("cents", generalised("bucket", edges=[2, 1]), ".edges"),
        ("cents", generalised("bucket", edges=[1], step=1), ".step"),
        ("cents", generalised("round"), ".step"),
        ("cents", generalised("round", step=0), ".step"),
        ("cents", generalised("round", step=2.5), ".step"),
        ("cents", generalised("round", step=1 << 40), ".step"),
        ("yuan", generalised("round", step=0.001), ".step"),
        ("yuan", generalised("round", step=10_000_000), ".step"),
        ("lon", generalised("round", step=1e-12), ".step"),
        ("lon", generalised("grid", step=200), ".step"),
        ("lat", generalised("grid", step=0.00001), ".step"),
        ("born", generalised("age_band"), ".width"),
        ("born", generalised("age_band", width=10, edges=[1]), ".width"),
        ("born", generalised("age_band", width=0), ".width"),
        ("born", generalised("age_band", edges=[0.5]), ".edges"),
        ("born", generalised("age_band", edges=[-1, 5]), ".edges"),
        ("born", generalised("age_band", width=10, as_of=20261101), ".as_of"),
        ("born", generalised("age_band", width=10, as_of="soon"), ".as_of"),
        ("age", generalised("age_band", width=10, as_of="2026-11-01"), ".as_of"),
    ],
)
def test_a_level_or_parameter_that_does_not_fit_is_refused_at_its_place(field: str, use: Any, parameter: str) -> None:
    with pytest.raises(ConfigError) as refused:
        view(field, use)
    assert refused.value.where == f"g.yaml: fields.{field}{parameter}"
    assert refused.value.what.zh != "" and refused.value.what.en != ""


def test_what_is_missing_or_too_much_is_told_in_both_languages() -> None:
    for use in (generalised("round"), generalised("bucket", edges=[1], step=1), generalised("month")):
        with pytest.raises(ConfigError) as refused:
            view("cents", use)
        what = refused.value.what
        assert any("\u4e00" <= c <= "\u9fff" for c in what.zh) and what.en.isascii()


@pytest.mark.parametrize(
    ("field", "use", "grain", "coarser"),
    [
        ("born", generalised("month"), "month", {"quarter", "year"}),
        ("born", generalised("quarter"), "quarter", {"year"}),
        ("born", "date_to_year", "year", set()),
        ("code", generalised("county"), "county", {"city", "province"}),
        ("code", generalised("province"), "province", set()),
        ("lon", generalised("grid", step=0.5), "step:0.5", set()),
    ],
)
def test_a_level_says_which_coarser_ones_follow_from_it(field: str, use: Any, grain: str, coarser: set[str]) -> None:
    revealed = view(field, use).fields[0].mask.reveals()
    assert (revealed.kind, revealed.grain, revealed.coarser) == ("cell", grain, coarser)


def test_intervals_say_where_they_begin() -> None:
    assert view("cents", {"mask": "bucket", "edges": [0, 5]}).fields[0].mask.reveals().edges == (0.0, 5.0)
    assert view("born", generalised("age_band", edges=[18, 60])).fields[0].mask.reveals().edges == (18.0, 60.0)
