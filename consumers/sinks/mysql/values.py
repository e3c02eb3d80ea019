"""Values as a MySQL-compatible database stores them, and the ones it has no place for."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from typing import Any

from consumers.sinks.mysql import ddl
from consumers.values import Convert, in_utc, json_text
from consumers.view import Column, Kind, View

NOT_FINITE = "number-not-finite"
"""There is no NaN and no infinity in MySQL. Another number would be one that nobody sent; so the row is withheld, any
earlier row under its key is deleted because it is no longer true, and a pointer to the event is kept."""


class Unstorable(Exception):
    """A value the database has no place for."""


def convert_of(column: Column) -> Convert | None:
    """How a value of this column is handed to the driver; None: as it is."""
    return str if ddl.as_text(column) else _CONVERT.get(column.kind)


def key_hash(key: tuple[Any, ...]) -> bytes:
    """The key's hash: the same for equal keys, and for no others."""
    return hashlib.sha256(json_text(list(key)).encode()).digest()


def primary_key(view: View, key: tuple[Any, ...], stored: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of the table's primary key: the hash of the key as it came, or its parts as they are stored."""
    return (key_hash(key),) if ddl.is_hashed(view) else stored


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise Unstorable
    return number


def _utc(value: dt.datetime) -> dt.datetime:
    return in_utc(value).replace(tzinfo=None)


_CONVERT: dict[Kind, Convert] = {"text": str, "json": json_text, "timestamp": _utc, "double": _finite}
