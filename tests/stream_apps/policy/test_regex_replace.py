"""`regex_replace` fails closed, refuses patterns at their place, and takes time linear in the value."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import ViewKeys, compile_view
from stream_apps.policy.masks import MASKS
from tests.schemas.contracts import grant_document
from tests.stream_apps.policy.masked_values import PATTERNS, TEXTS
from tests.stream_apps.policy.test_presets import contract

KEYS = ViewKeys(b"p" * 32, "g")


def replaced(pattern: str, replacement: str, *texts: str | None) -> list[str | None]:
    mask = MASKS["regex_replace"].model_validate({"pattern": pattern, "replacement": replacement})
    shown: list[str | None] = mask.columns(pa.array(texts, pa.string()), KEYS).to_pylist()
    return shown


@pytest.mark.parametrize(
    ("pattern", "replacement", "parameter"),
    [
        ("(", "", "pattern"), ("[", "", "pattern"), ("a)", "", "pattern"), ("*", "", "pattern"), ("", "", "pattern"),
        ("a*", "", "pattern"), ("", "x", "pattern"), ("^", "", "pattern"), ("$", "x", "pattern"), ("x?", "", "pattern"),
        (r"\b", "|", "pattern"), (r"\B", "|", "pattern"), (r"a|\b", "|", "pattern"), ("(?:)", "", "pattern"),
        ("a" * 201, "", "pattern"), ("(?=a)b", "", "pattern"), ("(?!a)b", "", "pattern"), ("(?<=a)b", "", "pattern"),
        (r"(a)\1", "", "pattern"), ("a{2000}", "", "pattern"), ("(?P<n>a)(?P=n)", "", "pattern"), (1, "", "pattern"),
        ("a", r"\9", "replacement"), ("(zzz)", r"\2", "replacement"), ("a", "\\", "replacement"), ("a", r"\n", "replacement"),
        ("a", r"\g<0>", "replacement"), ("a", "x" * 201, "replacement"), ("a", None, "replacement"), ("a", r"\٣", "replacement"),
    ],
)  # fmt: skip
def test_a_pattern_or_replacement_that_cannot_be_is_refused_at_its_place(
    pattern: Any, replacement: Any, parameter: str
) -> None:
    use = {"mask": "regex_replace", "pattern": pattern, "replacement": replacement}
    with pytest.raises(ConfigError) as refused:
        compile_view(contract(), parse_grant(grant_document(fields={"id": "pass", "f": use})), "g")
    assert refused.value.where == f"g: fields.f.{parameter}"
    assert "AAAA" not in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "gives"),
    [
        ("[0-9]+", "#", "a1b22", "a#b#"),
        ("[0-9]+", "#", "abc", "***"),
        ("[0-9]+", "#", "", ""),
        ("[0-9]+", r"\0", "a1b22", "*****"),
        ("[0-9]+", r"<\0>", "1", "*"),
        ("(.)", r"\1", "张三", "**"),
        ("a", "aa", "a", "*"),
        ("(.+)", r"x\1x", "张三", "**"),
        (".", "", "张三", ""),
        ("三", "", "张三", "张"),
        ("A", "b", "a", "*"),
        ("(?i)A", "b", "a", "b"),
        (".", "-", "😀é", "--"),
        ("(?s)..$", "", "ab\n", "a"),
        (r"\\", r"\\\\", r"a\b", r"a\\b"),
    ],
)
def test_what_is_found_is_replaced_and_where_nothing_went_all_is_stars(
    pattern: str, replacement: str, text: str, gives: str
) -> None:
    assert replaced(pattern, replacement, text, None) == [gives, None]


def test_one_value_does_not_decide_for_its_neighbours() -> None:
    assert replaced("[0-9]", "#", "1a", "a", None, "", "a1") == ["#a", "*", None, "", "a#"]


@given(pattern=st.sampled_from(PATTERNS), replacement=st.sampled_from(["", "*", r"\0", r"[\0]", r"\0\0"]), text=TEXTS)
def test_no_value_stands_whole_in_what_is_made_of_it(pattern: str, replacement: str, text: str) -> None:
    (shown,) = replaced(pattern, replacement, text)
    assert shown is not None
    assert text not in shown or set(text) <= {"*"}


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(?:a?){50}a{50}$", "(.*)*=", "(a|aa)+$"])
def test_no_pattern_takes_longer_than_the_value_is_long(pattern: str) -> None:
    """A backtracking engine needs more steps for these than there are atoms: that this returns is the proof."""
    text = "a" * 50_000 + "!"
    assert replaced(pattern, "", text) == ["*" * len(text)]
