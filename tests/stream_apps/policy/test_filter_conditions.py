"""A filter is told to people by its conditions, as they wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_apps.policy.where.parts import conditions

WHOLE = st.sampled_from(
    [
        "a = 1",
        "a BETWEEN 1 AND 2",
        "a NOT BETWEEN 1 AND 2",
        "NOT (a BETWEEN 1 AND 2 OR b = 'x AND y')",
        "a IN ('AND', '云岩区', 'OR')",
        "(a = 1 OR b = 2)",
        "(a = 1 AND b = 2)",
        "d >= DATE '2026-01-31'",
        "a IS NOT NULL",
        "home.street LIKE '%AND%'",
        "a = 'it''s AND'",
    ]
)


@given(parts=st.lists(WHOLE, min_size=1, max_size=5), word=st.sampled_from([" AND ", " and ", "\n AND\t"]))
def test_the_outermost_ands_part_a_filter_and_nothing_else_does(parts: list[str], word: str) -> None:
    assert conditions(word.join(parts)) == parts


@pytest.mark.parametrize("where", ["a = 1 OR b = 2", "a = 1 AND b = 2 OR c = 3", " a = 1 or b = 2 and c = 3 "])
def test_beside_an_or_there_are_no_conditions_that_must_all_be_true(where: str) -> None:
    assert conditions(where) == [where.strip()]
