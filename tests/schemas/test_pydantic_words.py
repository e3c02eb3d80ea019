"""What pydantic finds wrong is told in the language asked for, and never with the wrong value."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.grant import MaskUse, parse_grant
from schemas.pydantic_words import Wrong, first_wrong
from schemas.validation import Model
from stream_apps.policy.mask_use import mask_from
from tests.infra.control.world import contract_source, grant_document

CHINESE = re.compile("[\u4e00-\u9fff]")


def wrong(of: Any, value: Any) -> Wrong:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(of).validate_python(value)
    return first_wrong(caught.value)


class Pair(Model):
    left: int
    right: Annotated[str, Field(min_length=2, max_length=3)] = "ab"


class Left(Model):
    kind: Literal["left"]


class Right(Model):
    kind: Literal["right"]


Tagged = Annotated[Left | Right, Field(discriminator="kind")]

CASES = [
    (Pair, {}, "Field required", "缺少必填项"),
    (Pair, {"left": 1, "secret": 5}, "Extra inputs are not permitted", "未知的键, 请检查拼写"),
    (Pair, {"left": "secret"}, "Input should be a valid integer, unable to parse string as an integer", "须为整数"),
    (Pair, {"left": 1, "right": "s"}, "String should have at least 2 characters", "至少 2 个字符"),
    (Pair, {"left": 1, "right": "secret"}, "String should have at most 3 characters", "至多 3 个字符"),
    (Pair, "secret", "Input should be a valid dictionary or instance of Pair", "须为键值结构"),
    (str, 5, "Input should be a valid string", "须为文本"),
    (bool, "secret", "Input should be a valid boolean, unable to interpret input", "须为 true 或 false"),
    (Literal["a", "b"], "secret", "Input should be 'a' or 'b'", "须为 'a' 或 'b'"),
    (Annotated[int, Field(ge=0)], -1, "Input should be greater than or equal to 0", "须大于或等于 0"),
    (Annotated[int, Field(le=64)], 65, "Input should be less than or equal to 64", "须小于或等于 64"),
    (Annotated[int, Field(gt=0)], 0, "Input should be greater than 0", "须大于 0"),
    (list[int], "secret", "Input should be a valid list", "须为列表"),
    (Annotated[list[int], Field(min_length=1)], [], "List should have at least 1 item", "至少 1 项"),
    (dt.date, "secret", "Input should be a valid date", "须为有效日期, 写作 YYYY-MM-DD"),
    (Tagged, {"kind": "secret"}, "Input should be one of 'left', 'right'", "类别须为 'left', 'right'"),
]


@pytest.mark.parametrize(("of", "value", "en", "zh"), CASES, ids=[zh for *_, zh in CASES])
def test_common_faults_are_told_in_both_languages_without_the_value(of: Any, value: Any, en: str, zh: str) -> None:
    words = wrong(of, value).words
    assert words.en.startswith(en)
    assert words.zh == zh
    assert "secret" not in words.en + words.zh


def test_the_place_goes_from_the_outermost_inwards() -> None:
    assert wrong(dict[str, list[Pair]], {"a": [{"left": 1}, {"left": None}]}).place == ("a", "1", "left")


def test_a_fault_without_words_is_still_told_in_chinese() -> None:
    assert wrong(dt.timedelta, "secret").words.zh == "值不符合要求(time_delta_parsing)"


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_a_validator_of_ours_says_in_two_languages_is_parted(own: str) -> None:
    def refuse(_: Any) -> Any:
        raise ValueError(f"{own} is odd / 有误")

    assert wrong(Annotated[int, AfterValidator(refuse)], 1).words == (f"{own} is odd", "有误")


def nested_contract() -> Any:
    source = contract_source("w.r")
    home = {"type": "record", "name": "H", "fields": [{"name": "s", "type": "string", "filterable": "secret"}]}
    source["fields"].append({"name": "home", "type": home})
    return parse_contract(source)


PLACES = [
    (lambda: parse_grant(grant_document("w", extra=1)), "Extra inputs are not permitted.", "未知的键, 请检查拼写。"),
    (
        lambda: parse_grant(grant_document("w", audience="secret")),
        "'enterprise' or 'public'.",
        "'enterprise' 或 'public'。",
    ),
    (
        lambda: parse_grant(grant_document("w", valid={"from": "2026-11-01", "until": "2026-01-01"})),
        "ends (2026-01-01) before it begins (2026-11-01).",
        "截止早于起始。",
    ),
    (nested_contract, "Input should be a valid boolean, unable to interpret input.", "须为 true 或 false。"),
    (
        lambda: mask_from(MaskUse(mask="partial", params={"keep_first": 65}), "string", "grant"),
        "partial: Input should be less than or equal to 64.",
        "partial: 须小于或等于 64。",
    ),
    (
        lambda: mask_from(MaskUse(mask="truncate", params={}), "string", "grant"),
        "truncate: Field required.",
        "truncate: 缺少必填项。",
    ),
]


@pytest.mark.parametrize(("make", "en", "zh"), PLACES, ids=[zh for *_, zh in PLACES])
def test_grants_contracts_and_masks_say_it_in_the_language_asked_for(make: Any, en: str, zh: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    english, chinese = caught.value.message("en"), caught.value.message("zh")
    assert en in english
    assert zh in chinese
    assert not CHINESE.search(english)
    assert not re.search(r"Input|should|Extra|required|begins", chinese)
    assert "secret" not in english + chinese
