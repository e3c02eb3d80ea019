"""The catalogue of conversions: small functions from a text to a value, for the dirt of real exports.

Each is made from its arguments once and then called per distinct value. A value it cannot convert raises Unconvertible
with a reason of one word; the value itself is never in the error.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.clock import SHANGHAI

Conversion = Callable[[Any], Any]


class Unconvertible(Exception):
    """A value a conversion cannot take; `reason` is one lower-case word with underscores."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_HALF = {0x3000: 0x20} | {n: n - 0xFEE0 for n in range(0xFF01, 0xFF5F)}
_HALF_ALNUM = {n: n - 0xFEE0 for n in range(0xFF01, 0xFF5F) if chr(n - 0xFEE0).isalnum()}
_DATE = re.compile(
    r"([0-9]{4})(?:-|/|\.|年)([0-9]{1,2})(?:-|/|\.|月)([0-9]{1,2})日?\Z|([0-9]{4})([0-9]{2})([0-9]{2})\Z"
)
_MONEY = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?) *\(? *([^0-9()\s]*) *\)?\Z")
_NUMBER = re.compile(r"[+-]?[0-9][0-9,]*(?:\.[0-9]+)?\Z")
_MAX_NUMBER = 100
"""Characters of a number; turning thousands of digits into one takes longer than a file is worth."""
_UNITS = {"": 1, "元": 1, "万": 10_000, "万元": 10_000, "亿": 10**8, "亿元": 10**8}
_CURRENCY = ("人民币", "元")
_TRUE = frozenset({"是", "有", "1", "true", "TRUE", "True", "Y", "y", "T"})
_FALSE = frozenset({"否", "无", "0", "false", "FALSE", "False", "N", "n", "F"})


def _halved(text: str) -> str:
    return text if text.isascii() else text.translate(_HALF)


def trim() -> Conversion:
    """Take away blanks around the text (full-width ones, tabs and line ends too)."""
    return lambda text: text.strip()


def half_width() -> Conversion:
    """Full-width characters (digits, letters, punctuation, blanks) to half-width."""
    return _halved


def half_width_alnum() -> Conversion:
    """Full-width digits and letters to half-width; Chinese punctuation stays as it is."""
    return lambda text: text.translate(_HALF_ALNUM)


def upper() -> Conversion:
    """Latin letters to upper case (the `x` of an identity number)."""
    return lambda text: text.upper()


def find(words: list[str]) -> Conversion:
    """The one of `words` that stands earliest in the text; none: not_found."""
    if not isinstance(words, list) or not words or not all(isinstance(w, str) and w for w in words):
        raise TypeError("words")

    def convert(text: str) -> str:
        places = [(text.find(w), w) for w in words]
        found = [p for p in places if p[0] >= 0]
        if not found:
            raise Unconvertible("not_found")
        return min(found)[1]

    return convert


def lookup(table: dict[str, Any]) -> Conversion:
    """The value the table has for the text; none: not_in_table."""
    if not isinstance(table, dict):
        raise TypeError("table")
    known = {str(k): v for k, v in table.items()}

    def convert(text: str) -> Any:
        if text not in known:
            raise Unconvertible("not_in_table")
        return known[text]

    return convert


def split(by: str, part: int) -> Conversion:
    """Part number `part` (from 0) of the text split at `by`; none: not_found."""

    def convert(text: str) -> str:
        parts = text.split(by)
        if not 0 <= part < len(parts):
            raise Unconvertible("not_found")
        return parts[part]

    return convert


def date() -> Conversion:
    """2003-02-08, 2003/2/8, 2003.2.8, 2003年2月8日 or 20030208, possibly with a time behind a blank or T."""

    def convert(text: str) -> dt.date:
        match = _DATE.match(re.split("[ T]", text, maxsplit=1)[0])
        if match is None:
            raise Unconvertible("not_a_date")
        try:
            return dt.date(*(int(g) for g in match.groups() if g is not None))
        except ValueError:
            raise Unconvertible("not_a_date") from None

    return convert


def timestamp() -> Conversion:
    """An ISO date and time; without a zone it is Asia/Shanghai."""

    def convert(text: str) -> dt.datetime:
        try:
            found = dt.datetime.fromisoformat(text.replace("/", "-"))
        except ValueError:
            raise Unconvertible("not_a_time") from None
        return found if found.tzinfo else found.replace(tzinfo=SHANGHAI)

    return convert


def integer() -> Conversion:
    """A whole number, thousands separators allowed."""

    def convert(text: str) -> int:
        if len(text) > _MAX_NUMBER or not _NUMBER.match(text) or "." in text:
            raise Unconvertible("not_a_whole_number")
        return _whole(Decimal(text.replace(",", "")))

    return convert


def decimal() -> Conversion:
    """A decimal number, thousands separators allowed."""

    def convert(text: str) -> Decimal:
        if len(text) > _MAX_NUMBER or not _NUMBER.match(text):
            raise Unconvertible("not_a_number")
        return Decimal(text.replace(",", ""))

    return convert


def number() -> Conversion:
    """A number for fields of type float and double, thousands separators allowed."""
    exact = decimal()
    return lambda text: float(exact(text))


def boolean() -> Conversion:
    """是/否, 有/无, 1/0, true/false, Y/N, T/F."""

    def convert(text: str) -> bool:
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise Unconvertible("not_a_boolean")

    return convert


def money_cents(unit: str = "元") -> Conversion:
    """An amount of renminbi in cents (分): `18,089.4432(万元)`, `148万人民币`, `500（元）`; `unit` where none is written.

    Another currency is foreign_currency: the bus guesses no rate. Fractions of a cent are not_an_amount.
    """
    if unit not in _UNITS:
        raise TypeError("unit")

    def convert(text: str) -> int:
        match = _MONEY.match(_halved(text).strip())
        if match is None or len(text) > _MAX_NUMBER:
            raise Unconvertible("not_an_amount")
        factor = _UNITS[unit] if not match[2] else _renminbi(match[2])
        return _whole(Decimal(match[1].replace(",", "")) * factor * 100)

    return convert


def _renminbi(unit: str) -> int:
    plain = unit
    for word in _CURRENCY:
        plain = plain.replace(word, "")
    factor = _UNITS.get(plain)
    if factor is None:
        raise Unconvertible("foreign_currency")
    return factor


def _whole(amount: Decimal) -> int:
    try:
        found = int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        raise Unconvertible("not_an_amount") from None
    if found != amount:
        raise Unconvertible("not_an_amount")
    return found


CONVERSIONS: Mapping[str, Callable[..., Conversion]] = {
    "trim": trim,
    "half_width": half_width,
    "half_width_alnum": half_width_alnum,
    "upper": upper,
    "find": find,
    "lookup": lookup,
    "split": split,
    "date": date,
    "timestamp": timestamp,
    "integer": integer,
    "decimal": decimal,
    "number": number,
    "boolean": boolean,
    "money_cents": money_cents,
}
"""Every conversion by the name mappings use."""
