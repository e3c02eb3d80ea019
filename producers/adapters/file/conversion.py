"""A mapping compiled against its contract: cells in, rows of the contract out, with the reason where that fails."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from producers.adapter import Rejection
from producers.adapters.file.conversions import CONVERSIONS, Conversion, Unconvertible
from producers.adapters.file.mapping import Column, FileMapping
from schemas.avro_types import AvroType, is_nullable, logical, primitive, without_null
from schemas.change_event import Row
from schemas.contract import Contract, ContractField
from schemas.errors import ConfigError
from schemas.text import Text

_MEMORY = 20_000
"""Distinct texts per column whose conversion is remembered."""
_BY_TYPE = {"int": "integer", "long": "integer", "float": "number", "double": "number", "boolean": "boolean"}
_BY_MEANING = {"date": "date", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp", "decimal": "decimal"}
_TYPED = frozenset({"date", "timestamp", "integer", "decimal", "number", "boolean", "money_cents", "lookup"})


class Converter:
    """Cells of the mapped columns -> rows. Keeps count of what it made null, by field and reason."""

    def __init__(self, mapping: FileMapping, contract: Contract, where: str) -> None:
        _check_fields(mapping, contract, where)
        self.columns = [c.column for c in mapping.columns.values()]
        self.nulled: Counter[tuple[str, str]] = Counter()
        self._fields = [
            _Field(contract.by_name[name], column, mapping, where) for name, column in mapping.columns.items()
        ]
        self._key = [list(mapping.columns).index(k) for k in contract.key]

    def rows(self, cells: Sequence[Sequence[str]], numbers: Sequence[int]) -> tuple[list[Row | None], list[Rejection]]:
        """A row for each entry of `cells` (the mapped columns, in the mapping's order), None where it is rejected."""
        out: list[Row | None] = [{} for _ in cells]
        rejected: list[Rejection] = []
        for field, column in zip(self._fields, zip(*cells, strict=True), strict=True):
            name = field.name
            for n, text in enumerate(column):
                value = field.convert(text)
                if type(value) is _Failure:
                    if field.null_on_error:
                        self.nulled[name, value.reason] += 1
                        value = None
                    else:
                        rejected.append(Rejection(numbers[n], name, value.reason))
                        out[n] = None
                        continue
                row = out[n]
                if row is not None:
                    row[name] = value
        return out, rejected

    def key(self, cells: Sequence[str]) -> list[Any] | None:
        """The key values of one entry, or None if they cannot be had."""
        values = [self._fields[i].convert(cells[i]) for i in self._key]
        return None if any(v is None or type(v) is _Failure for v in values) else values


class _Failure:
    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Field:
    def __init__(self, field: ContractField, column: Column, mapping: FileMapping, where: str) -> None:
        self.name = field.name
        self.null_on_error = column.on_error == "null"
        place = f"{where}: columns.{field.name}"
        if self.null_on_error and not is_nullable(field.type):
            raise _wrong(f"{place}.on_error", "the field may not be null.", "该字段不可为空。")
        self._nulls = frozenset(mapping.null_values if column.null_values is None else column.null_values)
        self._steps = _steps(column, without_null(field.type), place)
        self._memory: dict[str, Any] = {}

    def convert(self, text: str) -> Any:
        """The value, None, or a _Failure."""
        memory = self._memory
        try:
            return memory[text]
        except KeyError:
            if len(memory) >= _MEMORY:
                memory.clear()
            found = memory[text] = self._converted(text)
            return found

    def _converted(self, text: str) -> Any:
        if text.strip() in self._nulls:
            return None
        value: Any = text
        try:
            for step in self._steps:
                value = step(value)
        except Unconvertible as error:
            return _Failure(error.reason)
        return None if isinstance(value, str) and value in self._nulls else value


def _steps(column: Column, avro: AvroType, where: str) -> list[Conversion]:
    """The column's conversions; behind them, unless one of them gives a typed value, the one the field's type needs."""
    names: list[str] = []
    steps: list[Conversion] = []
    for n, entry in enumerate(column.convert):
        name, arguments = _named(entry, f"{where}.convert.{n}")
        names.append(name)
        steps.append(_made(name, arguments, f"{where}.convert.{n}"))
    last = _BY_MEANING.get(logical(avro) or "") or _BY_TYPE.get(primitive(avro))
    if last is not None and not _TYPED.intersection(names):
        if "trim" not in names:
            steps.append(CONVERSIONS["trim"]())
        steps.append(CONVERSIONS[last]())
    return steps


def _named(entry: str | dict[str, Any], where: str) -> tuple[str, Any]:
    if isinstance(entry, str):
        return entry, None
    if len(entry) != 1:
        raise _wrong(where, "a conversion is a name, or {name: arguments}.", "转换写作 名称 或 {名称: 参数}。")
    return next(iter(entry.items()))


def _made(name: str, arguments: Any, where: str) -> Conversion:
    make: Callable[..., Conversion] | None = CONVERSIONS.get(name)
    if make is None:
        known = ", ".join(CONVERSIONS)
        raise _wrong(
            where, f"the conversion '{name}' is unknown; known are {known}.", f"转换 '{name}' 未知; 可用: {known}。"
        )
    try:
        if arguments is None:
            return make()
        return make(**arguments) if isinstance(arguments, dict) and name != "lookup" else make(arguments)
    except TypeError as error:
        raise _wrong(where, f"wrong arguments for '{name}'.", f"转换 '{name}' 的参数有误。") from error


def _check_fields(mapping: FileMapping, contract: Contract, where: str) -> None:
    if mapping.resource != contract.id:
        raise _wrong(
            f"{where}: resource",
            f"the mapping is for '{mapping.resource}', the contract for '{contract.id}'.",
            f"映射属于 '{mapping.resource}', 契约属于 '{contract.id}'。",
        )
    for name in mapping.columns:
        if name not in contract.by_name:
            near = difflib.get_close_matches(name, contract.by_name, 1)
            also = f" (nearest: '{near[0]}')" if near else ""
            raise _wrong(f"{where}: columns.{name}", f"not a field of the contract{also}.", f"契约中没有该字段{also}。")
    for field in contract.fields:
        if field.name not in mapping.columns and not (is_nullable(field.type) or field.has_default):
            raise _wrong(
                f"{where}: columns",
                f"the required field '{field.name}' has no column.",
                f"必填字段 '{field.name}' 未映射。",
            )


def _wrong(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where)
