"""Each rule of a contract, alone: what passes, what does not, and with which reason."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from producers.check import RowCheck
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError


def _contract(avro: Any, **attributes: Any) -> Contract:
    resource = {"id": "d.rows", "title": {"zh": "行", "en": "Rows"}, "provider": "d", "key": ["code"]}
    fields = [{"name": "code", "type": "string"}, {"name": "value", "type": avro, **attributes}]
    return parse_contract(
        {"type": "record", "name": "Row", "resource": {**resource, "sharing": "conditional"}, "fields": fields}
    )


def _reasons(contract: Contract, *values: Any) -> list[str | None]:
    """For each value the reason why it is wrong, judged together."""
    faults = RowCheck(contract).faults([{"code": str(n), "value": v} for n, v in enumerate(values)])
    assert all(len(wrong) == 1 and wrong[0][0] == "value" for wrong in faults.values())
    return [faults[n][0][1] if n in faults else None for n in range(len(values))]


_DATE = {"type": "int", "logicalType": "date"}
_TIME = {"type": "long", "logicalType": "timestamp-millis"}
_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
_NAIVE = dt.datetime(2003, 2, 8)  # noqa: DTZ001 what is refused
_ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}


@pytest.mark.parametrize(
    ("avro", "rules", "values", "reasons"),
    [
        ("long", {"min": 0}, [0, -1], [None, "min"]),
        ("double", {"max": 1.5}, [1.5, 1.6, 2], [None, "max", "max"]),
        ("string", {"min_length": 2}, ["二字", "一"], [None, "length"]),
        ("string", {"max_length": 2}, ["二字", "三个字"], [None, "length"]),
        ("string", {"length": 2}, ["二字", "一"], [None, "length"]),
        ("string", {"pattern": "[0-9]+"}, ["12", "12x", "x12", "1\n2"], [None, "pattern", "pattern", "pattern"]),
        ("string", {"enum": ["是", "否"]}, ["是", "或"], [None, "enum"]),
        ("string", {"min_length": 2, "enum": ["一"]}, ["一", "二字"], ["length", "enum"]),
        ("int", {}, [2**31 - 1, 2**31, True, "1"], [None, "range", "type", "type"]),
        ("long", {}, [-(2**63), 2**63], [None, "range"]),
        ("float", {}, [1e38, 1e39], [None, "range"]),
        ("string", {}, ["甲", 1, "a\x00"], [None, "type", "control_character"]),
        (_DATE, {}, [dt.date(2003, 2, 8), _NAIVE, "2003"], [None, "type", "type"]),
        (_TIME, {}, [dt.datetime(2003, 2, 8, tzinfo=dt.UTC), _NAIVE, 10**17], [None, "type", "range"]),
        (_MONEY, {}, [Decimal("123.45"), Decimal("123.456"), Decimal(12345)], [None, "type", "type"]),
        (_ENUM, {}, ["A", "C"], [None, "type"]),
        ({"type": "array", "items": "int"}, {}, [[1], ["x"], 1], [None, "type", "type"]),
    ],
)
def test_a_rule_lets_pass_what_it_says_and_names_itself_for_the_rest(
    avro: Any, rules: Any, values: list[Any], reasons: list[str | None]
) -> None:
    contract = _contract(avro, rules=rules)
    assert _reasons(contract, *values) == reasons
    assert [_reasons(contract, v)[0] for v in values] == reasons


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("cn-uscc", "91520100214401234B", "91520100214401234C"),
        ("cn-id", "11010519491231002X", "110105194912310021"),
        ("cn-mobile", "13800138000", "12800138000"),
        ("cn-division", "520102", "52010"),
    ],
)
def test_a_format_is_asked(name: str, good: str, bad: str) -> None:
    contract = _contract("string", format=name)
    if name == "cn-uscc":
        from schemas.formats import uscc_check_digit

        good = good[:17] + uscc_check_digit(good[:17])
        bad = good[:17] + ("1" if good[17] != "1" else "2")
    assert _reasons(contract, good, bad) == [None, "format"]


def test_what_is_required_must_be_there_and_what_has_a_default_need_not() -> None:
    assert _reasons(_contract("string"), None, "x") == ["required", None]
    assert _reasons(_contract(["null", "string"], default=None), None) == [None]
    check = RowCheck(_contract("int", default=7))
    assert check.faults([{"code": "a"}]) == {}
    assert check.faults([{"code": "a", "value": None}]) == {0: [("value", "required")]}


def test_a_key_is_neither_null_nor_empty_and_an_unknown_field_is_told() -> None:
    check = RowCheck(_contract(["null", "string"], default=None))
    rows = [{"code": ""}, {"code": None}, {}, {"code": "a", "other": 1}]
    assert check.faults(rows) == {n: [("code", "required")] for n in range(3)} | {3: [(None, "unknown_field")]}


@pytest.mark.parametrize(
    ("avro", "attributes", "message"),
    [
        ("string", {"rules": {"minimum": 1}}, "the rule 'minimum' is unknown"),
        ("string", {"format": "cn-car"}, "the format 'cn-car' is unknown"),
        ("string", {"rules": {"pattern": "(?=x)"}}, "not a regular expression RE2 knows"),
        (["int", "string"], {}, "unions of several types"),
    ],
)
def test_a_contract_that_asks_for_what_nobody_can_check_is_refused_at_once(
    avro: Any, attributes: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", "\\(")) as caught:
        RowCheck(_contract(avro, **attributes))
    assert caught.value.where == "contract: fields.value"
