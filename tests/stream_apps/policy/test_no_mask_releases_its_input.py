"""No mask but `pass` ever releases a value whole, be it within something longer."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.contract import ContractField
from stream_apps.policy import ViewKeys
from stream_apps.policy.masks import MASKS, Mask, Place
from tests.stream_apps.policy.masked_values import PARTIALS, PATTERNS, TEXTS

KEYS = ViewKeys(b"p" * 32, "g", previous=ViewKeys(b"q" * 32, "g", version=2))
SIGNS = st.characters(codec="utf-8", exclude_characters="*")
CHOSEN = st.text(SIGNS, min_size=1, max_size=4)
PARAMETERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "null": st.just({}),
    "constant": st.fixed_dictionaries({"value": st.text(SIGNS, max_size=12)}),
    "truncate": st.fixed_dictionaries({"length": st.integers(1, 12)}),
    "regex_replace": st.fixed_dictionaries(
        {
            "pattern": st.sampled_from(PATTERNS) | CHOSEN.map(lambda t: "".join(rf"\x{{{ord(c):x}}}" for c in t)),
            "replacement": st.sampled_from(["", r"\0", r"\0\0", "<\\0>"]) | CHOSEN.map(lambda t: t.replace("\\", "/")),
        }
    ),
    "pseudonym": st.just({}),
    "encrypt": st.just({}),
    "generalise": st.fixed_dictionaries({"to": st.sampled_from(["county", "city", "province"])}),
    "partial": PARTIALS.map(lambda mask: mask.model_dump(exclude_defaults=True)).map(
        lambda given: {k: v for k, v in given.items() if k in ("preset", "level") or "preset" not in given}
    ),
}
DIVISIONS = st.from_regex(r"\A[1-9][0-9]{5}([0-9]{3}([0-9]{3})?)?\Z")
"""As contracts have them: six digits, and more for what lies within."""
MORE_THAN_KEPT = {"county": 6, "city": 4, "province": 2}


def place(mask: str, format_: str | None) -> Place:
    field = ContractField(name="f", type="string", format=format_)
    return Place("g", "r", ("f",), field, False, "shuiwu", "综合治税", dt.date(2026, 11, 1))


def bound(name: str, parameters: dict[str, Any], format_: str | None = None) -> Mask:
    return MASKS[name].model_validate(parameters).bound(place(name, format_))


def released(mask: Mask, text: str) -> list[str | None]:
    """What the mask makes of it as a column and as a row."""
    column = mask.columns(pa.array([text], pa.string()), KEYS, pa.array(["k"]))
    return [column.to_pylist()[0], mask.row(text, KEYS, "k")]


def long_enough(name: str, parameters: dict[str, Any], text: str) -> bool:
    """Whether the value has more than the mask keeps of it, and is no text that others may have by chance."""
    if name == "truncate":
        return len(text) > parameters["length"]
    if name == "generalise":
        kept = MORE_THAN_KEPT[parameters["to"]]
        return len(text) > 6 or text[kept:].strip("0") != ""  # 520000 is its own province
    if name in ("pseudonym", "encrypt"):
        return len(text) >= 12 or not text.isascii()  # of a token's alphabet a short value may be part by chance
    if name == "constant":
        return text not in parameters["value"]
    return True


def test_every_mask_of_text_is_here() -> None:
    of_text = {name for name, mask in MASKS.items() if mask.suits("string")}
    assert of_text - set(PARAMETERS) == {"pass", "drop"}


@pytest.mark.parametrize("name", PARAMETERS)
@settings(max_examples=300, deadline=None)
@given(data=st.data(), format_=st.sampled_from([None, "cn-id", "cn-uscc", "cn-mobile"]))
def test_no_value_stands_in_what_is_released_of_it(name: str, data: st.DataObject, format_: str | None) -> None:
    parameters = data.draw(PARAMETERS[name])
    text = data.draw(TEXTS | DIVISIONS)
    assume(text and set(text) != {"*"} and long_enough(name, parameters, text))
    for shown in released(bound(name, parameters, format_), text):
        assert shown is None or text not in shown


@given(text=TEXTS)
def test_pass_is_what_it_is_tried_against(text: str) -> None:
    assert released(bound("pass", {}), text) == [text, text]
