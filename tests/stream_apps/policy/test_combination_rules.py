"""No subscriber holds all of a rule's fields of one kind of subject, through however many grants."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.combination_rule import CombinationRule, parse_rule
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy.combination import broken, refusal
from stream_apps.policy.together import Held
from tests.schemas.contracts import avro_contract, grant_document

RULE = {
    "kind": "CombinationRule",
    "id": "person.dossier",
    "subject": "person",
    "fields": ["name", "phone", "income"],
    "title": {"zh": "个人画像", "en": "Dossiers"},
    "basis": "政务数据共享条例 Art. 25",
}


def rule(**changes: Any) -> CombinationRule:
    return parse_rule({**RULE, **changes})


def contract(name: str, *fields: str | dict[str, Any], subject: str | None = "person") -> Contract:
    written = [{"name": f, "type": "string"} if isinstance(f, str) else f for f in fields]
    resource = {"id": f"scjg.{name}", "key": ["key"], "subject": subject}
    return parse_contract(avro_contract(fields=[{"name": "key", "type": "string"}, *written], resource=resource))


def held(of: Contract, **uses: Any) -> Held:
    return Held(parse_grant(grant_document(id=f"g.{of.id.removeprefix('scjg.')}", resource=of.id, fields=uses)), of)


PEOPLE = contract("people", "name", {"name": "tel", "type": "string", "concept": "phone"})
TAXES = contract("taxes", {"name": "income", "type": "string"})


def test_a_combination_over_two_resources_breaks_the_rule_and_every_grant_is_named() -> None:
    found = broken(
        rule(), [held(PEOPLE, name="pass", tel={"mask": "truncate", "length": 3}), held(TAXES, income="pass")]
    )
    error = refusal(rule(), found, "g.yaml")
    for words in (error.what.en, error.what.zh):
        for part in ("person.dossier", "shuiwu", "g.people", "scjg.people: tel", "g.taxes", "scjg.taxes: income"):
            assert part in words
    assert "Dossiers" in error.what.en
    assert "个人画像" in error.what.zh
    assert error.where == "g.yaml"
    assert error.hint is not None


@pytest.mark.parametrize(
    "grants",
    [
        [held(PEOPLE, name="pass", tel="pass")],
        [held(PEOPLE, name="pseudonym", tel="pass"), held(TAXES, income="pass")],
        [held(PEOPLE, name="pass", tel="null"), held(TAXES, income="pass")],
        [held(PEOPLE, name="pass", tel="pass"), held(TAXES, income="drop", key="pass")],
        [held(PEOPLE, name="pass", tel="pass"), held(contract("firms", "income", subject="enterprise"), income="pass")],
        [held(PEOPLE, name="pass", tel="pass"), held(contract("things", "income", subject=None), income="pass")],
    ],
)
def test_a_rule_is_kept_while_one_of_its_fields_is_nowhere_shown(grants: list[Held]) -> None:
    assert broken(rule(), grants) == {}


def test_fields_within_a_passed_record_count() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "income", "type": "long"}]}
    homes = contract("homes", {"name": "household", "type": {"type": "array", "items": inner}})
    both = [held(PEOPLE, name="pass", tel="pass"), held(homes, household="pass")]
    assert {s.path for s in broken(rule(), both)["income"]} == {("household", "[]", "income")}
    assert broken(rule(), [both[0], held(homes, **{"household[].income": {"mask": "bucket", "edges": [0]}})])
    assert not broken(rule(), [both[0], held(homes, **{"household[].income": "pseudonym"})])


@pytest.mark.parametrize(
    ("lists", "bound"),
    [
        ({}, True),
        ({"except": ["shuiwu"]}, False),
        ({"subscribers": ["shuiwu"]}, True),
        ({"subscribers": ["gongan"]}, False),
    ],
)
def test_a_rule_binds_whom_it_names(lists: dict[str, Any], bound: bool) -> None:
    grants = [held(PEOPLE, name="pass", tel="pass"), held(TAXES, income="pass")]
    assert bool(broken(rule(**lists), grants)) is bound


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"fields": ["name"]}, "r.yaml: fields"),
        ({"fields": ["name", "name"]}, "r.yaml: fields"),
        ({"subject": "Person"}, "r.yaml: subject"),
        ({"subscribers": ["a"], "except": ["b"]}, "r.yaml"),
        ({"filds": []}, "r.yaml: filds"),
        ({"basis": ""}, "r.yaml: basis"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rule({**RULE, **changes}, "r.yaml")
    assert caught.value.where == place
