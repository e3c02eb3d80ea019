"""Each conversion does what its line in the catalogue says, and refuses with its reason."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from producers.adapters.file.conversions import CONVERSIONS, Unconvertible


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("18,089.4432(万元)", 18_089_443_200),
        ("148万人民币", 148_000_000),
        ("92(万元人民币)", 92_000_000),
        ("3( 万人民币元)", 3_000_000),
        ("500（元）", 50_000),
        ("1.5亿元", 15_000_000_000),
        ("１２．５元", 1250),
        ("7(万)", 7_000_000),
    ],
)
def test_money_in_renminbi_becomes_cents(text: str, cents: int) -> None:
    assert CONVERSIONS["money_cents"]()(text) == cents


@pytest.mark.parametrize(
    ("name", "arguments", "text", "reason"),
    [
        ("money_cents", [], "200(万香港元)", "foreign_currency"),
        ("money_cents", [], "200(万美元)", "foreign_currency"),
        ("money_cents", [], "0.001元", "not_an_amount"),
        ("money_cents", [], "若干", "not_an_amount"),
        ("date", [], "2003-02-30", "not_a_date"),
        ("integer", [], "1.5", "not_a_whole_number"),
        ("boolean", [], "或许", "not_a_boolean"),
        ("find", [["云岩区"]], "贵阳市某处", "not_found"),
        ("lookup", [{"1": "男"}], "2", "not_in_table"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_its_reason(
    name: str, arguments: list[Any], text: str, reason: str
) -> None:
    with pytest.raises(Unconvertible) as caught:
        CONVERSIONS[name](*arguments)(text)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text", ["2003-02-08", "2003/2/8", "2003.2.8", "2003年2月8日", "20030208", "2003-02-08 00:00:00"]
)
def test_dates_as_exports_write_them(text: str) -> None:
    assert CONVERSIONS["date"]()(text) == dt.date(2003, 2, 8)


def test_full_width_digits_become_half_width_and_chinese_punctuation_may_stay() -> None:
    assert CONVERSIONS["half_width"]()("３３号（Ａ）") == "33号(A)"
    assert CONVERSIONS["half_width_alnum"]()("３３号（Ａ）") == "33号（A）"
