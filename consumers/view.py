"""A grant's view as a table: which topic it comes from, its columns, and what they are called for people."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from consumers.naming import column_names, table_name
from schemas.avro_types import AvroType, logical, primitive, without_null
from schemas.desk import ViewShown
from schemas.policy_state import GrantInForce
from schemas.view_event import HASHED_KEY

Kind = Literal[
    "text", "int", "long", "double", "boolean", "date", "time", "timestamp", "local", "decimal", "bytes", "json"
]
"""What a column holds. Everything nested, and every union of several types, is JSON."""

_LOGICAL: dict[str, Kind] = {
    "date": "date",
    "time-millis": "time",
    "time-micros": "time",
    "timestamp-millis": "timestamp",
    "timestamp-micros": "timestamp",
    "local-timestamp-millis": "local",
    "local-timestamp-micros": "local",
    "decimal": "decimal",
    "uuid": "text",
}
_PRIMITIVE: dict[str, Kind] = {
    "string": "text",
    "enum": "text",
    "int": "int",
    "long": "long",
    "float": "double",
    "double": "double",
    "boolean": "boolean",
    "bytes": "bytes",
    "fixed": "bytes",
    "null": "text",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the field it comes from, what it holds, and its title for people."""

    name: str
    field: str
    kind: Kind
    key: bool
    title: str = ""
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """The one topic a table's rows come from. A topic made anew under the same name has another id."""

    topic: str
    topic_id: str
    generation: int
    partitions: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms the rows are held. `destroy_by` is known once the grant has ended."""

    purpose: str
    basis: str
    valid_from: dt.date
    valid_until: dt.date
    destroy_by: dt.date | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A grant's view: what a sink needs to hold it. `columns` are the key's, then the released fields."""

    grant: str
    origin: Origin
    table: str
    title: str
    columns: tuple[Column, ...]
    terms: Terms | None = None

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns of the primary key."""
        return tuple(c for c in self.columns if c.key)


def view_of(grant: GrantInForce, shown: ViewShown, origin: Origin) -> View:
    """The view of a grant, with the titles that are known."""
    members = {f["name"]: f["type"] for f in shown.view_schema["fields"]}
    key = members["key"]["fields"]
    names = {f["name"] for f in key}
    rest = [f for f in _row(members) if f["name"] not in names]
    titles = {HASHED_KEY: "记录标识 / token of the record", **shown.titles}
    columns = column_names(f["name"] for f in (*key, *rest))
    return View(
        grant=grant.grant.id,
        origin=origin,
        table=table_name(grant.grant.id),
        title=f"{shown.title or grant.grant.resource} ({grant.grant.id}: {grant.grant.purpose})",
        columns=tuple(
            _column(columns[f["name"]], f, key=f["name"] in names, title=titles.get(f["name"], ""))
            for f in (*key, *rest)
        ),
        terms=Terms(
            grant.grant.purpose,
            grant.grant.basis,
            grant.grant.valid.from_,
            grant.grant.valid.until,
            grant.destroy_by,
        ),
    )


def kind_of(avro: AvroType) -> Kind:
    """What a column of this Avro type holds."""
    plain = without_null(avro)
    if isinstance(plain, list):
        return "json"
    named = _LOGICAL.get(logical(plain) or "")
    return named or _PRIMITIVE.get(primitive(plain), "json")


def _row(members: dict[str, Any]) -> list[dict[str, Any]]:
    """The released fields: `before` carries the row's definition where it is released, else `after` does."""
    row = without_null(members.get("before", members["after"]))
    assert isinstance(row, dict)
    return list(row["fields"])


def _column(name: str, field: dict[str, Any], *, key: bool, title: str) -> Column:
    avro = without_null(field["type"])
    kind = kind_of(avro)
    sizes = avro if kind == "decimal" and isinstance(avro, dict) else {}
    return Column(name, field["name"], kind, key, title, int(sizes.get("precision", 0)), int(sizes.get("scale", 0)))
