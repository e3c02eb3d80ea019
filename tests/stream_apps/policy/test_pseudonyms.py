"""One person is one token within one subscriber, purpose and format, however the number is written, and another anywhere else."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.change_event import change_event_schema
from schemas.codec import arrow_schema, rows
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.formats import id_check_digit
from schemas.grant import parse_grant
from schemas.key_ring import KeyRing, MasterSecret
from stream_apps.policy import compile_view, derive_keys, evaluate
from stream_apps.policy.normal import normal, normalised
from tests.schemas.contracts import avro_contract, grant_document
from tests.stream_apps.policy.masked_values import TEXTS

AT = 1_793_500_000_000
RING = KeyRing({1: MasterSecret(1, b"1" * 32), 2: MasterSecret(2, b"2" * 32), 3: MasterSecret(3, b"1" * 32, "sm3")}, 3)
"""The third version is the first one's secret under another suite."""
PERSON = "520102199001010018"
assert PERSON[17] == id_check_digit(PERSON[:17])


def contract(resource: str = "scjg.things", **attributes: Any) -> Contract:
    field = {"name": "f", "type": "string", **attributes}
    return parse_contract(avro_contract(fields=[{"name": "id", "type": "string"}, field], resource={"id": resource}))


def token(
    value: Any, of: Contract, *, version: int = 1, subscriber: str = "shuiwu", use: Any = "pseudonym", **grant: Any
) -> str:
    """What a grant of the subscriber releases of the value."""
    document = grant_document(subscriber=subscriber, resource=of.id, fields={"id": "pass", "f": use}, **grant)
    approved = parse_grant(document)
    layout = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(of))])
    event = dict.fromkeys(layout.names) | {"op": "c", "key": {"id": "1"}, "after": {"id": "1", "f": value}}
    batch = pa.RecordBatch.from_pylist([event], schema=layout)
    keys = derive_keys(RING, subscriber, approved.id, version)
    (told,) = rows(evaluate(compile_view(of, approved), batch, keys=keys, at_ms=AT).events)
    shown: str = told["after"]["f"]
    return shown


SPELLINGS = {
    "cn-id": (
        "52010219900101019X",
        ["52010219900101019x", "５２０１０２１９９００１０１０１９Ｘ", "520102 19900101 019X", "520102-19900101-019x",
         " 52010219900101019X\n", "520102\u300019900101\u3000019X", "520102900101019", "520102 900101 019", "５２０１０２９００１０１０１９"],
    ),
    "cn-mobile": (
        "13912345678",
        ["+8613912345678", "+86 139 1234 5678", "86-139-1234-5678", "008613912345678", "１３９１２３４５６７８", "139 1234 5678",
         "139-1234-5678", "＋８６１３９１２３４５６７８", "139\u20111234\u20115678", "\ufeff13912345678"],
    ),
    "cn-uscc": (
        "91520102MA6DL3Q41P",
        ["91520102ma6dl3q41p", "９１５２０１０２ＭＡ６ＤＬ３Ｑ４１Ｐ", "91520102-MA6DL3Q4-1P", " 91520102 MA6DL3Q41P"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("format_", "number", "spelt"), [(f, number, s) for f, (number, all_) in SPELLINGS.items() for s in all_]
)
def test_one_number_is_one_token_however_it_is_written_and_in_whatever_resource(
    format_: str, number: str, spelt: str
) -> None:
    told = token(number, contract(format=format_))
    assert token(spelt, contract(format=format_)) == told
    assert token(spelt, contract("gaj.people", format=format_), id="shuiwu.people.2026-002") == told


def test_the_old_number_has_the_check_character_of_the_new_one() -> None:
    assert SPELLINGS["cn-id"][0][17] == id_check_digit("52010219900101019") == "X"
    assert normal("520102900101019", "cn-id") == "52010219900101019X"


@pytest.mark.parametrize(
    "other",
    ["520102199001010026", "52010219900101001", "5201021990010100180", "520102900101002", "", "8613912345678", "12912345678"],
)  # fmt: skip
def test_another_number_is_another_token(other: str) -> None:
    assert token(other, contract(format="cn-id")) != token(PERSON, contract(format="cn-id"))


def test_what_has_no_format_is_taken_as_it_is_written() -> None:
    assert token("139 1234 5678", contract()) != token("13912345678", contract())
    assert token("a", contract()) != token("A", contract())


def test_a_whole_number_has_the_token_of_its_digits() -> None:
    assert token(13912345678, contract(type="long", format="cn-mobile")) == token(
        "139 1234 5678", contract(format="cn-mobile")
    )


JOINT = {"masks": [{"mask": "pseudonym", "domain": {"one_of": ["tax-and-water", "health"]}}, "pseudonym"]}


def use(domain: str) -> dict[str, Any]:
    return {"mask": "pseudonym", "domain": domain}


APART: dict[str, str] = {
    "base": token(PERSON, contract(format="cn-id")),
    "subscriber": token(PERSON, contract(format="cn-id"), subscriber="jiaotong"),
    "purpose": token(PERSON, contract(format="cn-id"), purpose="another"),
    "format": token(PERSON, contract(format="cn-uscc")),
    "no format": token(PERSON, contract()),
    "another resource, no format": token(PERSON, contract("gaj.people")),
    "key version": token(PERSON, contract(format="cn-id"), version=2),
    "suite": token(PERSON, contract(format="cn-id"), version=3),
    "a domain": token(PERSON, contract(format="cn-id", **JOINT), use=use("tax-and-water")),
    "another domain": token(PERSON, contract(format="cn-id", **JOINT), use=use("health")),
    "a domain named as the purpose": token(
        PERSON, contract(format="cn-id", masks=[{"mask": "pseudonym", "domain": {"one_of": ["综合治税"]}}]), use=use("综合治税")
    ),
}  # fmt: skip


def test_no_two_subscribers_purposes_formats_versions_suites_or_domains_share_a_token() -> None:
    assert len({shown.split("-")[1] for shown in APART.values()}) == len(APART)
    assert [APART[k].split("-")[0] for k in ("base", "key version", "suite")] == ["1", "2", "3"]


def test_within_a_joint_domain_purposes_and_resources_of_one_subscriber_are_joined_and_subscribers_are_not() -> None:
    told = APART["a domain"]
    people = contract("gaj.people", format="cn-id", **JOINT)
    assert token(PERSON, people, use=use("tax-and-water"), purpose="another") == told
    assert token(PERSON, people, use=use("tax-and-water"), subscriber="jiaotong") != told


@pytest.mark.parametrize(
    "masks",
    [
        None,
        ["pseudonym"],
        [{"mask": "pseudonym", "domain": {"one_of": ["other"]}}],
        [{"mask": "pseudonym", "domain": {}}],
        [{"mask": "partial"}, "pseudonym"],
        [{"mask": "encrypt", "domain": {"one_of": ["joint"]}}, "pseudonym"],
    ],
)
def test_a_joint_domain_the_contract_does_not_list_is_refused(masks: Any) -> None:
    of = contract(**({} if masks is None else {"masks": masks}))
    with pytest.raises(ConfigError) as refused:
        token("x", of, use=use("joint"))
    assert (refused.value.where or "").startswith("grant: fields.f")


@pytest.mark.parametrize(
    "field",
    [
        {"type": {"type": "enum", "name": "Sex", "symbols": ["F", "M"]}},
        {"rules": {"enum": ["F", "M"]}},
        {"format": "cn-division"},
        {"type": "int", "rules": {"min": 0, "max": 150}},
        {"type": "long", "rules": {"min": 1, "max": 10_000}},
        {"type": "boolean"},
        {"type": "double"},
        {"type": {"type": "int", "logicalType": "date"}},
    ],
)
def test_what_has_few_values_or_is_no_identifier_is_not_pseudonymised(field: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        compile_view(contract(**field), parse_grant(grant_document(fields={"f": "pseudonym"})))
    assert refused.value.where == "grant: fields.f"
    assert refused.value.what.zh != refused.value.what.en


@pytest.mark.parametrize(
    "field",
    [{"type": "long", "rules": {"min": 0, "max": 10_000}}, {"type": "long", "rules": {"min": 0}}, {"rules": {}}],
)
def test_what_has_many_values_may_be(field: dict[str, Any]) -> None:
    compile_view(contract(**field), parse_grant(grant_document(fields={"f": "pseudonym"})))


def test_few_values_are_refused_within_arrays_and_maps_too() -> None:
    member = {"name": "code", "type": "string", "format": "cn-division"}
    people = {"type": "array", "items": {"type": "record", "name": "P", "fields": [member]}}
    with pytest.raises(ConfigError, match="too few values"):
        compile_view(contract(type=people), parse_grant(grant_document(fields={"f[].code": "pseudonym"})))


@given(text=TEXTS, meaning=st.sampled_from(["cn-id", "cn-mobile", "cn-uscc", "cn-division", "a:b"]))
def test_a_normal_form_is_its_own_and_columns_have_it(text: str, meaning: str) -> None:
    once = normal(text, meaning)
    assert normal(once, meaning) == once
    assert normalised(pa.array([text, None]), meaning).to_pylist() == [once, None]
