"""Names of tables and columns from ids and field names: readable, at most 63 bytes, and never two for one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from schemas.ids import check_id

MAX_NAME = 63
"""Bytes PostgreSQL keeps of a name; it drops the rest without a word."""

_WORDS = str.maketrans({".": "__", "-": "___"})
_CUT = "____"
"""Four in a row never come from an id, because two separators never stand side by side."""

_TAKEN = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
"""Columns every PostgreSQL table has already."""


def table_name(grant: str) -> str:
    """The table of a grant: its id with `.` as `__` and `-` as `___`; cut with a hash where that is too long.

    Names that begin with a digit or are SQLite's own get a `_` in front, which no id begins with; the bus's own tables
    begin with `_bus_`.
    """
    name = check_id(grant).translate(_WORDS)
    if name[0].isdigit() or name.startswith("sqlite_"):
        name = "_" + name
    return name if len(name) <= MAX_NAME else _cut(name, 16)


def column_names(fields: Iterable[str]) -> dict[str, str]:
    """Column of each field, in order. SQLite ignores case and PostgreSQL has names of its own, so some get a hash."""
    out: dict[str, str] = {}
    used: set[str] = set()
    for field in fields:
        clash = field.lower() in used or field.lower() in _TAKEN or len(field) > MAX_NAME
        out[field] = _cut(field, 16) if clash else field
        used.add(out[field].lower())
    return out


def _cut(name: str, digits: int) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:digits]
    return name[: MAX_NAME - digits - len(_CUT)].rstrip("_") + _CUT + digest
