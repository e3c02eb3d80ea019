"""Names of tables and columns: readable, short enough, and never two ids in one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.naming import MAX_NAME, column_names, table_name

IDS = st.from_regex(r"[a-z0-9]{1,3}([._-][a-z0-9]{1,3}){0,6}", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,80}", fullmatch=True)


@pytest.mark.parametrize(
    ("grant", "table"),
    [
        ("shuiwu.enterprise_registration.2026-001", "shuiwu__enterprise_registration__2026___001"),
        ("2026.a", "_2026__a"),
        ("sqlite_x", "_sqlite_x"),
    ],
)
def test_a_table_is_called_like_its_grant(grant: str, table: str) -> None:
    assert table_name(grant) == table


@given(st.sets(IDS, min_size=2, max_size=30))
def test_no_two_grants_share_a_table(grants: set[str]) -> None:
    names = {table_name(g) for g in grants}
    assert len(names) == len(grants)
    assert all(len(n) <= MAX_NAME and not n.startswith("_bus_") for n in names)


def test_long_grants_that_begin_alike_have_tables_of_their_own() -> None:
    names = {table_name("a" * 90 + end) for end in ("x", "y", "-z")}
    assert len(names) == 3
    assert {len(n) for n in names} == {MAX_NAME}


@given(st.lists(NAMES, unique=True, min_size=1, max_size=30))
def test_no_two_fields_share_a_column_even_where_case_does_not_count(fields: list[str]) -> None:
    columns = column_names(fields)
    assert list(columns) == fields
    assert len({c.lower() for c in columns.values()}) == len(fields)
    assert all(len(c) <= MAX_NAME for c in columns.values())


def test_columns_postgresql_has_already_are_renamed() -> None:
    assert column_names(["xmin"])["xmin"] != "xmin"
    assert column_names(["uscc"]) == {"uscc": "uscc"}
