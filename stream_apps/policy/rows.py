"""Rows as people write them in JSON -> rows as Arrow takes them, by the contract. For previews."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import sys
from typing import Any, NamedTuple

from schemas.avro_types import AvroType, branches, logical, primitive
from schemas.clock import SHANGHAI
from schemas.contract import Contract
from schemas.text import Text

_LIMITS = {"int": 1 << 31, "long": 1 << 63}
_MAX_FLOAT = sys.float_info.max


class InvalidRowError(ValueError):
    """A value is not what the contract says; the message names the field and the type, never the value.

    `str()` is the English one, which `bus preview --json` promises.
    """

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.text = Text(en, zh)


class Branch(NamedTuple):
    """A value of a union of several types, and the place of its type in the union."""

    place: int
    value: Any


def typed_row(contract: Contract, row: dict[str, Any]) -> dict[str, Any]:
    """The row with every field of the contract and nothing else. InvalidRowError names the first wrong field."""
    return {f.name: _field(row, f.name, f.type, f.has_default, f.default) for f in contract.fields}


def _field(row: dict[str, Any], name: str, avro: AvroType, has_default: bool, default: Any) -> Any:
    if name in row:
        return _value(row[name], avro, name)
    if has_default:
        return _value(default, avro, name)
    if "null" in branches(avro):
        return None
    raise InvalidRowError(f"field {name}: missing", f"字段 {name}: 缺失")


def _value(value: Any, avro: AvroType, path: str) -> Any:
    if isinstance(avro, list):
        return _branch(value, avro, path)
    kind, lt = primitive(avro), logical(avro)
    if isinstance(avro, dict):
        if kind == "record" and isinstance(value, dict):
            members = avro["fields"]
            return {f["name"]: _field(value, f["name"], f["type"], "default" in f, f.get("default")) for f in members}
        if kind == "array" and isinstance(value, list):
            return [_value(v, avro["items"], f"{path}[]") for v in value]
        if kind == "map" and isinstance(value, dict):
            return {k: _value(v, avro["values"], f"{path}[]") for k, v in value.items()}
        if kind == "enum" and value in avro["symbols"]:
            return value
    return _logical(value, lt, avro, path) if lt else _plain(value, kind, path)


def _branch(value: Any, union: list[Any], path: str) -> Any:
    """The value as the first branch of the union that takes it; with its place, if several could."""
    if value is None and "null" in union:
        return None
    for place, branch in enumerate(union):
        if branch != "null":
            try:
                found = _value(value, branch, path)
            except InvalidRowError:
                continue
            return found if len(union) == 2 and "null" in union else Branch(place, found)
    raise _expected(path, " or ".join(logical(b) or primitive(b) for b in union if b != "null"))


def _plain(value: Any, kind: str, path: str) -> Any:
    if (kind == "string" and isinstance(value, str)) or (kind == "null" and value is None):
        return value
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind in _LIMITS and _is_whole(value) and -_LIMITS[kind] <= value < _LIMITS[kind]:
        return value
    if kind in ("float", "double") and _is_number(value):
        return float(value)
    if kind in ("bytes", "fixed") and isinstance(value, str):
        return _bytes(value, path)
    raise _expected(path, kind)


def _is_number(value: Any) -> bool:
    """Whether a float can hold it: any float, and a whole number that is not too large to become one."""
    return isinstance(value, float) or (_is_whole(value) and abs(value) <= _MAX_FLOAT)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _logical(value: Any, lt: str, avro: AvroType, path: str) -> Any:
    try:
        if lt == "date":
            return _date(value)
        if lt in ("timestamp-millis", "timestamp-micros"):
            return _instant(value, lt)
        if lt.startswith("local-timestamp") and isinstance(value, str):
            return dt.datetime.fromisoformat(value)
        if lt.startswith("time-") and isinstance(value, str):
            return dt.time.fromisoformat(value)
        if lt == "decimal" and isinstance(value, (str, int)):
            return decimal.Decimal(value)
    except (ValueError, ArithmeticError):
        raise _expected(path, lt) from None
    if lt in ("uuid",) or lt not in _LOGICAL:
        return _plain(value, primitive(avro), path)
    raise _expected(path, lt)


_INSTANTS = ("timestamp-millis", "timestamp-micros")
_LOCAL = ("local-timestamp-millis", "local-timestamp-micros")
_TIMES = ("time-millis", "time-micros")
_LOGICAL = frozenset(["date", *_INSTANTS, *_LOCAL, *_TIMES, "decimal"])


def _date(value: Any) -> dt.date:
    if isinstance(value, int) and not isinstance(value, bool):
        return dt.date(1970, 1, 1) + dt.timedelta(days=value)
    if isinstance(value, str):
        return dt.date.fromisoformat(value)
    raise ValueError


def _instant(value: Any, lt: str) -> dt.datetime:
    """Without zone, in UTC. Text without a zone is civil time in Asia/Shanghai."""
    if isinstance(value, int) and not isinstance(value, bool):
        unit = {"timestamp-millis": 1000, "timestamp-micros": 1}[lt]
        return dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=value * unit)  # noqa: DTZ001 - Arrow's instants are naive
    if isinstance(value, str):
        moment = dt.datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)
        return moment.astimezone(dt.UTC).replace(tzinfo=None)
    raise ValueError


def _bytes(value: str, path: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:  # what is not ASCII is no `binascii.Error`
        raise _expected(path, "base64") from None


def _expected(path: str, kind: str) -> InvalidRowError:
    return InvalidRowError(f"field {path}: expected {kind}", f"字段 {path}: 须为 {kind}")
