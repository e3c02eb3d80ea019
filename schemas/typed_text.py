"""A scalar value as one text that says what it is, and back: `long:42`, `date:2026-11-24`, `string:贵阳`.

string           the text itself             date             2026-11-24
long             decimal digits              time             08:30:00.000000
double           shortest, nan, inf, -inf    timestamp        2026-11-24T00:30:00.000000Z: an instant in UTC
boolean          true, false                 local-timestamp  2026-11-24T08:30:00.000000: what a wall clock shows
bytes            base64                      decimal          12.30, with the scale it had
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from schemas.avro_types import AvroType, logical, primitive
from schemas.codec.arrow_types import decimal_of

Kind = Literal[
    "string", "long", "double", "boolean", "bytes", "date", "time", "timestamp", "local-timestamp", "decimal"
]

_PRIMITIVE: dict[str, Kind] = {
    "string": "string",
    "enum": "string",
    "int": "long",
    "long": "long",
    "float": "double",
    "double": "double",
    "boolean": "boolean",
    "bytes": "bytes",
    "fixed": "bytes",
}
_LOGICAL: dict[tuple[str, str], Kind] = {
    ("int", "date"): "date",
    ("int", "time-millis"): "time",
    ("long", "time-micros"): "time",
    ("long", "timestamp-millis"): "timestamp",
    ("long", "timestamp-micros"): "timestamp",
    ("long", "local-timestamp-millis"): "local-timestamp",
    ("long", "local-timestamp-micros"): "local-timestamp",
}


def kind_of(avro: AvroType) -> Kind | None:
    """What values of a (non-null) Avro type are; None if they are no scalars."""
    if decimal_of(avro):
        return "decimal"
    kind = primitive(avro)
    return _LOGICAL.get((kind, logical(avro) or ""), _PRIMITIVE.get(kind))


def typed_text(value: Any, kind: Kind) -> str:
    """The text of a value, as the codecs give values: instants are datetimes without zone, in UTC."""
    return f"{kind}:{_WRITE[kind](value)}"


def typed_texts(values: Iterable[Any], kind: Kind) -> list[str]:
    """`typed_text` of each value."""
    write = _WRITE[kind]
    return [f"{kind}:{write(value)}" for value in values]


def typed_value(text: str) -> Any:
    """The value of a text `typed_text` wrote. ValueError if it is none."""
    kind, colon, body = text.partition(":")
    if not colon or kind not in _READ:
        raise ValueError("no typed text")
    return _READ[kind](body)


_WRITE: dict[str, Callable[[Any], str]] = {
    "string": str,
    "long": str,
    "double": lambda v: pa.scalar(v, pa.float64()).cast(pa.string()).as_py(),
    "boolean": lambda v: "true" if v else "false",
    "bytes": lambda v: base64.b64encode(v).decode(),
    "date": dt.date.isoformat,
    "time": lambda v: v.isoformat("microseconds"),
    "timestamp": lambda v: f"{v.isoformat(timespec='microseconds')}Z",
    "local-timestamp": lambda v: v.isoformat(timespec="microseconds"),
    "decimal": lambda v: format(v, "f"),
}
_READ: dict[str, Callable[[str], Any]] = {
    "string": str,
    "long": int,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
    "bytes": lambda body: base64.b64decode(body, validate=True),
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timestamp": lambda body: dt.datetime.fromisoformat(body).replace(tzinfo=None),
    "local-timestamp": dt.datetime.fromisoformat,
    "decimal": Decimal,
}
