"""Values of the SQLite file as cells: numbers, dates and times typed where Excel keeps them exactly, else text."""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from consumers.view import Column, Kind

Cell = str | float | int | bool | dt.datetime | dt.date | dt.time | None

MOST_CHARACTERS = 32_767
"""UTF-16 units of a cell."""
CUT = "…(已截断/cut)"
_CIVIL = ZoneInfo("Asia/Shanghai")
_EXACT_DIGITS = 15
"""Decimal digits a number of Excel keeps."""
_FIRST_DAY = dt.date(1900, 3, 1)
"""Before it Excel counts a day that never was, or knows no dates."""
_ACTING = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SPACES = " \u00a0\u3000"
"""Some programs skip them when they read CSV."""
_ONLY_SIGNED = re.compile(r"[+-]?[0-9 ().-]*")
"""Telephone numbers and the like: nothing that acts, and nobody's number should begin with an apostrophe."""


def harmless(text: str) -> str:
    """`text`, with `'` before it if a spreadsheet might take it for a formula once it went through CSV."""
    acts = text.lstrip(_SPACES).startswith(_ACTING) and not _ONLY_SIGNED.fullmatch(text)
    return "'" + text if acts else text


def cell_of(column: Column, value: Any) -> Cell:
    """What a stored value looks like to people. Keys are identifiers and stay text, whatever digits they have."""
    if value is None:
        return None
    if column.key and column.kind in ("int", "long"):
        return str(value)
    return _CELLS[column.kind](value)


def _whole(value: int) -> Cell:
    return value if abs(value) < 10**_EXACT_DIGITS else str(value)


def _double(value: float) -> Cell:
    return value if math.isfinite(value) else str(value)


def _bytes(value: bytes) -> Cell:
    return _fitting(base64.b64encode(value).decode("ascii"))


def _text(value: Any) -> Cell:
    return _fitting(harmless(str(value)))


def _number(text: str) -> Cell:
    digits = Decimal(text).as_tuple().digits
    return float(text) if len(digits) <= _EXACT_DIGITS else text


def _civil(text: str) -> Cell:
    try:
        local = dt.datetime.fromisoformat(text).astimezone(_CIVIL).replace(tzinfo=None)
    except OverflowError:
        return text
    return _dated(local, local.isoformat(sep=" "))


def _dated(value: dt.date, text: str) -> Cell:
    day = value.date() if isinstance(value, dt.datetime) else value
    return value if day >= _FIRST_DAY else text


def _fitting(text: str) -> str:
    """Cut, and marked as cut, where a cell cannot hold it: XlsxWriter would leave it out without a word."""
    if len(text) <= MOST_CHARACTERS // 2 or len(text.encode("utf-16-le", "surrogatepass")) // 2 <= MOST_CHARACTERS:
        return text
    room = (MOST_CHARACTERS - len(CUT)) * 2
    return text.encode("utf-16-le", "surrogatepass")[:room].decode("utf-16-le", "ignore") + CUT


_CELLS: Mapping[Kind, Callable[[Any], Cell]] = {
    "text": _text,
    "json": _text,
    "int": _whole,
    "long": _whole,
    "double": _double,
    "boolean": bool,
    "decimal": _number,
    "date": lambda text: _dated(dt.date.fromisoformat(text), text),
    "time": dt.time.fromisoformat,
    "timestamp": _civil,
    "local": lambda text: _dated(dt.datetime.fromisoformat(text), text),
    "bytes": _bytes,
}
"""From what the SQLite sink stores."""
