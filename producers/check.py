"""Rows against their contract, before anything is published: types, nulls, formats, rules.

Works field by field over a whole batch. Only the `after` of an event is judged: what was published once may always be
deleted, even when the contract has become stricter since.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from fastavro.validation import validate

from schemas.avro_types import AvroType, is_nullable, logical, primitive, without_null
from schemas.change_event import Row
from schemas.contract import Contract, ContractField
from schemas.errors import ConfigError
from schemas.formats import FORMATS
from schemas.text import Text

Test = Callable[[Any], bool]
"""Whether a value (never None) passes."""

_BOUNDS = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
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
            if row.keys() - self._known:
                found.setdefault(n, []).append((None, "unknown_field"))
        for check in self._fields:
            for n, reason in check.faults(rows):
                found.setdefault(n, []).append((check.name, reason))
        return found


class _FieldCheck:
    def __init__(self, field: ContractField, *, key: bool) -> None:
        self.name = field.name
        self._optional = is_nullable(field.type) or field.has_default
        self._key = key
        inner = without_null(field.type)
        self._tests: list[tuple[str, Test]] = [("type", _type_test(inner))]
        if primitive(inner) in _BOUNDS and not logical(inner):
            low, high = _BOUNDS[primitive(inner)]
            self._tests.append(("range", lambda v: low <= v <= high))
        if primitive(inner) == "string":
            self._tests.append(("control_character", lambda v: "\x00" not in v))
        self._tests += _format_test(field) + list(_rule_tests(field))

    def faults(self, rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
        name, memory = self.name, dict[Any, str | None]()
        for n, row in enumerate(rows):
            value = row.get(name)
            if value is None:
                if not self._optional or (name in row and self._key):
                    yield n, "required"
                continue
            if value == "" and self._key:
                yield n, "required"
                continue
            reason = self._remembered(value, memory) if type(value) is str else self._judge(value)
            if reason is not None:
                yield n, reason

    def _remembered(self, value: str, memory: dict[Any, str | None]) -> str | None:
        if value not in memory:
            memory[value] = self._judge(value)
        return memory[value]

    def _judge(self, value: Any) -> str | None:
        return next((reason for reason, test in self._tests if not test(value)), None)


def _type_test(avro: AvroType) -> Test:
    kind, meaning = primitive(avro), logical(avro)
    if meaning == "date":
        return lambda v: type(v) is dt.date
    if meaning in ("timestamp-millis", "timestamp-micros"):
        return lambda v: type(v) is int or (isinstance(v, dt.datetime) and v.tzinfo is not None)
    if meaning is None and kind in _PYTHON:
        allowed = _PYTHON[kind]
        return lambda v: type(v) in allowed
    return lambda v: bool(validate(v, avro, raise_errors=False))


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
    return [("format", FORMATS[field.format])]


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
        allowed = frozenset(bound)
        return "enum", lambda v: v in allowed
    if name == "min":
        return "min", lambda v: bool(v >= bound)
    if name == "max":
        return "max", lambda v: bool(v <= bound)
    if name == "min_length":
        return "length", lambda v: len(v) >= bound
    return "length", (lambda v: len(v) == bound) if name == "length" else (lambda v: len(v) <= bound)


def _pattern_test(field: ContractField, pattern: str) -> Test:
    """The whole value matches, judged by RE2: time linear in the value, whatever the pattern."""
    whole = f"^(?:{pattern})$"
    try:
        pc.match_substring_regex(pa.array([""], pa.string()), whole)
    except pa.ArrowInvalid as error:
        raise _wrong(
            field, "the pattern is not a regular expression RE2 knows", "pattern 不是 RE2 正则表达式", []
        ) from error
    return lambda v: bool(pc.match_substring_regex(pa.array([v], pa.string()), whole)[0].as_py())


def _wrong(field: ContractField, en: str, zh: str, known: list[str]) -> ConfigError:
    names = ", ".join(known)
    hint = Text(f"Known are: {names}.", f"可用: {names}。") if known else None
    return ConfigError(Text(en + ".", zh + "。"), where=f"contract: fields.{field.name}", hint=hint)
