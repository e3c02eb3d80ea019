"""SQL of the MySQL-compatible sink: tables by SQLAlchemy, so that types, quoting and comments are its care; data by hand."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Double, Index, Integer, MetaData, Numeric, Table, text
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeEngine

from consumers.view import Column as ViewColumn
from consumers.view import Kind, View

_TYPES: dict[Kind, TypeEngine[Any]] = {
    "text": mysql.LONGTEXT(),
    "int": Integer(),
    "long": BigInteger(),
    "double": Double(),
    "boolean": Boolean(),
    "date": Date(),
    "time": mysql.TIME(fsp=6),
    "timestamp": mysql.DATETIME(fsp=6),
    "local": mysql.DATETIME(fsp=6),
    "bytes": mysql.LONGBLOB(),
    "json": mysql.JSON(),
}
HASH = "_bus_key"
"""The primary key where a part of the view's key has no bounded length: SHA-256 of the whole key, 32 bytes."""
_UNBOUNDED = frozenset({"text", "bytes", "json", "double"})
_PREFIX = 191
"""Characters (or bytes) of an unbounded key column in the index for people's look-ups: four bytes each stay below 767."""
_MAX_DIGITS, _MAX_SCALE = 65, 30
_COMMENT = {"column": 1024, "table": 2048}

# a binary collation everywhere: A and a, é and e, full-width and half-width forms are different
_STORED: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def _always(name: str) -> quoted_name:
    """A name in quotes whatever it is: MariaDB and MySQL reserve other words than SQLAlchemy knows of."""
    return quoted_name(name, quote=True)


_metadata = MetaData()
_id = mysql.VARCHAR(255)
_topic_id = mysql.VARCHAR(64)
_views = Table(
    "_bus_views",
    _metadata,
    Column("grant_id", _id, primary_key=True),
    Column("table_name", _id, nullable=False),
    Column("topic", _id, nullable=False),
    Column("topic_id", _topic_id, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("ready", Boolean, nullable=False, comment="false while its table is being made anew"),
    comment="exchange-bus: the grants delivered into this database and the topics they come from",
    **_STORED,
)
_positions = Table(
    "_bus_positions",
    _metadata,
    Column("grant_id", _id, primary_key=True),
    Column(_always("partition"), Integer, primary_key=True, autoincrement=False),
    Column("topic_id", _topic_id, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    comment="exchange-bus: the offset to read next, moved in the transaction of the rows",
    **_STORED,
)
_rejections = Table(
    "_bus_rejections",
    _metadata,
    Column("grant_id", _id, primary_key=True),
    Column("topic_id", _topic_id, primary_key=True),
    Column(_always("partition"), Integer, primary_key=True, autoincrement=False),
    Column(_always("offset"), BigInteger, primary_key=True, autoincrement=False),
    Column("reason", _id, nullable=False),
    Column("at", mysql.TIMESTAMP(fsp=3), nullable=False, server_default=text("CURRENT_TIMESTAMP(3)")),
    comment="exchange-bus: events whose rows the database cannot hold, or that were passed over; a pointer and a reason, never content",
    **_STORED,
)
OWN_TABLES = (_views, _positions, _rejections)


def quoted(name: str) -> str:
    """An identifier, whatever it is called, in a statement that is given parameters."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def is_hashed(view: View) -> bool:
    """Whether the table's primary key is the hash of the view's."""
    return any(c.kind in _UNBOUNDED or _is_text(c) for c in view.key)


def as_text(column: ViewColumn) -> bool:
    """Whether a decimal has more digits than the database's own, so that it is kept as exact text."""
    return column.kind == "decimal" and _is_text(column)


def create(table: Table) -> str:
    """CREATE TABLE IF NOT EXISTS, with comments and indexes, for a driver that is given no parameters."""
    dialect = mysql.dialect()
    made = str(CreateTable(table, if_not_exists=True).compile(dialect=dialect))
    indexes = [
        f"INDEX `{index.name}` (" + ", ".join(f"`{c.name}`({_PREFIX})" for c in index.columns) + ")"
        for index in table.indexes
    ]
    head, body, tail = made.partition("\n)")
    return (head + "".join(f", \n\t{i}" for i in indexes) + body + tail).replace("%%", "%")


def table_of(view: View, name: str) -> Table:
    """The view's table under a name; only its key is NOT NULL, because masks may empty any field."""
    hashed = is_hashed(view)
    columns: list[Column[Any]] = [
        Column(
            _always(c.name),
            _type(c),
            primary_key=c.key and not hashed,
            nullable=not c.key,
            autoincrement=False,
            comment=_comment(c.title + " (UTC)" if c.kind == "timestamp" else c.title, "column") or None,
        )
        for c in view.columns
    ]
    if hashed:
        columns.insert(0, Column(HASH, mysql.BINARY(32), primary_key=True))
    table = Table(name, MetaData(), *columns, comment=_comment(view.title, "table"), **_STORED)
    for column in view.key:
        if hashed and (column.kind in ("text", "bytes") or _is_text(column)):
            Index(f"by_{hashlib.sha256(column.name.encode()).hexdigest()[:16]}", table.c[column.name])
    return table


def names_of(view: View) -> list[str]:
    """The table's columns in the order rows are written."""
    return [HASH] * is_hashed(view) + [c.name for c in view.columns]


def upsert(view: View) -> str:
    """Insert rows, or overwrite those with their keys."""
    names = names_of(view)
    key = {HASH} if is_hashed(view) else {c.name for c in view.key}
    rest = [n for n in names if n not in key] or names[:1]
    then = ", ".join(f"{quoted(n)} = VALUES({quoted(n)})" for n in rest)  # MariaDB knows no alias for the new row
    return (
        f"INSERT INTO {quoted(view.table)} ({', '.join(map(quoted, names))}) "
        f"VALUES ({', '.join(['%s'] * len(names))}) ON DUPLICATE KEY UPDATE {then}"
    )


def delete(view: View, keys: int) -> str:
    """Delete the rows with so many primary keys."""
    names = [HASH] if is_hashed(view) else [c.name for c in view.key]
    one = "(" + ", ".join(["%s"] * len(names)) + ")"
    return f"DELETE FROM {quoted(view.table)} WHERE ({', '.join(map(quoted, names))}) IN ({', '.join([one] * keys)})"


def beside(view: View, what: str) -> str:
    """The name of a table that stands beside the view's while that is made anew."""
    return f"_bus_{what}_{hashlib.sha256(view.grant.encode()).hexdigest()[:24]}"


def _type(column: ViewColumn) -> TypeEngine[Any]:
    if column.kind != "decimal":
        return _TYPES[column.kind]
    return mysql.LONGTEXT() if _is_text(column) else Numeric(column.precision, column.scale)


def _is_text(column: ViewColumn) -> bool:
    return column.kind == "decimal" and (column.precision > _MAX_DIGITS or column.scale > _MAX_SCALE)


def _comment(text: str, of: str) -> str:
    return " ".join(text.replace("\0", " ").split())[: _COMMENT[of]]
