"""SQL of the PostgreSQL sink: tables by SQLAlchemy, so that types, quoting and comments are its care; data by hand."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Time,
    func,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateTable, ExecutableDDLElement, SetColumnComment, SetTableComment
from sqlalchemy.types import TypeEngine

from consumers.view import Column as ViewColumn
from consumers.view import Kind, View

_TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": Text(),
    "int": Integer(),
    "long": BigInteger(),
    "double": Double(),
    "boolean": Boolean(),
    "date": Date(),
    "time": Time(),
    "timestamp": DateTime(timezone=True),
    "local": DateTime(),
    "bytes": LargeBinary(),
    "json": JSONB(),
}
STAGE = "_bus_stage"
DRAFT = "_bus_draft"
GONE = "_bus_gone"
"""Column of the staging table: the row is to be deleted. No field's name begins with `_`, but for `_key`."""

_metadata = MetaData()
_views = Table(
    "_bus_views",
    _metadata,
    Column("grant_id", Text, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("topic_id", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="exchange-bus: the grants delivered into this schema and the topics they come from",
)
_positions = Table(
    "_bus_positions",
    _metadata,
    Column("grant_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("topic_id", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="exchange-bus: the offset to read next, moved in the transaction of the rows",
)
_rejections = Table(
    "_bus_rejections",
    _metadata,
    Column("grant_id", Text, primary_key=True),
    Column("topic_id", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="exchange-bus: events whose rows PostgreSQL cannot hold; a pointer and a reason, never content",
)
OWN_TABLES = (_views, _positions, _rejections)


def statements(table: Table, schema: str, *, if_not_exists: bool = False) -> list[str]:
    """CREATE TABLE and its comments, for a schema."""
    there = table.to_metadata(MetaData(), schema=schema)
    made: list[ExecutableDDLElement] = [CreateTable(there, if_not_exists=if_not_exists), SetTableComment(there)]
    made += [SetColumnComment(c) for c in there.columns if c.comment]
    return [_compiled(m) for m in made]


def comments(table: Table, schema: str) -> list[str]:
    """The comments of a table that is there, for a schema; a column without a title has none any more."""
    there = table.to_metadata(MetaData(), schema=schema)
    return [_compiled(SetTableComment(there)), *(_compiled(SetColumnComment(c)) for c in there.columns)]


def draft(table: Table) -> str:
    """An empty temporary table of the same shape, to ask PostgreSQL how it writes the types."""
    columns = [Column(c.name, c.type, primary_key=c.primary_key, autoincrement=False) for c in table.columns]
    return _compiled(CreateTable(Table(DRAFT, MetaData(), *columns, prefixes=["TEMPORARY"])))


def _compiled(statement: ExecutableDDLElement) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    # the compiler writes literal % as %% for a driver that formats; ours is given no parameters and does not
    return str(statement.compile(dialect=dialect)).replace("%%", "%")


def table_of(view: View) -> Table:
    """The view's table; only its key is NOT NULL, because masks may empty any field."""
    columns: list[Column[Any]] = [
        Column(c.name, _type(c), primary_key=c.key, autoincrement=False, comment=_storable(c.title) or None)
        for c in view.columns
    ]
    return Table(view.table, MetaData(), *columns, comment=_storable(view.title))


def stage(table: sql.Identifier) -> sql.Composed:
    """A session's private copy of the table's shape, emptied by every commit."""
    return sql.SQL(
        "CREATE TEMP TABLE {stage} ON COMMIT DELETE ROWS AS SELECT t.*, false AS {gone} FROM {table} t WITH NO DATA"
    ).format(stage=sql.Identifier(STAGE), gone=sql.Identifier(GONE), table=table)


def copy(view: View, *, csv: bool = False) -> sql.Composed:
    """Load the staging table."""
    names = [sql.Identifier(c.name) for c in view.columns] + [sql.Identifier(GONE)]
    form = sql.SQL(" (FORMAT csv)" if csv else "")
    return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(STAGE), sql.SQL(", ").join(names)) + form


def merge(view: View, table: sql.Identifier) -> sql.Composed:
    """Staged rows into the table."""
    names = sql.SQL(", ").join(sql.Identifier(c.name) for c in view.columns)
    key = sql.SQL(", ").join(sql.Identifier(c.name) for c in view.key)
    rest = [sql.Identifier(c.name) for c in view.columns if not c.key]
    then: sql.Composable = sql.SQL("NOTHING")
    if rest:
        then = sql.SQL("UPDATE SET ") + sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(n) for n in rest)
    return sql.SQL(
        "INSERT INTO {table} ({names}) SELECT {names} FROM {stage} WHERE NOT {gone} ON CONFLICT ({key}) DO {then}"
    ).format(table=table, names=names, stage=sql.Identifier(STAGE), gone=sql.Identifier(GONE), key=key, then=then)


def purge(view: View, table: sql.Identifier) -> sql.Composed:
    """Rows whose keys are staged as gone."""
    same = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(c.name)) for c in view.key)
    return sql.SQL("DELETE FROM {table} t USING {stage} s WHERE s.{gone} AND {same}").format(
        table=table, stage=sql.Identifier(STAGE), gone=sql.Identifier(GONE), same=same
    )


def _type(column: ViewColumn) -> TypeEngine[Any]:
    if column.kind == "decimal":
        return Numeric(column.precision, column.scale)
    return _TYPES[column.kind]


def _storable(text: str) -> str:
    return text.replace("\0", " ")
