"""Equal filters are one tree, and making them so changes the truth of no row."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.contract import parse_contract
from schemas.grant import parse_grant
from stream_apps.policy import compile_view
from stream_apps.policy.where import Predicate, parse_where, truth
from stream_apps.policy.where.canonical import canonical
from stream_apps.policy.where.rows import truth as row_truth
from stream_apps.policy.where.tree import All, Compare, Field, IsNull, Like, Not, OneOf, Some, Truth
from tests.kit.filters import FILTERS, ROWS, TYPES, Texts
from tests.schemas.contracts import avro_contract, grant_document
from tests.stream_apps.policy.test_filter_agrees_with_databases import struct_of

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck))
N, F, T, B = Field(("n",), "integer"), Field(("f",), "number"), Field(("t",), "string"), Field(("b",), "boolean")
NUMBERS = st.integers(-2, 2)
WORDS = st.sampled_from(["", "a", "b", "a%", "_", "%"])
OPERATORS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
LEAVES: st.SearchStrategy[Predicate] = st.one_of(
    st.builds(Compare, OPERATORS, st.just(N), NUMBERS),
    st.builds(Compare, OPERATORS, st.just(F), st.sampled_from([0.0, 0.5, -1.0])),
    st.builds(Compare, OPERATORS, st.just(T), WORDS),
    st.builds(Compare, st.sampled_from(["=", "<>"]), st.just(B), st.booleans()),
    st.builds(OneOf, st.just(N), st.lists(NUMBERS, min_size=1, max_size=4).map(tuple)),
    st.builds(OneOf, st.just(T), st.lists(WORDS, min_size=1, max_size=4).map(tuple)),
    st.builds(OneOf, st.just(B), st.lists(st.booleans(), min_size=1, max_size=3).map(tuple)),
    st.builds(Like, st.just(T), WORDS),
    st.builds(IsNull, st.sampled_from([N, F, T, B])),
    st.builds(Truth, st.just(B)),
)
TREES: st.SearchStrategy[Predicate] = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(
            lambda kind, terms: kind(tuple(terms)),
            st.sampled_from([All, Some]),
            st.lists(inner, min_size=1, max_size=4),
        )
    ),
    max_leaves=8,
)
SMALL_ROWS = st.fixed_dictionaries(
    {
        "n": st.none() | NUMBERS,
        "f": st.none() | st.sampled_from([0.0, -0.0, 0.5, -1.0, float("nan")]),
        "t": st.none() | st.sampled_from(["", "a", "b", "ab"]),
        "b": st.none() | st.booleans(),
    }
)


@given(TREES, st.lists(SMALL_ROWS, min_size=1, max_size=6))
@QUIET
def test_no_row_changes_its_truth_by_columns_or_by_rows(tree: Predicate, rows: list[dict[str, Any]]) -> None:
    one = canonical(tree)
    before = [row_truth(tree, r) for r in rows]
    assert [row_truth(one, r) for r in rows] == before
    columns = struct_of([{**dict.fromkeys(TYPES), **r} for r in rows])
    assert truth(one, columns).to_pylist() == before
    assert truth(tree, columns).to_pylist() == before


@given(TREES)
@QUIET
def test_the_one_form_of_the_one_form_is_itself(tree: Predicate) -> None:
    one = canonical(tree)
    assert canonical(one) == one
    assert repr(canonical(one)) == repr(one)


def shuffled(tree: Predicate, dice: random.Random) -> Predicate:
    """The same filter as somebody else might write it."""
    if isinstance(tree, (All, Some)):
        terms = [shuffled(t, dice) for t in (*tree.terms, dice.choice(tree.terms))]
        dice.shuffle(terms)
        cut = dice.randrange(len(terms) + 1)
        nested = [type(tree)(tuple(terms[:cut])), *terms[cut:]] if cut > 1 else terms
        return type(tree)(tuple(nested))
    if isinstance(tree, Not):
        return Not(shuffled(tree.term, dice))
    if isinstance(tree, OneOf):
        return OneOf(tree.field, tuple(dice.sample((*tree.values, tree.values[0]), len(tree.values) + 1)))
    return Not(Not(tree)) if dice.random() < 0.3 else tree


@given(TREES, st.integers(0, 2**32))
@QUIET
def test_permuted_repeated_and_regrouped_terms_are_one_tree(tree: Predicate, seed: int) -> None:
    other = shuffled(tree, random.Random(seed))
    assert repr(canonical(other)) == repr(canonical(tree))


@given(FILTERS, FILTERS, st.lists(ROWS, min_size=1, max_size=3))
@QUIET
def test_permuted_texts_are_one_tree(a: Texts, b: Texts, rows: list[dict[str, Any]]) -> None:
    for word in ("AND", "OR"):
        trees = [
            parse_where(text, TYPES, "where")
            for text in (
                f"({a.bus}) {word} ({b.bus})",
                f"({b.bus}) {word} (({a.bus}) {word} ({b.bus}))",
                f"NOT (NOT ({b.bus})) {word} ({a.bus}) {word} ({a.bus})",
            )
        ]
        assert len({repr(t) for t in trees}) == 1
        assert canonical(trees[0]) == trees[0]


@pytest.mark.parametrize(
    "texts",
    [
        (
            "n = 1",
            "1 = n",
            "n IN (1)",
            "n IN (1, 1.0)",
            "n = 1e0",
            "NOT n <> 1",
            "NOT NOT n = 1",
            "n = 01",
            "((n = 1))",
        ),
        ("n IN (1, 2)", "n IN (2, 1, 2)", "n = 2 OR n = 1", "n = 2 OR (n IN (1) OR n = 1)", "NOT (n <> 1 AND n <> 2)"),
        ("n NOT IN (1, 2)", "n <> 2 AND n <> 1", "NOT n IN (2, 1)", "NOT (n = 1 OR n = 2)"),
        ("n BETWEEN 1 AND 7", "n >= 1 AND n <= 7", "NOT (n < 1 OR n > 7)", "7 >= n AND 1 <= n"),
        ("b", "b = TRUE", "b <> FALSE", "NOT b <> TRUE", "b IN (TRUE)"),
        ("t = 'a'", "t LIKE 'a'", "t IN ('a')"),
        ("f = 0", "f = -0", "f = 0.0", "f = 0e5"),
        ("money = 1.5", "money = 1.50", "money = 15e-1", "1.500 = money"),
        (
            "at >= TIMESTAMP '2026-01-01 08:00:00'",
            "at >= TIMESTAMP '2026-01-01 08:00'",
            "at >= TIMESTAMP '2026-01-01T00:00:00Z'",
            "at >= TIMESTAMP '2026-01-01 08:00:00.000'",
        ),
        ("b AND n = 1 AND t = 'a'", "t = 'a' AND (n = 1 AND b)", "(b AND n = 1) AND (n = 1 AND t = 'a')"),
    ],
)
def test_ways_to_write_one_filter_are_one_tree(texts: tuple[str, ...]) -> None:
    assert len({repr(parse_where(t, TYPES, "where")) for t in texts}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("n < 1", "n <= 1"),
        ("NOT t LIKE 'a%'", "t LIKE 'a%'"),
        ("n = 1 AND b", "n = 1 OR b"),
        ("n IS NULL", "NOT n IS NULL"),
    ],
)
def test_different_filters_stay_different(one: str, other: str) -> None:
    assert parse_where(one, TYPES, "where") != parse_where(other, TYPES, "where")


def test_equal_filters_make_equal_views() -> None:
    contract = parse_contract(avro_contract(fields=[{"name": "id", "type": "string"}, {"name": "n", "type": "long"}]))
    views = [
        compile_view(contract, parse_grant(grant_document(fields={"id": "pass", "n": "pass"}, where=where)))
        for where in ("n IN (1, 2) AND id <> ''", "id <> '' AND (n = 2 OR n = 1)")
    ]
    assert views[0] == views[1]
    assert views[0].id == views[1].id
