"""Python values of Avro as what databases hold: flat ones as they are, nested ones as JSON text."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from consumers.events import Change
from consumers.view import View
from schemas.errors import PermanentError
from schemas.text import Text

Convert = Callable[[Any], Any]


def json_text(value: Any) -> str:
    """JSON of a nested value: dates and times ISO 8601, decimals as strings, bytes in base64, NaN and infinities named."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def in_utc(value: dt.datetime) -> dt.datetime:
    """An instant with its zone. The codecs give instants without one, and mean UTC."""
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def key_of(view: View, change: Change) -> tuple[Any, ...]:
    """The change's key in the order of the view's key columns. PermanentError if a part of it is null or absent."""
    key = tuple(change.key.get(c.field) for c in view.key)
    if None in key:
        raise PermanentError(
            Text("the key of a view event is null.", "视图事件的主键为空。"),
            where=f"{view.origin.topic}[{change.place.partition}]@{change.place.offset}",
        )
    return key


def row_of(view: View, change: Change, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values of all columns of a change that is no delete: its key, then its released fields."""
    row = change.row or {}
    return (*key, *[row.get(c.field) for c in view.columns[len(key) :]])


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(type(value).__name__)
