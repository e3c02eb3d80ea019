"""Whatever SQL has and the filter language lacks is refused by name, and so is what is too large, at once."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.grant import MAX_WHERE
from stream_apps.policy.where import parse_where
from stream_apps.policy.where.parse import MAX_DEPTH, MAX_LIST, MAX_NODES
from tests.kit.filters import TYPES


def refusal(text: str) -> ConfigError:
    """The refusal of a filter over the fields of `TYPES`."""
    with pytest.raises(ConfigError) as refused:
        parse_where(text, TYPES, "g.yaml: where")
    assert refused.value.where == "g.yaml: where"
    assert refused.value.what.zh not in ("", refused.value.what.en)
    return refused.value


@pytest.mark.parametrize(
    "text",
    [
        "n BETWEEN SYMMETRIC 7 AND 1",
        "t LIKE 'a!%' ESCAPE '!'",
        "t NOT LIKE 'a!%' ESCAPE '!'",
        "t LIKE ANY ('a')",
        "t NOT LIKE ALL ('a')",
        "t ILIKE 'a'",
        "t = 'a' COLLATE NOCASE",
        "n = NULL",
        "n IN (1, NULL)",
        "n IN ()",
        "n IN (SELECT 1)",
        "n > ALL (SELECT 1)",
        "n IS NOT DISTINCT FROM 1",
        "n IS 1",
        "b IS TRUE",
        "t = 'a' -- OR TRUE",
        "t = 'a' /* only a */",
        "t = 'a'; n = 1",
        "EXISTS (SELECT 1)",
        "TRUE",
        "1 = 1",
        "n = f",
        "length(t) = 1",
        "t || 'a' = 'aa'",
        "n + 1 = 2",
        "n = 1 + 1",
        "b < TRUE",
        't = "a"',
        "d = '2000-01-01'",
        "d = DATE '2000-13-01'",
        "d = DATE '20000101'",
        "d = DATE '2000-W01-1'",
        "d = CURRENT_DATE",
        "at = TIMESTAMP '2026-W01-1'",
        "at = TIMESTAMP '2026-01-01 00:00:00.0001'",
        "at = DATE '2026-01-01'",
        "t = 5",
        "n = '5'",
        "n = 1_000",
        "n = 0x1F",
        "n = 1.2.3",
        "n = 1e9999",
        f"n = {'9' * 81}",
        "f = 9007199254740993",
        "f = 9007199254740993.0",
        "f = 1e400",
        "f = 1e-400",
        "money = 'ten'",
        "money LIKE '1%'",
        "residence = 'x'",
        "residence.nowhere = 'x'",
        "residence.home.no.more = 1",
        "residence.home = 'x'",
        "t.x = 'y'",
        "residence.* IS NULL",
        "x.y.z.a.b.c.d = 1",
        "SELECT 1",
        "DROP TABLE r",
        "CASE WHEN b THEN TRUE END",
        "CAST(n AS TEXT) = '1'",
        "(" * 3000 + "b" + ")" * 3000,
        "NOT " * 2400 + "b",
        "- " * 4000 + "1 = n",
        "CASE WHEN " * 900 + "b",
        "b AND " * 1600 + "b AND",
        "'" * 9999,
        "residence" + ".home" * 1900 + " = 1",
        "",
        " ",
        "\x00",
    ],
)
def test_whatever_is_not_on_the_list_is_refused(text: str) -> None:
    began = time.process_time()
    refusal(text)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("before", "after", "levels"),
    [("(", ")", 1), ("NOT ", "", 1), ("NOT (", ")", 2), ("(b AND ", ")", 1), ("NOT(b OR ", ")", 2)],
)
@pytest.mark.parametrize("stack", [0, 400])
def test_a_filter_may_be_as_deep_as_the_limit_and_no_deeper(before: str, after: str, levels: int, stack: int) -> None:
    if stack:
        return test_a_filter_may_be_as_deep_as_the_limit_and_no_deeper(before, after, levels, stack - 1)
    times = MAX_DEPTH // levels
    parse_where(before * times + "b" + after * times, TYPES, "where")
    deeper = refusal(before * (times + 1) + "b" + after * (times + 1))
    assert deeper.what.en == f"nested deeper than {MAX_DEPTH} levels."
    return None


def test_a_list_may_be_as_long_as_the_limit_and_no_longer() -> None:
    parse_where(f"n IN ({','.join('1' * MAX_LIST)})", TYPES, "where")
    assert "a list of more than 1000 values" in refusal(f"n IN ({','.join('1' * (MAX_LIST + 1))})").what.en


def test_conditions_and_listed_values_are_counted_together() -> None:
    half = f"n IN ({','.join('1' * (MAX_LIST - 2))})"
    parse_where(f"{half} OR {half}", TYPES, "where")
    for text in (
        f"{half} OR {half} OR n = 1 OR b OR n = 3",
        " OR ".join(["b"] * (MAX_NODES // 2)) + f" OR {half} OR {half}",
    ):
        assert f"more than {MAX_NODES} conditions and values" in refusal(text).what.en


@pytest.mark.parametrize("piece", ["(", "'", "b AND ", "NOT ", "n IN (1,2) OR ", "云", "\x00", "a.", "--", "1"])
def test_a_text_of_megabytes_is_refused_at_once_with_one_message(piece: str) -> None:
    text = piece * (8_000_000 // len(piece))
    began = time.process_time()
    refused = refusal(text)
    assert time.process_time() - began < 1
    assert refused.what.en == f"longer than {MAX_WHERE} characters."
    assert refused.hint is None


PIECES = (
    "b", "n", "t", "residence.home.no", "nowhere", "'a'", "'", '"', "1", "1.5", "1e9", "DATE '2026-01-01'", "DATE", "NULL", "TRUE",
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "(", ")", ",", "=", "<>", "<", "-", "+", ".", ";", "--", "/*", "*/", "::",
    "[", "]", "{", "}", "\\", "%", "@", "#", "$1", "?", ":a", "SELECT", "CASE", "WHEN", "END", "INTERVAL", "EXISTS", "ANY", "\n",
    "，", "＝", "\x00", "\u202e", "\ud800", "x" * 50,
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map(" ".join) | st.text(max_size=40))
@settings(deadline=None)
def test_any_text_is_a_filter_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        parse_where(text, TYPES, "where")
    except ConfigError as error:
        assert error.where == "where"
