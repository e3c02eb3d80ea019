"""What a filter may compare: the kind of a field, and the literals of each kind, read exactly."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Context, Decimal
from typing import Any

from sqlglot import exp

from schemas.avro_types import AvroType, logical, primitive
from schemas.clock import SHANGHAI
from schemas.codec.arrow_types import decimal_of
from stream_apps.policy.where.tree import Kind, Value

EXAMPLE: dict[Kind, str] = {
    "string": "'text'",
    "integer": "123",
    "decimal": "123.45",
    "number": "1.5",
    "boolean": "TRUE",
    "date": "DATE '2026-01-31'",
    "timestamp": "TIMESTAMP '2026-01-31 08:00:00'",
}
"""How a literal of each kind is written."""

NUMBERS = frozenset[Kind]({"integer", "decimal", "number"})
"""Kinds that are compared with any number."""

_NUMBER = re.compile(r"(?=\.?[0-9])[0-9]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?\Z")
_MAX_DIGITS = 80
"""Of a number; a column holds at most 76."""
_CONTEXT = Context(prec=_MAX_DIGITS)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{3}|\.[0-9]{6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
_INSTANT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[ T]{_CLOCK})?\Z")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_KINDS: dict[str, Kind] = {
    "string": "string",
    "enum": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
}


def kind_of(avro: AvroType) -> Kind | None:
    """The kind of a (non-null) type; None if it cannot be compared."""
    lt = logical(avro)
    if lt == "date":
        return "date"
    if lt in ("timestamp-millis", "timestamp-micros"):
        return "timestamp"
    if decimal_of(avro):
        return "decimal"
    return _KINDS.get(primitive(avro)) if lt in (None, "uuid") else None


def literal(node: Any) -> tuple[Kind, Value] | None:
    """Kind and value of a literal as sqlglot has it; a number is a Decimal of kind "decimal". None if it is none."""
    if isinstance(node, exp.Boolean):
        return "boolean", bool(node.this)
    if isinstance(node, exp.Neg):
        inner = literal(node.this)
        return ("decimal", inner[1].copy_negate()) if inner and isinstance(inner[1], Decimal) else None
    if isinstance(node, exp.Literal):
        return ("string", str(node.this)) if node.is_string else _number(str(node.this))
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
        return _time(node.to.this, str(node.this.this))
    return None


def as_kind(value: Decimal, kind: Kind) -> Value | None:
    """A number as literals of `kind` are held (see `tree.Value`); None if a float cannot tell it from its neighbours."""
    whole = value == value.to_integral_value() if value.adjusted() < _MAX_DIGITS else True
    if kind != "number":
        return int(value) if whole else value.normalize(_CONTEXT)
    near = float(value)
    if not math.isfinite(near) or (near == 0.0 and value):
        return None
    exponent = value.as_tuple().exponent
    written_out = whole and isinstance(exponent, int) and exponent <= 0
    return None if written_out and int(near) != int(value) else near or 0.0  # never -0.0


def _number(text: str) -> tuple[Kind, Value] | None:
    digits = sum(map(str.isdigit, text))
    return ("decimal", Decimal(text)) if digits <= _MAX_DIGITS and _NUMBER.match(text) else None


def _time(to: Any, text: str) -> tuple[Kind, Value] | None:
    try:
        if to == exp.DataType.Type.DATE and _DATE.match(text):
            return "date", dt.date.fromisoformat(text)
        if to == exp.DataType.Type.TIMESTAMP and _INSTANT.match(text):
            local = dt.datetime.fromisoformat(text)
            local = local if local.tzinfo else local.replace(tzinfo=SHANGHAI)
            if local.microsecond % 1000:
                return None  # judged in milliseconds; a finer literal would have to be rounded
            return "timestamp", (local - _EPOCH) // dt.timedelta(milliseconds=1)
    except ValueError:
        return None
    return None
