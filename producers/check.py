"""Rows against their contract, before anything is published: types, nulls, formats, rules.

Works field by field over a whole batch. Only the `after` of an event is judged: what was published once may always be
deleted, even when the contract has become stricter since.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fastavro.validation import validate

from schemas.avro_types import AvroType, is_nullable, logical, primitive, without_null
from schemas.change_event import Row
from schemas.codec import arrow_type
from schemas.codec.ranges import range_of
from schemas.contract import Contract, ContractField
from schemas.errors import ConfigError
from schemas.formats import FORMATS
from schemas.text import Text

Test = Callable[[list[Any]], Iterable[bool]]
"""For each value of a field (never None) whether it passes."""

_WHOLE = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_GREATEST_FLOAT = 3.4028234663852886e38
_DISTINCT = frozenset({str, int, dt.date})
"""Types whose equal values are the same value, so that each is judged once."""
RULES = frozenset({"min", "max", "min_length", "max_length", "length", "pattern", "enum"})


class RowCheck:
    """The check a contract asks for. ConfigError, when built, for a rule or format it does not know."""

    def __init__(self, contract: Contract) -> None:
        self._fields = [_FieldCheck(f, key=f.name in contract.key) for f in contract.fields]
        self._known = contract.by_name.keys()

    def faults(self, rows: Sequence[Row]) -> dict[int, list[tuple[str | None, str]]]:
        """For each bad row (its place in `rows`): its wrong fields, each with the first reason found.

        The reasons: required, type, range, control_character, format, min, max, length, pattern, enum, unknown_field.
        """
        found: dict[int, list[tuple[str | None, str]]] = {}
        for n, row in enumerate(rows):
            if not row.keys() <= self._known:
                found.setdefault(n, []).append((None, "unknown_field"))
        for check in self._fields:
            for n, reason in check.faults(rows):
                found.setdefault(n, []).append((check.name, reason))
        return found


class _FieldCheck:
    def __init__(self, field: ContractField, *, key: bool) -> None:
        self.name = field.name
        self._nullable = is_nullable(field.type)
        self._may_be_left_out = self._nullable or field.has_default
        self._key = key
        inner = without_null(field.type)
        self._tests: list[tuple[str, Test]] = [("type", _type_test(field, inner)), *_range_test(inner)]
        if primitive(inner) == "string":
            self._tests.append(("control_character", _each(lambda v: "\x00" not in v)))
        self._tests += _format_test(field) + list(_rule_tests(field))

    def faults(self, rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
        values = [row.get(self.name) for row in rows]
        types = set(map(type, values))
        if type(None) in types and not self._nullable:
            yield from self._absent(rows)
        if len(types - {type(None)}) == 1 and types & _DISTINCT:
            distinct = list(set(values) - {None})
            reasons = self._judge(distinct)
            bad = {v: reason for v, reason in zip(distinct, reasons, strict=True) if reason is not None}
            if bad:
                yield from ((n, bad[v]) for n, v in enumerate(values) if v is not None and v in bad)
        else:
            present = [(n, v) for n, v in enumerate(values) if v is not None]
            reasons = self._judge([v for _, v in present])
            yield from ((n, reason) for (n, _), reason in zip(present, reasons, strict=True) if reason is not None)

    def _absent(self, rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
        for n, row in enumerate(rows):
            if row.get(self.name) is None and (self.name in row or not self._may_be_left_out):
                yield n, "required"

    def _judge(self, values: list[Any]) -> list[str | None]:
        """For each value the first reason why it is wrong, or None."""
        reasons: list[str | None] = ["required" if self._key and v == "" else None for v in values]
        for reason, test in self._tests:
            left = [n for n, r in enumerate(reasons) if r is None]
            for n, passes in zip(left, test([values[n] for n in left]), strict=True):
                if not passes:
                    reasons[n] = reason
        return reasons


def _each(test: Callable[[Any], bool]) -> Test:
    return lambda values: map(test, values)


def _type_test(field: ContractField, avro: AvroType) -> Test:
    kind, meaning = primitive(avro), logical(avro)
    if kind == "union":
        raise _wrong(field, "publishers do not support unions of several types", "发布端不支持多类型 union", [])
    if meaning == "date":
        return _each(lambda v: type(v) is dt.date)
    if meaning in ("timestamp-millis", "timestamp-micros"):
        return _each(lambda v: type(v) is int or (isinstance(v, dt.datetime) and v.tzinfo is not None))
    if meaning is None and kind in _PYTHON:
        allowed = _PYTHON[kind]
        return _each(lambda v: type(v) in allowed)
    layout = arrow_type(avro)
    return _each(lambda v: _fits(v, avro, layout))


def _fits(value: Any, avro: AvroType, layout: pa.DataType) -> bool:
    """Whether Avro and Arrow can both hold it."""
    try:
        pa.array([value], layout)
        return bool(validate(value, avro, raise_errors=False))  # raises all the same for a decimal of too many digits
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return False


def _range_test(avro: AvroType) -> list[tuple[str, Test]]:
    limits = range_of(avro) if logical(avro) != "date" else None
    if limits is None and logical(avro) is None:
        limits = _WHOLE.get(primitive(avro))
    if limits is not None:
        low, high = limits
        return [("range", _each(lambda v: type(v) is not int or low <= v <= high))]
    if primitive(avro) == "float":
        return [("range", _each(lambda v: not math.isfinite(v) or abs(v) <= _GREATEST_FLOAT))]
    return []


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "bytes": (bytes,),
}


def _format_test(field: ContractField) -> list[tuple[str, Test]]:
    if field.format is None:
        return []
    if field.format not in FORMATS:
        raise _wrong(field, f"the format '{field.format}' is unknown", f"格式 '{field.format}' 未知", sorted(FORMATS))
    return [("format", _each(FORMATS[field.format]))]


def _rule_tests(field: ContractField) -> Iterator[tuple[str, Test]]:
    unknown = field.rules.keys() - RULES
    if unknown:
        name = sorted(unknown)[0]
        raise _wrong(field, f"the rule '{name}' is unknown", f"规则 '{name}' 未知", sorted(RULES))
    for name, bound in field.rules.items():
        yield _rule(field, name, bound)


def _rule(field: ContractField, name: str, bound: Any) -> tuple[str, Test]:
    if name == "pattern":
        return "pattern", _pattern_test(field, bound)
    if name == "enum":
        return "enum", _each(frozenset(bound).__contains__)
    if name == "min":
        return "min", _each(lambda v: bool(v >= bound))
    if name == "max":
        return "max", _each(lambda v: bool(v <= bound))
    if name == "min_length":
        return "length", _each(lambda v: len(v) >= bound)
    if name == "max_length":
        return "length", _each(lambda v: len(v) <= bound)
    return "length", _each(lambda v: len(v) == bound)


def _pattern_test(field: ContractField, pattern: str) -> Test:
    """The whole value matches, judged by RE2: time linear in the value, whatever the pattern."""
    whole = f"^(?:{pattern})$"

    def test(values: list[Any]) -> list[bool]:
        matches: Any = pc.match_substring_regex(pa.array(values, pa.string()), whole)
        return list(matches.to_pylist())

    try:
        test([""])
    except pa.ArrowInvalid as error:
        raise _wrong(
            field, "the pattern is not a regular expression RE2 knows", "pattern 不是 RE2 正则表达式", []
        ) from error
    return test


def _wrong(field: ContractField, en: str, zh: str, known: list[str]) -> ConfigError:
    names = ", ".join(known)
    hint = Text(f"Known are: {names}.", f"可用: {names}。") if known else None
    return ConfigError(Text(en + ".", zh + "。"), where=f"contract: fields.{field.name}", hint=hint)
