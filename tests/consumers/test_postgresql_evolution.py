"""An amended grant alters its table: what a department put on the columns that stay, stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consumers.view import Column, View
from schemas.change_event import Op
from schemas.errors import PermanentError
from tests.consumers.test_postgresql_sink import PostgresqlTarget
from tests.kit.sink_conformance import a_view, batch, event


@pytest.fixture
def target(database: str) -> PostgresqlTarget:
    return PostgresqlTarget(database)


TABLE = a_view().table


def amended(*columns: Column, generation: int = 2) -> View:
    return replace(a_view(generation=generation, topic_id=f"id-{generation}"), columns=columns)


def opened(target: PostgresqlTarget, view: View) -> None:
    sink = target.sink()
    try:
        held = sink.open(view)
        assert (set(held.positions.values()), held.events) == ({0}, 0)
    finally:
        sink.close()


def filled(target: PostgresqlTarget) -> None:
    sink = target.sink()
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0, {"name": "甲", "amount": 1})))
    sink.close()


def types(target: PostgresqlTarget) -> dict[str, str]:
    found = target.query(
        f"SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        f"WHERE attrelid = '{TABLE}'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return {r["attname"]: r["type"] for r in found}


def indexes(target: PostgresqlTarget) -> set[str]:
    return {r["indexname"] for r in target.query(f"SELECT indexname FROM pg_indexes WHERE tablename = '{TABLE}'")}


def do(target: PostgresqlTarget, *statements: str) -> None:
    import psycopg

    with psycopg.connect(target.url) as db:
        for statement in statements:
            db.execute(statement)  # type: ignore[arg-type]


ID, NAME, AMOUNT = a_view().columns


def test_privileges_indexes_and_sql_views_on_columns_that_stay_stay(target: PostgresqlTarget) -> None:
    filled(target)
    role = f"reader_{target.url.rpartition('/')[2]}"
    do(
        target,
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON {TABLE} TO {role}",
        f"CREATE INDEX by_name ON {TABLE} (name)",
        f"CREATE INDEX by_amount ON {TABLE} (amount)",
        f"CREATE VIEW names AS SELECT id, name FROM {TABLE}",
    )
    opened(target, amended(ID, NAME, Column("since", "since", "date", False, "起始日期")))
    assert types(target) == {"id": "text", "name": "text", "since": "date"}
    assert target.rows(a_view()) == []
    assert indexes(target) == {f"{TABLE}_pkey", "by_name"}
    assert target.query(f"SELECT has_table_privilege('{role}', '{TABLE}', 'SELECT') AS may") == [{"may": True}]
    assert target.query("SELECT * FROM names") == []
    do(target, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_titles_are_renewed_and_those_that_are_gone_go(target: PostgresqlTarget) -> None:
    filled(target)
    opened(target, replace(amended(replace(ID, title=""), replace(NAME, title="新名称")), title="新标题"))
    assert target.titles(a_view()) == {"": "新标题", "name": "新名称"}


@pytest.mark.parametrize(
    ("kind", "type_", "value"),
    [("text", "text", "x"), ("decimal", "numeric(12,2)", None), ("json", "jsonb", [1]), ("date", "date", None)],
)
def test_a_column_takes_any_other_type_and_keeps_an_index_that_fits(
    target: PostgresqlTarget, kind: str, type_: str, value: object
) -> None:
    filled(target)
    do(target, f"CREATE INDEX by_amount ON {TABLE} (amount)")
    view = amended(ID, NAME, Column("amount", "amount", kind, False, "", 12, 2))  # type: ignore[arg-type]
    sink = target.sink()
    sink.open(view)
    sink.write(batch(event("r", "1", 0, {"amount": value})))
    sink.close()
    assert types(target)["amount"] == type_
    assert "by_amount" in indexes(target)
    assert target.rows(view) == [{"id": "1", "name": None, "amount": value}]


def test_an_index_that_does_not_fit_the_new_type_goes_with_its_column(target: PostgresqlTarget) -> None:
    filled(target)
    do(target, f"CREATE INDEX by_pattern ON {TABLE} (name text_pattern_ops)")
    opened(target, amended(ID, replace(NAME, kind="long")))
    assert types(target) == {"id": "text", "name": "bigint"}
    assert indexes(target) == {f"{TABLE}_pkey"}


def test_the_primary_key_is_replaced_and_a_former_key_may_be_null(target: PostgresqlTarget) -> None:
    filled(target)
    token = Column("_key", "_key", "text", True)
    view = amended(token, replace(ID, key=False), NAME)
    sink = target.sink()
    sink.open(view)
    for offset in range(2):
        made = replace(
            event("c", "x", offset), op=Op.CREATE, key={"_key": "t"}, after={"id": None, "name": str(offset)}
        )
        sink.write(batch(made, start=offset))
    sink.close()
    assert target.rows(view) == [{"id": None, "name": "1", "_key": "t"}]


def test_a_key_of_another_type_works(target: PostgresqlTarget) -> None:
    filled(target)
    view = amended(replace(ID, kind="long"), NAME)
    sink = target.sink()
    sink.open(view)
    sink.write(batch(event("c", 7, 0), event("u", 7, 1, {"name": "乙"})))
    sink.close()
    assert target.rows(view) == [{"id": 7, "name": "乙"}]


@pytest.mark.parametrize("columns", [(ID, NAME), (ID, NAME, replace(AMOUNT, kind="text"))])
def test_a_sql_view_on_a_column_that_goes_stops_the_delivery_and_is_named(
    target: PostgresqlTarget, columns: tuple[Column, ...]
) -> None:
    filled(target)
    do(target, f"CREATE VIEW sums AS SELECT sum(amount) AS total FROM {TABLE}")
    sink = target.sink()
    with pytest.raises(PermanentError, match="sums") as caught:
        sink.open(amended(*columns))
    sink.close()
    assert caught.value.where == f"{TABLE}.amount"
    assert target.rows(a_view()) == [{"id": "1", "name": "甲", "amount": 1}]
    do(target, "DROP VIEW sums")
    opened(target, amended(*columns))


def test_a_table_that_refers_to_this_one_stops_the_delivery(target: PostgresqlTarget) -> None:
    filled(target)
    do(target, f"CREATE TABLE notes (id text REFERENCES {TABLE})")
    sink = target.sink()
    with pytest.raises(PermanentError, match="foreign key"):
        sink.open(amended(ID, NAME))
    sink.close()
    assert len(target.rows(a_view())) == 1


def test_a_rebuild_keeps_what_is_on_the_table(target: PostgresqlTarget) -> None:
    filled(target)
    do(target, f"CREATE INDEX by_amount ON {TABLE} (amount)", f"CREATE VIEW sums AS SELECT sum(amount) FROM {TABLE}")
    sink = target.sink()
    sink.open(a_view(topic_id="id-9"), rebuild=True)
    sink.close()
    assert target.rows(a_view()) == []
    assert "by_amount" in indexes(target)
