"""A later generation's table: emptied and altered, so that privileges, indexes and SQL views on what stays stay too.

The new generation fills the table from a snapshot, so nothing in it need be kept, and no value is ever cast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Table

from consumers.sinks.postgresql import ddl
from consumers.view import View
from schemas.errors import PermanentError
from schemas.text import Text

Db = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's columns, as PostgreSQL writes their types, and its primary key."""

    columns: dict[str, str]
    key: tuple[str, ...]
    key_name: str | None


def exists(db: Db, schema: str, table: str) -> bool:
    """Whether there is a table, and not a SQL view or index, of this name."""
    found = db.execute(
        "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')",
        [schema, table],
    )
    return found.fetchone() is not None


def evolve(db: Db, schema: str, view: View) -> None:
    """Empty the view's table and give it the view's shape, inside the caller's transaction.

    A column that no longer exists is dropped, one of another type is altered, or dropped and added where its indexes do not
    fit the new type. PermanentError where a SQL view needs such a column, or another table refers to this one.
    """
    name, wanted_table = sql.Identifier(schema, view.table), ddl.table_of(view)
    _empty(db, name, view)
    held, wanted = _shape(db, name), _wanted(db, wanted_table)
    gone = [c for c in held.columns if c not in wanted.columns]
    retyped = [c for c, kind in wanted.columns.items() if held.columns.get(c, kind) != kind]
    for column in (*gone, *retyped):
        _check_unused(db, name, view, column)
    new_key = held.key != wanted.key
    if new_key and held.key_name is not None:
        _alter(db, name, sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(held.key_name)))
    for column in gone:
        _alter(db, name, sql.SQL("DROP COLUMN {}").format(sql.Identifier(column)))
    for column in retyped:
        _retype(db, name, column, wanted.columns[column])
    for column in wanted.columns:
        if column not in held.columns:
            _add(db, name, column, wanted.columns[column])
    if new_key:
        _replace_key(db, name, wanted, set(held.key) & set(wanted.columns))
    for statement in ddl.comments(wanted_table, schema):
        db.execute(statement.encode())


def _empty(db: Db, name: sql.Identifier, view: View) -> None:
    try:
        db.execute(sql.SQL("TRUNCATE {}").format(name))
    except psycopg.errors.FeatureNotSupported:
        raise PermanentError(
            Text(
                "another table refers to this one by a foreign key, so it cannot be emptied for the grant's new generation.",
                "另有数据表以外键引用此表, 无法为该授权的新一代清空。",
            ),
            where=view.table,
            hint=Text("Drop that foreign key, then deliver again.", "请先删除该外键, 再重新投递。"),
        ) from None


def _shape(db: Db, name: sql.Identifier) -> Shape:
    place = [name.as_string(db)]
    columns = db.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        place,
    ).fetchall()
    key = db.execute(
        "SELECT c.conname, array_agg(a.attname::text ORDER BY k.place) FROM pg_constraint c "
        "CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY k(attnum, place) "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum "
        "WHERE c.conrelid = %s::regclass AND c.contype = 'p' GROUP BY c.conname",
        place,
    ).fetchone()
    return Shape(dict(columns), tuple(key[1]) if key else (), key[0] if key else None)


def _wanted(db: Db, table: Table) -> Shape:
    """The shape a new table would have: PostgreSQL is asked, because it alone writes types the way it does."""
    db.execute(ddl.draft(table).encode())
    shape = _shape(db, sql.Identifier("pg_temp", ddl.DRAFT))
    db.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier("pg_temp", ddl.DRAFT)))
    return shape


def _check_unused(db: Db, name: sql.Identifier, view: View, column: str) -> None:
    found = db.execute(
        "SELECT DISTINCT r.ev_class::regclass::text FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid "
        "JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
        "WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass "
        "AND d.refobjid = %s::regclass AND a.attname = %s ORDER BY 1",
        [name.as_string(db), column],
    ).fetchall()
    if not found:
        return
    views = ", ".join(str(row[0]) for row in found)
    raise PermanentError(
        Text(
            f"the grant's new generation drops or retypes a column that SQL views need: {views}.",
            f"该授权的新一代将删除此列或改变其类型, 而下列 SQL 视图依赖此列: {views}。",
        ),
        where=f"{view.table}.{column}",
        hint=Text("Drop these views, deliver again, then make them anew.", "请先删除这些视图, 重新投递后再重建。"),
    )


def _retype(db: Db, name: sql.Identifier, column: str, kind: str) -> None:
    """The table is empty, so no value needs a cast; but an index on the column may not fit the new type."""
    one = sql.Identifier(column)
    try:
        with db.transaction():
            _alter(db, name, sql.SQL("ALTER COLUMN {0} DROP DEFAULT").format(one))
            _alter(db, name, sql.SQL("ALTER COLUMN {0} TYPE {1} USING NULL::{1}").format(one, sql.SQL(kind)))
    except (psycopg.ProgrammingError, psycopg.NotSupportedError):
        _alter(db, name, sql.SQL("DROP COLUMN {}").format(one))
        _add(db, name, column, kind)


def _add(db: Db, name: sql.Identifier, column: str, kind: str) -> None:
    _alter(db, name, sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(column), sql.SQL(kind)))


def _replace_key(db: Db, name: sql.Identifier, wanted: Shape, former: set[str]) -> None:
    for column in sorted(former - set(wanted.key)):  # masks may empty whatever is no key
        _alter(db, name, sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(sql.Identifier(column)))
    key = sql.SQL(", ").join(sql.Identifier(c) for c in wanted.key)
    _alter(db, name, sql.SQL("ADD PRIMARY KEY ({})").format(key))


def _alter(db: Db, name: sql.Identifier, what: sql.Composable) -> None:
    db.execute(sql.SQL("ALTER TABLE {} ").format(name) + what)
