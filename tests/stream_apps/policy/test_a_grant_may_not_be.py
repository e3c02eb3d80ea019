"""What a contract does not allow is refused when the grant is compiled, with the place."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import View, compile_view
from stream_apps.policy.masks import MASKS
from tests.schemas.contracts import avro_contract, grant_document

FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "name", "type": ["null", "string"], "masks": ["pseudonym", {"mask": "partial", "keep_first": {"max": 1}}]},
    {"name": "cents", "type": ["null", "long"]},
    {"name": "district", "type": "string", "filterable": True},
    {"name": "hidden", "type": "string"},
]


def contract(**resource: Any) -> Contract:
    return parse_contract(avro_contract(fields=FIELDS, resource=resource))


def view(fields: dict[str, Any], **changes: Any) -> View:
    return compile_view(contract(), parse_grant(grant_document(fields=fields, **changes)), "g.yaml")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"nmae": "pass"}, "fields.nmae"),
        ({"name": "pass"}, "fields.name"),
        ({"name": {"mask": "truncate", "length": 1}}, "fields.name"),
        ({"name": {"mask": "partial", "keep_first": 2}}, "fields.name.keep_first"),
        ({"id": {"mask": "partial", "keep_frist": 1}}, "fields.id.keep_frist"),
        ({"id": {"mask": "partial", "keep_first": -1}}, "fields.id.keep_first"),
        ({"id": {"mask": "partial", "keep_first": True}}, "fields.id.keep_first"),
        ({"id": "truncate"}, "fields.id.length"),
        ({"id": "blur"}, "fields.id"),
        ({"id": {"mask": "bucket", "edges": [0]}}, "fields.id"),
        ({"cents": {"mask": "bucket", "edges": [1, 0]}}, "fields.cents.edges"),
        ({"cents": {"mask": "bucket", "edges": []}}, "fields.cents.edges"),
        ({"cents": {"mask": "bucket", "edges": [True, 5]}}, "fields.cents.edges.0.int"),
        ({"cents": {"mask": "bucket", "edges": [0, float("nan")]}}, "fields.cents.edges"),
        ({"cents": {"mask": "bucket", "edges": [1 << 54]}}, "fields.cents.edges"),
        ({"cents": "partial"}, "fields.cents"),
        ({"cents": "date-to-year"}, "fields.cents"),
        ({"id": "drop", "name": "drop"}, "fields"),
    ],
)
def test_a_field_or_mask_the_contract_does_not_allow_is_refused_at_its_place(
    fields: dict[str, Any], place: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        view(fields)
    assert refused.value.where == f"g.yaml: {place}"


def test_a_filter_on_a_field_neither_passed_nor_filterable_is_refused() -> None:
    for masked in ({"id": "pass"}, {"id": "pass", "hidden": "pseudonym"}):
        with pytest.raises(ConfigError, match="reveal"):
            view(masked, where="hidden = 'x'")
    assert view({"id": "pass", "hidden": "pass"}, where="hidden = 'x'").where is not None
    assert view({"id": "pass"}, where="district = 'x'").where is not None


@pytest.mark.parametrize(
    ("resource", "changes"),
    [
        ({"id": "scjg.others"}, {}),
        ({"sharing": "refused", "basis": "a law"}, {}),
        ({}, {"audience": "public"}),
        ({}, {"audience": "enterprise"}),
    ],
)
def test_what_is_not_shared_cannot_be_granted(resource: dict[str, Any], changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        compile_view(contract(**resource), parse_grant(grant_document(fields={"id": "pass"}, **changes)))
    compile_view(contract(open=True), parse_grant(grant_document(fields={"id": "pass"}, **changes)))


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({"id": "pass"}, "fields"),
        ({"id": "pseudonym"}, "fields"),
        ({"id": {"mask": "truncate", "length": 9}}, "token"),
        ({"id": {"mask": "partial", "keep_first": 9}}, "token"),
        ({"district": "pass"}, "token"),
        ({"id": "drop", "district": "pass"}, "token"),
    ],
)
def test_no_lossy_mask_makes_a_key(fields: dict[str, Any], mode: str) -> None:
    compiled = view(fields)
    assert compiled.key_mode == mode
    assert compiled.arrow.field("key").type.field(0).name == ("id" if mode == "fields" else "_key")


def test_a_field_no_grant_names_is_in_no_view() -> None:
    assert "hidden" not in str(view({"id": "pass"}, before=True).schema)


def test_equal_grants_make_equal_views_and_a_view_survives_pickling() -> None:
    fields = {"id": "pass", "name": "pseudonym"}
    one, two = view(fields, where="district = 'x'"), view(dict(reversed(fields.items())), where="(district = 'x')")
    other = view(fields, where="district <> 'x'")
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.id != other.id
    assert one.schema == two.schema


@pytest.mark.parametrize(
    ("fields", "where", "hint"),
    [
        ({"nmae": "pass"}, None, "Did you mean 'name'?"),
        ({"id": "psuedonym"}, None, "Did you mean 'pseudonym'?"),
        ({"id": "blur"}, None, "Known masks: " + ", ".join(MASKS) + "."),
        ({"id": "（）"}, None, "It holds full-width punctuation （）; write ()."),
        ({"id": "pass"}, "distrct = 'x'", "Did you mean 'district'?"),
    ],
)
def test_a_refusal_shows_the_way_out_in_both_languages(fields: dict[str, Any], where: str | None, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        view(fields, where=where)
    assert refused.value.hint is not None
    assert refused.value.hint.en == hint
    assert refused.value.hint.zh not in ("", hint)
    assert refused.value.what.zh not in ("", refused.value.what.en)


@pytest.mark.parametrize(
    "where", ["district ＝ 'x'", "district IN （'x'）", "district = ‘x’", "district IN ('x'，'y')"]
)
def test_full_width_punctuation_in_a_filter_is_named(where: str) -> None:
    with pytest.raises(ConfigError, match="full-width punctuation"):
        view({"id": "pass"}, where=where)
    assert view({"id": "pass"}, where="district = '（，）'").where is not None


@pytest.mark.parametrize("type_", ["null", ["string"], ["null"]])
@pytest.mark.parametrize("mask", ["pass", "pseudonym"])
def test_a_type_that_cannot_be_released_is_refused_when_granted(type_: Any, mask: str) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "odd", "type": type_}]
    odd = parse_contract(avro_contract(fields=fields))
    with pytest.raises(ConfigError, match=r"fields\.odd"):
        compile_view(odd, parse_grant(grant_document(fields={"id": "pass", "odd": mask})))
    compile_view(odd, parse_grant(grant_document(fields={"id": "pass"})))


@pytest.mark.parametrize(("edges", "permitted"), [([0, 100], True), ([0, 50], False), ([0], False)])
def test_a_list_parameter_is_one_of_the_lists_the_contract_names(edges: list[int], permitted: bool) -> None:
    masks = [{"mask": "bucket", "edges": {"one_of": [[0, 100], [10]]}}]
    fields = [{"name": "id", "type": "string"}, {"name": "cents", "type": "long", "masks": masks}]
    bounded = parse_contract(avro_contract(fields=fields))
    grant = parse_grant(grant_document(fields={"cents": {"mask": "bucket", "edges": edges}}))
    if permitted:
        assert compile_view(bounded, grant).fields[0].name == "cents"
    else:
        with pytest.raises(ConfigError, match=r"fields\.cents\.edges"):
            compile_view(bounded, grant)


def test_a_bound_on_an_unknown_parameter_permits_nothing() -> None:
    fields = [{"name": "id", "type": "string", "masks": [{"mask": "partial", "kept_first": {"max": 1}}]}]
    mistyped = parse_contract(avro_contract(fields=fields))
    with pytest.raises(ConfigError, match="unknown parameter"):
        compile_view(mistyped, parse_grant(grant_document(fields={"id": "partial"})))


@pytest.mark.parametrize("where", ["! district = 'x'", "district IN ['x']", "district = 'x';", "cents::int = 1"])
def test_signs_of_other_sql_dialects_are_refused_by_name(where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        view({"id": "pass", "cents": "pass"}, where=where)
    assert "is not part of a filter" in str(refused.value)
